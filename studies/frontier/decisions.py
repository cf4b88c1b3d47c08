"""Decides the predictions that were written down before the first run, as far as they can be decided now."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

from rlvr.report.tables import with_interval
from rlvr.tables import Grid
from studies.frontier.endings import Ending, one_and_many
from studies.frontier.frontier import Comparison, Frontier, clock, shares_differ
from studies.frontier.setting import CHOOSING, COUNTDOWN, MANY, METHODS, QUEENS, SLOW, Run, Study

Found = Mapping[str, Frontier]
Cells = list[str]
ABOVE, BELOW = ("maxrl", "passk", "self"), ("nsr", "w_reinforce", "grpo_n")  # P1
ALIKE = ("nsr", "w_reinforce", "dr_grpo")  # P2
WIDEST = 0.05  # half-width with which P2 is decided
HARDER, EASIER = ("maxrl", "passk", "self"), ("dr_grpo", "grpo_n")  # P3
CLOCK = 0.03  # P4 and Q3: points of Pass@256 between neighbouring learning rates
TERMS = ("grpo_entropy", "grpo_kl")  # P5
HELD_BACK = ("self_kl", 5e-5)  # P6, against SLOW
HEADER = ["", "statistic", "claimed", "estimate, points", "decision"]


def on_countdown(found: Found, done: Sequence[Run]) -> Grid:
    """P1 to P5 of predictions.md."""
    rows = [against(found, "P1", method, 1) for method in ABOVE]
    rows += [against(found, "P1", method, -1) for method in BELOW]
    rows += [alike(found, "P2", *pair) for pair in combinations(ALIKE, 2)]
    rows += [hard(found, "P3", method, 1) for method in HARDER]
    rows += [hard(found, "P3", method, -1) for method in EASIER]
    rows.append(rates_apart(COUNTDOWN, done, "P4", far=False))
    rows += [against(found, "P5", method, 0) for method in TERMS]
    rows.append(at_the_end(COUNTDOWN, done, "P6", HELD_BACK, SLOW))
    return Grid("Predictions", HEADER, rows)


def on_queens(found: Found, done: Sequence[Run]) -> Grid:
    """Q1 to Q3 of predictions_n_queens.md."""
    rows = [against(found, "Q1", method, 1) for method in ABOVE]
    rows.append(against(found, "Q2", "nsr", -1))
    rows.append(rates_apart(QUEENS, done, "Q3", far=True))
    return Grid("Predictions", HEADER, rows)


DECISIONS: dict[str, Callable[[Found, Sequence[Run]], Grid]] = {COUNTDOWN.task: on_countdown, QUEENS.task: on_queens}


def against(found: Found, name: str, method: str, sign: int) -> Cells:
    """Whether a method is above GRPO (1), below it (-1) or the same (0) at equal Pass@1."""
    text, side = f"{METHODS[method].label} - GRPO", {1: "> 0", -1: "< 0", 0: "= 0"}[sign]
    if "grpo" not in found or method not in found:
        return [name, text, "", "", "not run yet"]
    comparison = Comparison.of(found[method], found["grpo"])
    return [name, text, side, spread(comparison), comparison.decision(sign) if sign else comparison.same()]


def alike(found: Found, name: str, one: str, other: str) -> Cells:
    """Whether two methods are the same at equal Pass@1, and a difference would have been seen."""
    text = f"{METHODS[one].label} - {METHODS[other].label}"
    if one not in found or other not in found:
        return [name, text, "", "", "not run yet"]
    comparison = Comparison.of(found[one], found[other])
    return [name, text, "= 0", spread(comparison), comparison.same(WIDEST)]


def hard(found: Found, name: str, method: str, sign: int) -> Cells:
    """Whether hard problems bring more (1) or less (-1) of a method's gain than of GRPO's."""
    text = f"hard problems' share of the gain, {METHODS[method].label} - GRPO"
    grpo = found.get("grpo")
    if grpo is None or method not in found:
        return [name, text, "", "", "not run yet"]
    common = [level for level in found[method].levels if level in grpo.levels]
    share, its = (one.hard_share(max(common)) if common else None for one in (found[method], grpo))
    if share is None or its is None:
        return [name, text, "", "no level counts", "undecided"]
    interval = shares_differ(share, its)
    side = (interval.low > 0) - (interval.high < 0)
    told = {sign: "supported", -sign: "refuted"}.get(side, "undecided")
    claimed = "> 0" if sign > 0 else "< 0"
    return [name, f"{text}, at {100 * max(common):.1f} %", claimed, with_interval(interval, signed=True), told]


def rates_apart(study: Study, done: Sequence[Run], name: str, far: bool) -> Cells:
    """How far neighbouring learning rates of GRPO are apart at equal Pass@1, with the choosing seed."""
    apart = clock(done)
    worst = max((distance for *_, distance in apart), default=0.0)
    tried = {run.rate for run in done if (run.method, run.seed) == ("grpo", CHOOSING)}
    told = "not run yet" if not tried.issuperset(study.rates) else "supported" if (worst > CLOCK) == far else "refuted"
    shown = "; ".join(f"{low:g} and {high:g}: {100 * distance:.1f}" for low, high, distance in apart)
    text = "largest distance of neighbouring learning rates of GRPO, points"
    return [name, text, "> 3" if far else "<= 3", shown, told]


def at_the_end(study: Study, done: Sequence[Run], name: str, one: tuple[str, float], other: tuple[str, float]) -> Cells:
    """Whether a learning rate of a method is not surely above that of another in both Pass@1 and Pass@256."""
    label, its = (f"{METHODS[method].label} at {rate:g}" for method, rate in (one, other))
    runs, others = ([Run(*setting, seed, study.task) for seed in study.fresh] for setting in (one, other))
    if not set(runs + others).issubset(done):
        return [name, f"{label} - {its}, last step", "", "", "not run yet"]
    first, many = one_and_many(Ending.of(runs).less(Ending.of(others)))
    told = "refuted" if first.low > 0 and many.low > 0 else "supported"
    shown = "; ".join(f"k={k}: {with_interval(interval, signed=True)}" for k, interval in ((1, first), (MANY, many)))
    return [name, f"{label} - {its}, last step", "not both > 0", shown, told]


def spread(comparison: Comparison) -> str:
    """The difference at the highest level that counts, the levels at which the band excludes 0, and what would tell."""
    if comparison.band is None:
        return "no level counts"
    last = with_interval(comparison.band.intervals[-1], signed=True)
    signs = comparison.sign_L
    counts = f"above at {signs.count(1)}, below at {signs.count(-1)} of {len(signs)} levels"
    text = f"{last} at {100 * comparison.level_L[-1]:.1f} %; {counts}"
    needed = comparison.data_needed
    return f"{text}; {needed:.1f} times the data to tell" if needed and needed > 1 else text
