"""How long a run will take, and its GPU-hours: work by `rlvr.speed.flops`, over peaks times assumed utilisation."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import lcm
from typing import TYPE_CHECKING

from rlvr.preflight.assumed import ELSE, PASS_RATE, Evaluations, Lengths, Utilisation
from rlvr.preflight.plan import Plan
from rlvr.speed.flops import Passed, PolicySize
from rlvr.speed.peaks import Peak

if TYPE_CHECKING:
    from rlvr.tables import Grid


@dataclass(frozen=True)
class Phase:
    """A part of a run.

    Attributes:
        flops: Operations of all ranks, including those that are computed a second time.
        share: Utilisation assumed, of the device's peak.
        seconds: What it takes.
    """

    flops: float
    share: float
    seconds: float


@dataclass(frozen=True)
class TimePlan:
    """The time that a run will take. Every number is an estimate.

    Attributes:
        plan: What the run asks for.
        sampling: Peak of a device in the engine's type.
        training: Peak in the trainer's.
        assumed: Utilisation.
        lengths: Of prompts and completions.
        evaluations: What they sample.
        greedy: The filter asks for a greedy answer to each problem first.
        refill: It draws again until the batch is full.
        scorings: Forward passes over a rollout batch before training on it: by the old policy, by the reference.
        warm_start: What goes through a policy while it is made or taught.
    """

    plan: Plan
    sampling: Peak
    training: Peak
    assumed: Utilisation
    lengths: Lengths
    evaluations: Evaluations
    greedy: bool
    refill: bool
    scorings: int
    warm_start: Passed

    @cached_property
    def size(self) -> PolicySize:
        """Sizes of the policy's matrices."""
        return PolicySize.of(self.plan.config)

    @cached_property
    def phases(self) -> Mapping[str, Phase]:
        """Phases by name, in the order in which they run."""
        plan, size, assumed = self.plan, self.size, self.assumed
        batch = self._group(plan.group_size) * (plan.problems_per_step * plan.rollouts)
        forward, backward = size.forward(batch), size.backward(batch, adapters=plan.lora_rank is not None)
        again = forward if plan.gradient_checkpointing else 0.0
        phases = {
            "warm start of the base": self._made(),
            "base's evaluation": self._evaluated(self.evaluations.whole, 1),
            "rollouts": self._sampled(),
            "scoring": self._trained(self.scorings * forward, assumed.forward),
            "forward passes": self._trained(forward, assumed.forward),
            "backward passes": self._trained(backward + again, assumed.backward),
            "evaluations on the way": self._evaluated(self.evaluations.path, self._on_the_way),
            "last evaluation": self._evaluated(self.evaluations.whole, 1),
        }
        steps = sum(phases[name].seconds for name in ("rollouts", "scoring", "forward passes", "backward passes"))
        phases["everything else"] = Phase(0.0, 0.0, ELSE * steps)
        return {name: phase for name, phase in phases.items() if phase.seconds}

    @property
    def seconds(self) -> float:
        """The whole run."""
        return sum(phase.seconds for phase in self.phases.values())

    @property
    def gpu_hours(self) -> float:
        """Hours times GPUs; 0 on a CPU."""
        return self.plan.ranks * self.seconds / 3600 if self.plan.device_gib is not None else 0.0

    @property
    def _on_the_way(self) -> int:
        """Evaluations on the way: after whole rollouts, and not after the last step."""
        return (self.plan.max_steps - 1) // lcm(self.evaluations.every_n_steps, self.plan.minibatches_per_rollout)

    def _group(self, completions: int) -> Passed:
        return Passed.of(self.lengths.prompt, [self.lengths.completion] * completions)

    def _sampled(self) -> Phase:
        """Rollouts, greedy answers among them."""
        plan, more = self.plan, 1 / PASS_RATE if self.refill else 1.0
        problems = plan.problems_per_step * (1 if self.greedy else more)
        passed = self._group(plan.group_size) * problems
        if self.greedy:
            passed += self._group(1) * (plan.problems_per_step * more)
        calls = plan.rollouts * (2 if self.greedy or self.refill else 1)
        return self._generated(passed * plan.rollouts, self.assumed.sampling, calls, plan.max_new_tokens)

    def _evaluated(self, problems: int, times: int) -> Phase:
        passed = self._group(self.evaluations.n) * (problems * times)
        calls = 2 * times  # held-out problems, training problems
        return self._generated(passed, self.assumed.evaluation, calls, self.plan.eval_new_tokens)

    def _generated(self, passed: Passed, share: float, calls: int, longest: int) -> Phase:
        """The longer of two times: that of the operations, and that of the longest completion of each call, for which a
        GPU reads the weights from memory at each token."""
        flops = self.size.forward(passed)
        seconds = flops / (self.plan.ranks * self.sampling.flops * share)
        if self.sampling.bandwidth:
            weights = (self.size.layers + self.size.head) * self.plan.engine_bytes / max(self.plan.ranks_per_engine, 1)
            seconds = max(seconds, calls * longest * weights / self.sampling.bandwidth)
        share = flops / (self.plan.ranks * self.sampling.flops * seconds) if seconds else 0.0
        return Phase(flops, share, seconds)

    def _trained(self, flops: float, share: float) -> Phase:
        return Phase(flops, share, flops / (self.plan.ranks * self.training.flops * share))

    def _made(self) -> Phase:
        """Supervised steps of one process."""
        forward, backward = self.size.forward(self.warm_start), self.size.backward(self.warm_start)
        peak_s = forward / self.assumed.forward + backward / self.assumed.backward
        flops = forward + backward
        return Phase(flops, flops / peak_s if flops else 0.0, peak_s / self.training.flops)

    @property
    def assumptions(self) -> list[str]:
        """What the estimate assumes, a sentence each."""
        lengths, plan, shown = self.lengths, self.plan, self.evaluations
        half = f"half of the problems pass the filter, which then draws again until {plan.problems_per_step} have"
        return [
            f"Peak of a device: {_rate(self.training)} in training, {_rate(self.sampling)} in sampling.",
            f"Utilisation: {self.assumed.said_by}.",
            f"A prompt has {lengths.prompt:,.0f} tokens and a completion {lengths.completion:,.0f}: {lengths.said_by}.",
            f"Every completion of a full batch is trained on; {half if self.refill else 'no problem is drawn again'}.",
            f"Evaluations: {shown.n} samples of {shown.whole} problems at the beginning and the end, of {shown.path} "
            f"at {self._on_the_way} steps between; {shown.said_by}. The cache may have the base's.",
            f"Everything else takes {ELSE:.0%} of rollouts and training; loading and compiling are not counted.",
        ]

    def __str__(self) -> str:
        """In one line, for the terminal of a run."""
        longest = sorted(self.phases.items(), key=lambda item: -item[1].seconds)[:3]
        parts = ", ".join(f"{name} {in_words(phase.seconds)}" for name, phase in longest)
        cost = f", {self.gpu_hours:,.1f} GPU-hours" if self.gpu_hours else ""
        whole = f"about {in_words(self.seconds)} once all is loaded{cost}"
        return f"{whole}, of which {parts}; preflight=only says what that assumes"

    def table(self) -> "Grid":
        """All of it."""
        from rlvr.tables import Grid  # which needs Hydra; a plan alone does not

        rows = [
            [name, f"{one.flops / 1e12:,.4g}", f"{one.share:.1%}" if one.share else "", in_words(one.seconds)]
            for name, one in self.phases.items()
        ]
        rows.append(
            ["all", f"{sum(one.flops for one in self.phases.values()) / 1e12:,.4g}", "", in_words(self.seconds)]
        )
        if self.gpu_hours:
            rows.append(["GPU-hours", "", "", f"{self.gpu_hours:,.1f}"])
        return Grid("Plan, time: estimates", ["", "TFLOP", "of peak", "time"], rows)


def _rate(peak: Peak) -> str:
    return f"{peak.flops / 1e12:,.3g} TFLOP/s ({peak.said_by})"


def in_words(seconds: float) -> str:
    """A duration with the unit that fits it."""
    for unit, size, most in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 48)):
        if seconds < most * size:
            return f"{seconds / size:.2g} {unit}" if seconds < 10 * size else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.2g} days"
