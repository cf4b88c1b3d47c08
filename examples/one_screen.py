"""The whole algorithm in one plain loop, without Lightning or Hydra. Read this file first.

    python examples/one_screen.py        # GRPO on Countdown with a tiny policy, minutes on a CPU

It trains with the functions that `src/train.py` uses. A test checks that three of its steps equal the trainer's to the
bit. It leaves out what Lightning and the rest of `src/rlvr` add: several GPUs, checkpoints, evaluations, metrics,
guards, and drawing again until a batch is full.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import LambdaLR

from rlvr.algo import Filter, Loss, Objective, Outcomes
from rlvr.algo.advantages import group_normalised
from rlvr.algo.aggregation import token_mean
from rlvr.algo.surrogates import ppo_clip
from rlvr.data import Countdown, ProblemCursor
from rlvr.models import WarmStartedPolicy
from rlvr.rollout import HF, Host, Sampling, call_seed, named_weights
from rlvr.scoring import completion_logps, deal, micro_batches, packed, pieces_of
from rlvr.step import TrainingSample, sample_groups
from rlvr.types import Problem
from rlvr.verify import CountdownVerifier, Verifier

# GRPO as configs/algo/loss/grpo.yaml has it; the axis suffixes: P problems, G completions each, B x T tokens.
GRPO = Loss(
    name="grpo",
    advantage=group_normalised,
    signs={"positive": 1.0, "negative": 1.0},
    surrogate=partial(ppo_clip, clip_low=0.2, clip_high=0.2, dual_clip=3.0),
    aggregation=partial(token_mean, over="live"),
)
# Selects every problem. With rlvr.algo.SELF() or rlvr.algo.BBG() instead, this is the method of that name, without the
# refill.
EVERY_PROBLEM = Filter()


def train(
    policy: Any,
    tokenizer: Any,
    pool: Sequence[Problem],
    verifier: Verifier,
    loss: Loss = GRPO,
    filter: Filter = EVERY_PROBLEM,
    steps: int = 400,
    problems_per_step: int = 64,
    group_size: int = 8,
    max_new_tokens: int = 10,
    micro_batch_tokens: int = 16384,
    lr: float = 1e-4,
    warmup_steps: int = 10,
    max_grad_norm: float = 1.0,
    seed: int = 0,
) -> None:
    """Train `policy` in place."""
    engine = HF(max_tokens=65536).build(Host(policy, tokenizer, partial(named_weights, policy), policy.device))
    sampling = Sampling(max_new_tokens)
    objective = Objective(loss.surrogate)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=lr, weight_decay=0.0, fused=True)
    schedule = LambdaLR(optimizer, lambda step: min((step + 1) / max(warmup_steps, 1), 1.0))
    cursor = ProblemCursor(pool, seed)
    policy.train()

    for version in range(steps):
        # 1. Problems. A filter may drop some before anything is sampled: SELF asks for a greedy answer to each.
        engine.sync(version)

        def solved_greedily(problems: Sequence[Problem], version: int = version) -> list[bool]:
            greedy = replace(sampling, temperature=0.0)
            groups = sample_groups(engine, verifier, problems, 1, greedy, version, seed=0)
            return [group.successes > 0 for group in groups]

        problems = filter.before(cursor.draw(problems_per_step), solved_greedily)

        # 2. G completions for each, with verdicts.
        call = call_seed(seed, "sample", version, 1, 0)
        groups = sample_groups(engine, verifier, problems, group_size, sampling, version, call)
        reward_PG = torch.tensor([[verdict.reward for verdict in group.verdicts] for group in groups])
        right_PG = torch.tensor([[verdict.status == "right" for verdict in group.verdicts] for group in groups])

        # 3. Advantages, which the filter may weigh or drop by how many answers are right. 0 carries no gradient.
        weight_P = filter.weigh([problem.id for problem in problems], right_PG.sum(dim=1).float(), group_size)
        advantage_PG = loss.advantages(Outcomes(reward_PG, right_PG), weight_P)

        # 4. Training samples: what each token of a completion weighs in the loss of this step.
        selected = weight_P > 0
        length_PG = torch.tensor([[float(len(one.token_ids)) for one in group.completions] for group in groups])
        scale_PG, count = loss.aggregation(advantage_PG[selected], length_PG[selected], max_new_tokens)
        token_weight_PG = torch.zeros_like(advantage_PG)
        token_weight_PG[selected] = scale_PG / max(float(count), 1.0)
        samples = [
            TrainingSample(
                groups[p].problem, groups[p].completions[g], float(advantage_PG[p, g]), float(token_weight_PG[p, g])
            )
            for p, g in advantage_PG.nonzero().tolist()
        ]

        # 5. One optimizer step, in micro-batches that fit into memory: forward, objective, backward.
        pieces = pieces_of(samples, micro_batch_tokens)
        for part in deal(pieces, micro_batches(pieces, micro_batch_tokens, ranks=1)):
            batch = packed([sample for piece in part for sample in piece], version)
            scores = completion_logps(policy, batch, sampling.temperature)
            value, _ = objective(batch.tokens(scores.logp_BT, scores.entropy_BT))
            value.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), max_grad_norm)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        print(f"step {version + 1:>4}  accuracy {float(right_PG.float().mean()):.3f}  learned from {len(samples)}")


def main() -> None:
    """Train with the embedded default of `src/train.py algo=grpo`."""
    source = Countdown(
        numbers=5,
        target_min=10,
        target_max=99,
        train_size=512,
        heldout_size=500,
        seed=0,
        operator_shares=[0.5, 0.3, 0.2],
    )
    base = WarmStartedPolicy(
        architecture="qwen2",
        size={
            **{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2},
            **{"intermediate_size": 192, "max_position_embeddings": 64, "tie_word_embeddings": True},
            "initializer_range": 0.05,
        },
        steps=2100,
        batch_size=128,
        lr=2e-3,
        betas=[0.9, 0.98],
        warmup_steps=50,
        clip=1.0,
    )
    policy, tokenizer = base.load(source, seed=0, cache_dir=Path("logs/cache"), dtype=torch.float32)
    verifier = CountdownVerifier()
    train(policy, tokenizer, source.splits(tokenizer, verifier.readable).train, verifier)


if __name__ == "__main__":
    main()
