"""Stops a run whose policy has been destroyed, before it burns the rest of its budget."""

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rlvr.callbacks.listener import Listener
from rlvr.errors import RunError
from rlvr.step import RolloutBatch


class CollapseError(RunError):
    """The policy no longer solves what it solved before, and its entropy is far from its healthy value."""


@dataclass(frozen=True)
class Level:
    """Where a run stands, averaged over a window of rollout batches.

    Attributes:
        step: Optimizer steps taken before the last of them was sampled.
        accuracy: Share of right answers, see `solved_share`.
        entropy: Mean of -log p over sampled tokens, nats.
    """

    step: int
    accuracy: float
    entropy: float


class CollapseGuard(Listener):
    """Ends a run whose accuracy has fallen far below its best while its entropy has left the range of healthy ones.

    Either alone happens in healthy runs: entropy halves while GRPO learns, and accuracy falls when a filter turns to
    harder problems. Limits compare averages over `window` rollout batches with those at the best accuracy so far.

    Args:
        window: Rollout batches averaged over, so that a batch of hard problems is not taken for a collapse.
        accuracy_share: Part of the best accuracy below which the policy counts as fallen.
        entropy_factor: The entropy counts as unhealthy when it is more than this factor above or below the entropy at
            the best accuracy.
    """

    def __init__(self, window: int, accuracy_share: float, entropy_factor: float) -> None:
        self.window = window
        self.accuracy_share = accuracy_share
        self.entropy_factor = entropy_factor
        self.best: Level | None = None
        self.now: Level | None = None
        self._recent: deque[tuple[float, float]] = deque(maxlen=window)

    def on_rollout(
        self, trainer: Any, pl_module: Any, batch: RolloutBatch, metrics: Mapping[str, float]
    ) -> Mapping[str, float]:
        """Look at each rollout batch before it is learned from.

        Raises:
            CollapseError: On every rank.
        """
        if "rollout/accuracy" in metrics:  # it is missing where a filter found every problem solved
            accuracy = solved_share(metrics, batch.advantage_PG.shape[1])
            if self.see(batch.version, accuracy, metrics["rollout/entropy"]):
                raise CollapseError(self._sentence(trainer.optimizers[0].param_groups[0]["lr"]))
        return {}

    def see(self, step: int, accuracy: float, entropy: float) -> bool:
        """Add one rollout batch, sampled after `step` optimizer steps. Returns whether the run has collapsed."""
        self._recent.append((accuracy, entropy))
        if len(self._recent) < self.window:
            return False
        now = self.now = Level(step, *(sum(values) / self.window for values in zip(*self._recent, strict=True)))
        if self.best is None or now.accuracy >= self.best.accuracy:
            self.best = now
        lowest, highest = self.best.entropy / self.entropy_factor, self.best.entropy * self.entropy_factor
        return now.accuracy < self.accuracy_share * self.best.accuracy and not lowest <= now.entropy <= highest

    def state_dict(self) -> dict[str, Any]:
        """The window and the best level."""
        return {"recent": list(self._recent), "best": asdict(self.best) if self.best else None}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with them."""
        self._recent.extend(map(tuple, state_dict["recent"]))
        self.best = Level(**state_dict["best"]) if state_dict["best"] else None

    def _sentence(self, lr: float) -> str:
        best, now = self.best, self.now
        assert best is not None
        assert now is not None
        return (
            f"The policy has collapsed by step {now.step}: over the last {self.window} rollout batches "
            f"{100 * now.accuracy:.2g} % of the answers were right, {100 * best.accuracy:.2g} % at its best (up to "
            f"step {best.step}), and its entropy went from {best.entropy:.2g} to {abs(now.entropy):.2g} nats a token. "
            f"Checkpoints so far are intact, those up to step {best.step} are from before the fall; try an "
            f"optimizer.lr below {lr:g}, or ~callbacks.collapse if this was meant."
        )


def solved_share(metrics: Mapping[str, float], group_size: int) -> float:
    """The share of right answers, as if every drawn problem had been sampled.

    Problems that SELF drops count as solved, for it does so when the greedy answer is right. Without them the accuracy
    of a run that learns everything would fall to 0: what is left to sample is what it can't solve.

    Args:
        metrics: A step's, by their stable names.
        group_size: G, rollouts a problem.
    """
    rollouts = metrics["rollout/tokens"] / metrics["rollout/completion_length"]
    drawn = metrics["filter/drawn"] * group_size
    return (metrics["rollout/accuracy"] * rollouts + drawn - rollouts) / drawn
