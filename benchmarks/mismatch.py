"""Measures how far vLLM's log-probabilities are from the trainer's: SmolLM2-135M in fp32, the engine in fp32 and bf16.

The guard's limits (src/rlvr/callbacks/mismatch.py) leave room above these. Part of `make bench-rollout`.
"""

import tempfile
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from rollout import ROOT, prompts
from torch import Tensor

from rlvr.algo import Correction
from rlvr.algo.tokens import Tokens
from rlvr.build import quiet
from rlvr.callbacks import Mismatch
from rlvr.console import console
from rlvr.rollout import VLLM, Host, Sampling, named_weights
from rlvr.scoring import MicroBatch, packed
from rlvr.scoring.logprobs import completion_logps
from rlvr.step import TrainingSample
from rlvr.tables import Grid

LEVELS: tuple[Literal["token"], Literal["sequence"]] = ("token", "sequence")


def correction(of: Correction, logp_BT: Tensor, batch: MicroBatch) -> dict[str, float]:
    """The metrics that a correction logs on a batch that the policy itself has just sampled."""
    none_BT = torch.zeros_like(logp_BT)
    tokens = Tokens(logp_BT, none_BT, logp_BT, batch.engine_logp_BT, none_BT, none_BT, none_BT, batch.mask_BT)
    sums = {name: float(value) for name, value in of(tokens)[1].items()}
    return of.metrics({**sums, "tokens": float(batch.mask_BT.sum())})


def main() -> None:
    """Print the table."""
    quiet()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        cfg = compose("train", ["model=smollm2_135m"])
    with tempfile.TemporaryDirectory() as cache:
        policy, tokenizer = instantiate(cfg.model).load(instantiate(cfg.data), 0, Path(cache), None)
    problems = prompts(tokenizer, 8)
    rows = []
    for dtype in ("float32", "bfloat16"):
        host = Host(policy, tokenizer, partial(named_weights, policy), policy.device)
        with tempfile.TemporaryDirectory() as cache:
            engine = VLLM(512, 1.0, 512, 1, dtype, 600.0, Path(cache)).build(host)
            engine.sync(0)
            rollouts_P = engine.generate(problems, 8, Sampling(64), 0, 0)
            engine.close()
        samples = [TrainingSample(p, r, 0.0, 0.0) for p, rs in zip(problems, rollouts_P, strict=True) for r in rs]
        batch = packed(samples, version=0)
        with torch.no_grad():
            logp_BT = completion_logps(policy, batch, 1.0).logp_BT
        kept_BT = batch.mask_BT.bool()
        found = Mismatch.between(logp_BT[kept_BT], batch.engine_logp_BT[kept_BT])
        corrected = [correction(Correction(level, 2.0, "truncate"), logp_BT, batch) for level in LEVELS]
        rows.append(
            [
                dtype,
                *(f"{value:.1e}" for value in (found.mean, found.p95, found.max)),
                f"{100 * found.outside_share:.1f} %",
                *(f"{100 * metrics['correction/effective_share']:.1f} %" for metrics in corrected),
            ]
        )
    header = ["engine", "mean", "p95", "largest", "outside [0.9;1.1]", "effective: token", "sequence"]
    console.print(Grid("|log-probability, trainer fp32 - engine|, nats a token", header, rows).rich())


if __name__ == "__main__":
    main()
