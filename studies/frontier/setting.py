"""What the frontier study compares: methods, learning rates, the command of a run."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "docs" / "results" / "frontier" / "records"
FOLDER = Path("logs/frontier")
LOWEST, HIGHEST = 6.25e-6, 8e-4  # limits of a grid, which is widened where its best rate is at an end
CHOOSING = 0  # seed by which learning rates are chosen; no claim uses it
MANY = 256  # k of the boundary, and samples a problem
# 400 rollouts of 64 problems x 8; 500 held-out problems at the end, 200 of them every 50 steps. A collapse is a result.
COMMON = (
    *("eval.every_n_steps=50", "eval.path_problems=200", "eval.train_problems=16"),
    *("~callbacks.collapse", "~callbacks.stalled"),
)
# From this seed on, what updates do to the base's right answers to 32 training problems is measured beside; it changes
# no run's numbers.
BESIDE, MEASURED = 2, ("callbacks=interference", "eval.train_problems=32")


@dataclass(frozen=True)
class Method:
    """A method of the study: its name in figures, and its overrides."""

    label: str
    overrides: tuple[str, ...]


METHODS = {
    "grpo": Method("GRPO", ("algo=grpo",)),
    "self": Method("SELF", ("algo=self",)),
    "bbg_gate": Method("BBG, gate", ("algo=bbg", "algo.filter.weighting=gate")),
    "bbg_share": Method("BBG, share", ("algo=bbg", "algo.filter.weighting=share")),
    "nsr": Method("NSR", ("algo=nsr",)),
    "w_reinforce": Method("W-REINFORCE", ("algo=w_reinforce",)),
    "grpo_n": Method("GRPO-N", ("algo=grpo_n",)),
    "dr_grpo": Method("Dr.GRPO", ("algo=dr_grpo",)),
    "maxrl": Method("MaxRL", ("algo=maxrl",)),
    "passk": Method("Pass@k training", ("algo=passk",)),
    "grpo_entropy": Method("GRPO + entropy", ("algo=grpo", "algo/auxiliary=entropy_bonus")),
    "grpo_kl": Method("GRPO + KL", ("algo=grpo_kl",)),
    "self_kl": Method("SELF + KL", ("algo=self_kl",)),
}


@dataclass(frozen=True)
class Study:
    """What is compared on one task.

    Attributes:
        task: `data=`, and the folder of its records.
        methods: Names in `METHODS`.
        rates: Learning rates, in the order in which they are tried.
        fresh: Seeds with which the chosen rates are measured.
        chosen: Learning rates of a method that are measured with them, at most.
        later: Methods and learning rates that were measured with them when the study was whole. They are shown where
            the others end, and have no part in frontiers and decisions.
    """

    task: str
    methods: tuple[str, ...]
    rates: tuple[float, ...]
    fresh: tuple[int, ...]
    chosen: int
    later: tuple[tuple[str, float], ...] = ()


# Is slow GRPO as good as what ended with the least loss, SELF with a KL penalty? Its rate was not among the chosen.
SLOW = ("grpo", 2.5e-5)
COUNTDOWN = Study("countdown_hard", tuple(METHODS), (1e-4, 2e-4, 5e-5, 2.5e-5), (1, 2, 3, 4, 5), 2, (SLOW,))
QUEENS = Study("n_queens", ("grpo", "self", "nsr", "maxrl", "passk"), (1e-4, 2e-4, 5e-5), (1, 2, 3), 1)
STUDIES = {study.task: study for study in (COUNTDOWN, QUEENS)}


@dataclass(frozen=True, order=True)
class Run:
    """One training: a method, a learning rate, a seed, a task."""

    method: str
    rate: float
    seed: int
    task: str = COUNTDOWN.task

    @property
    def name(self) -> str:
        """The name of its folder and its record."""
        return f"{self.method}_lr{self.rate:g}_seed{self.seed}"

    @property
    def overrides(self) -> list[str]:
        """Its overrides for `src/train.py`."""
        measured = MEASURED if self.seed >= BESIDE else ()
        own = (f"optimizer.lr={self.rate:g}", f"seed={self.seed}", f"data={self.task}")
        return [*METHODS[self.method].overrides, *own, *COMMON, *measured]
