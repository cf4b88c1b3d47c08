"""Stops a run whose rollouts do not come from the policy that is being trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import lightning
import torch
from torch import Tensor

from rlvr.errors import RunError
from rlvr.ranks import Ranks
from rlvr.rollout import call_seed
from rlvr.training import PolicyModule, RolloutDataModule, Sample, packed
from rlvr.training.batch import deal, micro_batches, pieces_of
from rlvr.training.logprobs import completion_logps
from rlvr.types import Completion, Problem

# Mean |difference| in nats that rounding and other kernels leave, with room above what `benchmarks/mismatch.py` printed
# for a model of 135M parameters: 9e-6 in fp32, 0.033 with an engine in bfloat16.
EXACT_LIMIT = 2e-4
ROUNDED_LIMIT = 0.1


class MismatchError(RunError):
    """Engine and trainer disagree on the log-probabilities of the same tokens."""


@dataclass(frozen=True)
class Mismatch:
    """How far two log-probabilities of the same tokens are apart, in nats.

    Attributes:
        mean: Mean of |difference|.
        p95: 95 % of the tokens are below it.
        max: Largest.
        outside_share: Share of tokens whose ratio is outside [0.9, 1.1].
        tokens: Tokens compared.
    """

    mean: float
    p95: float
    max: float
    outside_share: float
    tokens: int

    @classmethod
    def between(cls, logp_N: Tensor, engine_logp_N: Tensor) -> "Mismatch":
        """Compare the trainer's with the engine's."""
        difference_N = logp_N.double() - engine_logp_N.double()
        # Not finite is as far apart as can be, and must not pass a comparison.
        size_N = difference_N.abs().nan_to_num(nan=float("inf"), posinf=float("inf"))
        ratio_N = difference_N.exp()
        return cls(
            mean=float(size_N.mean()),
            p95=float(size_N.quantile(0.95)) if bool(size_N.isfinite().all()) else float("inf"),
            max=float(size_N.max()),
            outside_share=float(1 - ((ratio_N >= 0.9) & (ratio_N <= 1.1)).double().mean()),
            tokens=len(size_N),
        )

    def metrics(self) -> dict[str, float]:
        """By their stable names."""
        names = ("mean", "p95", "max", "outside_share")
        return {f"mismatch/{name}": getattr(self, name) for name in names}


class MismatchGuard(lightning.Callback):
    """Recomputes log-probabilities of rollouts with the trainer's policy, and ends the run where they disagree.

    It looks at the rollouts of every step before anything is trained on them, and once more before the last
    evaluation, whose weights no step would have checked.

    Args:
        rollouts: How many are recomputed.
        mean_limit: Mean |difference| above which the run ends, in nats; None: by the precision of engine and trainer.
    """

    def __init__(self, rollouts: int, mean_limit: float | None) -> None:
        self.rollouts = rollouts
        self.mean_limit = mean_limit

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Look at the rollouts that the first optimizer step of an epoch is about to learn from."""
        data: RolloutDataModule = trainer.datamodule
        if batch_idx or data.last_walk is None:
            return
        walk = data.last_walk
        pairs = [(group.problem, group.completions[0]) for group in walk.groups[: self.rollouts]]
        with data.stopwatch.phase("guard"):
            data.metrics |= self.check(trainer, pl_module, pairs, walk.version).metrics()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Sync and sample a few completions with the last weights, as the evaluation that follows will."""
        data: RolloutDataModule = trainer.datamodule
        version = trainer.global_step
        problems = data.problems[: self.rollouts]
        data.engine.sync(version)
        seed = call_seed(data.seed, "guard", version)
        rollouts_P = data.engine.generate(problems, 1, data.sampling, version, seed)
        data.engine.sleep()  # the forward pass needs the memory
        pairs = [(problem, rollouts[0]) for problem, rollouts in zip(problems, rollouts_P, strict=True)]
        self.check(trainer, pl_module, pairs, version)

    def check(
        self, trainer: Any, module: PolicyModule, pairs: Sequence[tuple[Problem, Completion]], version: int
    ) -> Mismatch:
        """Compare on this rank, decide on all.

        Raises:
            MismatchError: On every rank, when any rank's rollouts are too far off.
        """
        found, ranks = self._compare(trainer, module, pairs), Ranks.of(trainer)
        limit = self.mean_limit or (EXACT_LIMIT if self._exact(trainer) else ROUNDED_LIMIT)
        worst = ranks.largest(found.mean)
        if not worst <= limit:
            raise MismatchError(_sentence(found, worst, limit, version))
        return found

    def _compare(self, trainer: Any, module: PolicyModule, pairs: Sequence[tuple[Problem, Completion]]) -> Mismatch:
        """In micro-batches, as many on every rank: under ZeRO-3 a forward pass is a collective."""
        data: RolloutDataModule = trainer.datamodule
        pieces = pieces_of([Sample(*pair, advantage=0.0, weight=0.0) for pair in pairs], data.micro_batch_tokens)
        count = int(Ranks.of(trainer).largest(micro_batches(pieces, data.micro_batch_tokens, ranks=1)))
        trainers, engines = [torch.empty(0)], [torch.empty(0)]
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            for part in deal(pieces, count):
                batch = packed(list(chain.from_iterable(part)), version=0).to(module.device)
                logp_BT = completion_logps(module.policy, batch, data.sampling.temperature).logp_BT
                kept_BT = batch.mask_BT.bool() & bool(part)  # an empty part holds a token of no sample
                trainers.append(logp_BT[kept_BT].cpu())
                engines.append(batch.engine_logp_BT[kept_BT].cpu())
        if not pairs:
            return Mismatch(0.0, 0.0, 0.0, 0.0, 0)
        return Mismatch.between(torch.cat(trainers), torch.cat(engines))

    def _exact(self, trainer: Any) -> bool:
        """Whether both compute in fp32: what the engine's dtype and the trainer's precision say."""
        engine_dtype = getattr(trainer.datamodule.engine, "dtype", trainer.lightning_module.policy.dtype)
        return engine_dtype == torch.float32 and trainer.precision.startswith("32")


def _sentence(found: Mismatch, worst: float, limit: float, version: int) -> str:
    return (
        f"The rollouts of policy version {version} do not come from the policy that is trained: over {found.tokens} "
        f"sampled tokens the log-probabilities of engine and trainer differ by {worst:.2g} nats on average (here "
        f"95 % below {found.p95:.2g}, the largest {found.max:.2g}, {100 * found.outside_share:.0f} % of the ratios "
        f"outside [0.9, 1.1]), and rounding explains {limit:.2g} at most; that is what stale or wrongly copied weights "
        "look like. Nothing was trained on them and the checkpoints so far are intact; if the difference is one you "
        "expect, raise rollout.guard.mean_limit."
    )
