"""Tokens a second, and how much of the device's arithmetic a run uses.

Lightning's ThroughputMonitor sees training batches only; half of the work here is generation, which is no batch of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from rlvr.rollout import LazyEngine, base_of
from rlvr.speed.flops import Passed, PolicySize
from rlvr.speed.peaks import Peak, compute_dtype, peak_of

SAMPLED = ("sample", "greedy")  # phases in which the engine computes; in the others the trainer does


@dataclass
class Speed:
    """Speed of this rank over a rollout and the steps on it so far, since only the first step waits for the rollout.

    Attributes:
        size: Of the policy.
        sampling: Peak of the device in the type in which the engine computes.
        training: Peak in the type in which the trainer does.
        adapters: Only adapters are trained.
    """

    size: PolicySize
    sampling: Peak
    training: Peak
    adapters: bool
    _seconds: dict[str, float] = field(default_factory=dict)
    _flops: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, trainer: Any, policy: Any, engine: LazyEngine) -> Self:
        """With the device of this rank and the types in which it computes."""
        device, model = trainer.strategy.root_device, base_of(policy)
        trained = compute_dtype(str(trainer.precision))
        sampled = engine.dtype if engine.settings.traits.own_weights else trained
        return cls(PolicySize.of(model.config), peak_of(device, sampled), peak_of(device, trained), model is not policy)

    def row(
        self, seconds: Mapping[str, float], passed: Mapping[str, Passed], sampled_tokens: float, begins: bool
    ) -> dict[str, float]:
        """Metrics of an optimizer step.

        Args:
            seconds: Of its phases and, as `step`, of all of it.
            passed: What went through the policy in its phases.
            sampled_tokens: Completion tokens of the rollout batch, of all ranks.
            begins: It is the first step on its rollout batch.

        Returns:
            `speed/tokens` in tokens a second, `speed/tflops` in TFLOP/s, utilisation between 0 and 1.
        """
        if begins:
            self._seconds, self._flops = {}, {}
        # The clock of a process begins after its first rollout, which is timed by phase.
        whole = max(seconds["step"], sum(spent for phase, spent in seconds.items() if phase != "step"))
        for phase, spent in {**seconds, "step": whole}.items():
            self._seconds[phase] = self._seconds.get(phase, 0.0) + spent
        for phase, through in passed.items():
            self._flops[phase] = self._flops.get(phase, 0.0) + self._operations(phase, through)
        whole, least = self._seconds["step"], {phase: self._least_s(phase) for phase in self._flops}
        shares = {phase: least[phase] / self._seconds[phase] for phase in least if self._seconds.get(phase)}
        return {
            "speed/tokens": sampled_tokens / whole,
            "speed/tflops": sum(self._flops.values()) / whole / 1e12,
            "speed/mfu": sum(least.values()) / whole,
            **{f"speed/mfu_{phase}": share for phase, share in shares.items()},
        }

    def _operations(self, phase: str, passed: Passed) -> float:
        return self.size.backward(passed, self.adapters) if phase == "backward" else self.size.forward(passed)

    def _least_s(self, phase: str) -> float:
        """Seconds that the phase would take at the device's peak."""
        return self._flops[phase] / (self.sampling if phase in SAMPLED else self.training).flops
