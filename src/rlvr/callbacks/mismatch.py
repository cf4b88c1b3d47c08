"""Stops a run whose rollouts do not come from the policy that is being trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rlvr.callbacks.listener import Listener
from rlvr.errors import RunError
from rlvr.ranks import Ranks
from rlvr.rollout import call_seed
from rlvr.step import RolloutBatch, TrainingSample, sample_groups
from rlvr.training import PolicyModule, RunContext, score_samples
from rlvr.types import Group

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
        """Compare the trainer's with the engine's. Without tokens the difference is 0."""
        if not len(logp_N):
            return cls(0.0, 0.0, 0.0, 0.0, 0)
        difference_N = logp_N.double() - engine_logp_N.double()
        # A difference that is not finite counts as infinitely large, so that it is above every limit.
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


class MismatchGuard(Listener):
    """Recomputes log-probabilities of completions with the trainer's policy, and ends the run where they disagree.

    It looks at every rollout batch before anything is trained on it, and once more before the last evaluation, whose
    weights no step would have checked.

    Args:
        context: What the run's parts share.
        rollouts: How many are recomputed.
        mean_limit: Mean |difference| above which the run ends, in nats; None: it follows from the precision of both.
    """

    def __init__(self, context: RunContext, rollouts: int, mean_limit: float | None) -> None:
        self.context = context
        self.rollouts = rollouts
        self.mean_limit = mean_limit

    def on_rollout(
        self, trainer: Any, pl_module: Any, batch: RolloutBatch, metrics: Mapping[str, float]
    ) -> Mapping[str, float]:
        """Look at the completions that the step is about to learn from."""
        with self.context.clock.phase("guard"):
            return self.check(trainer, pl_module, batch.groups[: self.rollouts], batch.version).metrics()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Sync and sample a few completions with the last weights, as the evaluation that follows will."""
        context, version = self.context, trainer.global_step
        context.engine.sync(version)
        seed = call_seed(context.seed, "guard", version)
        problems = context.problems[: self.rollouts]
        groups = sample_groups(context.engine, context.verifier, problems, 1, context.sampling, version, seed)
        context.engine.sleep()  # the forward pass needs the memory
        self.check(trainer, pl_module, groups, version)

    def check(self, trainer: Any, module: PolicyModule, groups: Sequence[Group], version: int) -> Mismatch:
        """Compare the first completion of each group on this rank, and decide on all.

        Raises:
            MismatchError: On every rank, when any rank's completions are too far off.
        """
        samples = [TrainingSample(group.problem, group.completions[0]) for group in groups]
        scored = score_samples(trainer, module, samples, self.context.micro_batch_tokens)
        found = Mismatch.between(_together(scored), _together(list(map(_engine_logps, samples))))
        limit = self.mean_limit or (EXACT_LIMIT if self._exact(trainer) else ROUNDED_LIMIT)
        worst = Ranks.of(trainer).largest(found.mean)
        if not worst <= limit:
            raise MismatchError(_sentence(found, worst, limit, version))
        return found

    def _exact(self, trainer: Any) -> bool:
        """Whether both compute in fp32: what the engine's dtype and the trainer's precision say."""
        return self.context.engine.dtype == torch.float32 and str(trainer.precision).startswith("32")


def _engine_logps(sample: TrainingSample) -> Tensor:
    completion = sample.completion
    logp_T = torch.tensor(completion.logps)
    return logp_T if completion.trainable is None else logp_T[torch.tensor(completion.trainable)]


def _together(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([torch.empty(0), *parts])


def _sentence(found: Mismatch, worst: float, limit: float, version: int) -> str:
    return (
        f"The rollouts of policy version {version} do not come from the policy that is trained: over {found.tokens} "
        f"sampled tokens the log-probabilities of engine and trainer differ by {worst:.2g} nats on average (here "
        f"95 % below {found.p95:.2g}, the largest {found.max:.2g}, {100 * found.outside_share:.0f} % of the ratios "
        f"outside [0.9, 1.1]), and rounding explains {limit:.2g} at most; that is what stale or wrongly copied weights "
        "look like. Nothing was trained on them and the checkpoints so far are intact; if the difference is one you "
        "expect, raise rollout.guard.mean_limit."
    )
