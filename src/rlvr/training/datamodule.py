"""The RolloutDataModule: one Lightning epoch is one walk through the rooms."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from math import ceil
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from rlvr.algo import Filter, Loss
from rlvr.data import ProblemCursor
from rlvr.ranks import Ranks
from rlvr.rollout import EngineFactory, Gathered, Host, RolloutEngine, Sampling, call_seed, named_weights, whole
from rlvr.timing import Stopwatch
from rlvr.training.batch import MicroBatch, Sample, deal, micro_batches, packed, pieces_of
from rlvr.training.logprobs import completion_logps
from rlvr.training.metrics import walk_metrics
from rlvr.training.walk import Walk, rate
from rlvr.types import Group, Problem
from rlvr.verify import Verifier


class RolloutDataModule(lightning.LightningDataModule):
    """Regenerates the training batch with the current policy at every Lightning epoch.

    Args:
        problems: The pool.
        tokenizer: The policy's.
        engine: Builds the rollout engine at its first use, when the strategy has put the policy in its place.
        verifier: Judges completions.
        filter: Which problems may update the policy.
        loss: Advantages and aggregation.
        sampling: How completions are drawn.
        problems_per_step: P, problems in a rollout batch over all ranks.
        group_size: G, completions a problem.
        minibatches_per_rollout: Optimizer steps on each rollout batch.
        micro_batch_tokens: Tokens that go through the policy at a time; decides how much memory activations take.
        seed: Seed of problem order and sampling.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        tokenizer: Any,
        engine: EngineFactory,
        verifier: Verifier,
        filter: Filter,
        loss: Loss,
        sampling: Sampling,
        problems_per_step: int,
        group_size: int,
        minibatches_per_rollout: int,
        micro_batch_tokens: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.problems = problems
        self.tokenizer = tokenizer
        self.make_engine = engine
        self.verifier = verifier
        self.filter = filter
        self.loss = loss
        self.sampling = sampling
        self.problems_per_step = problems_per_step
        self.group_size = group_size
        self.minibatches_per_rollout = minibatches_per_rollout
        self.micro_batch_tokens = micro_batch_tokens
        self.seed = seed
        self.stopwatch = Stopwatch()
        self.metrics: dict[str, float] = {}
        self.last_walk: Walk | None = None
        self._greedy_tokens = 0
        self._rates = (1.0, 1.0)  # of the last step's problems, what the filter let through before and after sampling
        self._engine: RolloutEngine | None = None

    # --- the walk ---------------------------------------------------------------------------------------------

    def train_dataloader(self) -> DataLoader:
        """Walk once through the rooms and hand over a sized data set, so that nothing is prefetched off-policy."""
        walk = self.walk(version=self._trainer.global_step)
        with self.stopwatch.phase("assemble"):
            minibatches = self.assemble(walk)
            self.metrics = walk_metrics(walk, self._ranks)
            self.last_walk = walk
        if self.minibatches_per_rollout > 1:
            minibatches = self.score(minibatches)
        return DataLoader(minibatches, batch_size=None, shuffle=False)  # type: ignore[arg-type]

    def walk(self, version: int) -> Walk:
        """Problems -> filter -> rollout -> verify -> filter -> advantages, in rounds until the batch is full.

        All ranks take the same decisions on the same draws and share only the work, so that a step holds the same
        problems on one rank as on many; what a rank returns is its share.
        """
        with self.stopwatch.phase("sync"):
            self.engine.sync(version)
        self._greedy_tokens = 0
        groups: list[Group] = []
        weights: list[Tensor] = []
        seen: set[str] = set()
        kept, given, rounds = 0, 0, 0
        tried, passed, fit = 0, 0, 0  # problems drawn, let through before sampling, and after grading
        chosen_rate, kept_rate = self._rates if self.filter.refill else (1.0, 1.0)
        while rounds < self.filter.max_rounds and kept < self.problems_per_step:
            missing = self.problems_per_step - kept
            to_sample = ceil(missing / kept_rate)
            drawn = self.cursor.draw(ceil(to_sample / chosen_rate), exclude=seen)
            if not drawn:
                break  # Every problem of the pool was tried in this step.
            rounds += 1
            candidates = self.candidates(drawn, version)
            chosen, spare = candidates[:to_sample], candidates[to_sample:]
            self.cursor.put_back(spare)
            seen |= {problem.id for problem in drawn} - {problem.id for problem in spare}
            sampled = self.sample(self._ranks.share(chosen, given), version, rounds)
            successes_P = torch.tensor(self._ranks.gather([float(group.successes) for group in sampled], given))
            weight_P = self.filter.after(successes_P, self.group_size)
            tried, passed, fit = tried + len(drawn), passed + len(candidates), fit + int((weight_P > 0).sum())
            # What a round brings beyond a full batch is left out, so that every step has the same size.
            weight_P[(weight_P > 0).cumsum(0) > missing] = 0
            groups += sampled
            weights.append(self._ranks.share(weight_P, given))
            given += len(chosen)
            kept += int((weight_P > 0).sum())
            chosen_rate, kept_rate = rate(len(candidates), len(drawn)), rate(int((weight_P > 0).sum()), len(chosen))
            if not self.filter.refill:
                break
        self.engine.sleep()
        # The next step begins with what it will probably need: a round waits for its longest answer, however few.
        self._rates = (rate(passed, tried), rate(fit, given))
        weight_P = torch.cat(weights)
        rewards = [[verdict.reward for verdict in group.verdicts] for group in groups]
        reward_PG = torch.tensor(rewards).reshape(len(groups), self.group_size)
        advantage_PG = self.loss.advantages(reward_PG, weight_P)
        return Walk(tuple(groups), weight_P, advantage_PG, len(seen), rounds, version, self._greedy_tokens)

    def candidates(self, drawn: Sequence[Problem], version: int) -> list[Problem]:
        """The problems that the filter lets through before sampling, in the order drawn; each rank asks for a share."""
        mine = self._ranks.share(drawn)
        chosen = {
            problem.id for problem in self.filter.before(mine, lambda asked: self.solved_greedily(asked, version))
        }
        passes = self._ranks.gather([problem.id in chosen for problem in mine])
        return [problem for problem, passed in zip(drawn, passes, strict=True) if passed]

    def sample(self, problems: Sequence[Problem], version: int, round_: int) -> list[Group]:
        """G graded rollouts for each problem."""
        with self.stopwatch.phase("sample"):
            seed = call_seed(self.seed, "sample", version, round_, 0)
            rollouts_P = self.engine.generate(problems, self.group_size, self.sampling, version, seed)
        with self.stopwatch.phase("verify"):
            pairs = list(zip(problems, rollouts_P, strict=True))
            verdicts = self.verifier.grade([(p, rollout.text) for p, rollouts in pairs for rollout in rollouts])
            n = self.group_size
            return [Group(p, rs, tuple(verdicts[i * n : (i + 1) * n]), version) for i, (p, rs) in enumerate(pairs)]

    def solved_greedily(self, problems: Sequence[Problem], version: int) -> list[bool]:
        """Whether the current policy's answer at temperature 0 is right, for each problem."""
        greedy = replace(self.sampling, temperature=0.0)
        with self.stopwatch.phase("greedy"):
            rollouts_P = self.engine.generate(problems, 1, greedy, version, seed=0)
            self._greedy_tokens += sum(len(rollouts[0].token_ids) for rollouts in rollouts_P)
        with self.stopwatch.phase("verify"):
            verdicts = self.verifier.grade([(p, rs[0].text) for p, rs in zip(problems, rollouts_P, strict=True)])
            return [verdict.status == "right" for verdict in verdicts]

    def assemble(self, walk: Walk) -> list[MicroBatch]:
        """This rank's micro-batches of every optimizer step on this walk; only rollouts with gradient are in them.

        All ranks pool their samples and each takes as many tokens. Lightning steps after a fixed number of
        micro-batches, so every step on this walk gets as many as the fullest needs.
        """
        ranks, budget = self._ranks, self.micro_batch_tokens
        kept_P = torch.nonzero(walk.weight_P > 0)[:, 0]
        steps = [
            pieces_of(ranks.pool(self._samples(walk, part_P)), budget)
            for part_P in torch.tensor_split(kept_P, self.minibatches_per_rollout)
        ]
        count = max(micro_batches(pieces, budget, ranks.size) for pieces in steps)
        self._trainer.accumulate_grad_batches = count
        mine = chain.from_iterable(deal(pieces, count * ranks.size)[ranks.rank :: ranks.size] for pieces in steps)
        return [packed(list(chain.from_iterable(part)), walk.version) for part in mine]

    def _samples(self, walk: Walk, index_P: Tensor) -> list[Sample]:
        groups = [walk.groups[index] for index in index_P.tolist()]
        advantage_PG = walk.advantage_PG[index_P]
        lengths = [[float(len(rollout.token_ids)) for rollout in group.completions] for group in groups]
        length_PG = torch.tensor(lengths).reshape(advantage_PG.shape)
        share_PG, count = self.loss.aggregation(advantage_PG, length_PG, self.sampling.max_new_tokens)
        # One denominator for the whole optimizer step, over all micro-batches and ranks.
        total = self._ranks.total(float(count))
        advantages, weights = advantage_PG.tolist(), (share_PG / max(total, 1.0)).tolist()
        return [
            Sample(groups[p].problem, groups[p].rollouts[g], advantages[p][g], weights[p][g])
            for p, g in torch.nonzero(advantage_PG).tolist()
        ]

    def score(self, batches: Sequence[MicroBatch]) -> list[MicroBatch]:
        """Fill in the old log-probabilities, needed only where the policy moves before the batch is used up."""
        module: Any = self._trainer.lightning_module
        precision = self._trainer.precision_plugin
        with self.stopwatch.phase("score"), torch.no_grad(), precision.forward_context():
            moved = [batch.to(module.device) for batch in batches]
            scored = (completion_logps(module.policy, b, self.sampling.temperature).logp_BT for b in moved)
            return [batch.with_old(old_logp_BT) for batch, old_logp_BT in zip(moved, scored, strict=True)]

    # --- Lightning's side -------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """The walk over the pool, the same on every rank. Lightning moves the policy to its device only after this."""
        self.cursor = ProblemCursor(self.problems, self.seed)

    def teardown(self, stage: str) -> None:
        """Free the engine."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    @property
    def engine(self) -> RolloutEngine:
        """The engine, built at its first use: all ranks come here together, after the strategy's own setup."""
        if self._engine is None:
            trainer = self._trainer
            policy: Any = trainer.lightning_module.policy
            device, autocast = trainer.strategy.root_device, trainer.precision_plugin.forward_context
            weights = partial(named_weights, policy, self.gathered)
            self._engine = self.make_engine(Host(policy, self.tokenizer, weights, device, autocast))
        return self._engine

    @property
    def gathered(self) -> Gathered:
        """How the strategy makes the policy's parameters whole."""
        return getattr(self._trainer.strategy, "gathered", whole)

    @property
    def _ranks(self) -> Ranks:
        return Ranks.of(self._trainer)

    @property
    def _trainer(self) -> lightning.Trainer:
        if self.trainer is None:
            raise RuntimeError("The RolloutDataModule walks only inside a Lightning Trainer.")
        return self.trainer

    def state_dict(self) -> dict[str, Any]:
        """The cursor and the filter's rates; sampling seeds derive from the policy version and need no state."""
        return {"cursor": self.cursor.state_dict(), "rates": list(self._rates)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the problem that would have come next."""
        self.cursor.load_state_dict(state_dict["cursor"])
        self._rates = tuple(state_dict.get("rates", self._rates))
