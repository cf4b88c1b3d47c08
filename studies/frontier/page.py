"""Writes docs/results/frontier/README.md with its figures: `python -m studies.frontier.page`."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from rlvr.report.tables import with_interval
from rlvr.tables import Grid
from studies.frontier.figure import frontier_figure, ways_figure
from studies.frontier.frontier import Comparison, Frontier, Way, clock, frontiers, shares_differ
from studies.frontier.interference import table as interference_table
from studies.frontier.kinds import table as kinds_table
from studies.frontier.plan import choose, tried, wanted, widened, worth
from studies.frontier.record import curves, interference, kept, read
from studies.frontier.setting import CHOOSING, FRESH, METHODS, RATES, RECORDS, Run

FOLDER = RECORDS.parent
SHOWN = (0.03, 0.035, 0.04, 0.05, 0.06, 0.08, 0.10)  # levels of Pass@1 in the table
ABOVE, BELOW = ("maxrl", "passk", "self"), ("nsr", "w_reinforce", "grpo_n")  # P1
ALIKE = ("nsr", "w_reinforce", "dr_grpo")  # P2
WIDEST = 0.05  # half-width with which P2 is decided
HARDER, EASIER = ("maxrl", "passk", "self"), ("dr_grpo", "grpo_n")  # P3
CLOCK = 0.03  # P4
TERMS = ("grpo_entropy", "grpo_kl")  # P5
HEAD = """# Frontiers: Pass@256 as a function of Pass@1

```
make frontier                      # ninety minutes of it; run again, it goes on
python -m studies.frontier.page    # writes this page from the records that there are
python -m studies.frontier --restore logs/frontier_records    # runs for the report, from the records
```

Thirteen methods on `data=countdown_hard`: six digits, targets of 100 to 999, the embedded tiny policy, 400
optimizer steps of 64 problems x 8 rollouts, a pool of 512 problems. Every 50 steps the policy is evaluated on the
first 200 held-out problems with 256 samples each. Blind guessing solves {guess:.1f} % of these 200 in 256 tries,
the base of seed 0 {base:.1f} %. Every learning rate is tried with seed 0. The best, two a method at most, are
chosen by that seed alone and measured with seeds 1 to 5. [Predictions](predictions.md) were written before the
first run.

"""
INTERFERENCE = """
Interference: stored right answers of the base to 32 training problems, by the base's success rate; an update is one
rollout batch. Means over all updates and over the seeds of which it was measured, +- their standard error.
"""
TAIL = """
Area: points of Pass@1 above the base's times points of Pass@256 above guessing, which the path dominates; learning
rates are chosen by it once a method's grid is whole, and *(chosen)* ones go on to the fresh seeds. Entropy: mean
over the last 50 steps, training rollouts.
"""


def grid_table(done: Sequence[Run]) -> Grid:
    """Every run of the choosing seed: its highest Pass@1, the Pass@256 that it kept, and the policy's last entropy."""
    header = ["seed 0, %", "learning rate", "highest Pass@1", "Pass@256 there", "last Pass@1", "last Pass@256"]
    rows = []
    for method in METHODS:
        rates = tried(done, method)
        tried_all = all(rate in rates for rate in RATES) and not widened(rates)
        chosen = choose(rates) if tried_all else []
        for rate in sorted(rates):
            run = Run(method, rate, CHOOSING)
            way = Way.of(read(run))
            many_T, top = way.many_TP.mean(axis=1), int(way.one_T.argmax())
            numbers = [100 * value for value in (way.one_T[top], many_T[top], way.one_T[-1], many_T[-1])]
            entropy = curves(run)["rollout/entropy"][-1]
            mark = " (chosen)" if rate in chosen else ""
            cells = [f"{rate:g}{mark}", *(f"{number:.1f}" for number in numbers), f"{entropy:.2f}"]
            rows.append([METHODS[method].label, *cells, f"{max(worth(rates, [rate]), 0):.0f}"])
    return Grid("Every learning rate with seed 0", [*header, "entropy, nats", "area"], rows)


def level_table(found: Mapping[str, Frontier]) -> Grid:
    """Pass@256 at a few levels of Pass@1, with simultaneous bands."""
    rows = []
    for frontier in found.values():
        band, cells = frontier.band(), []
        by_level = dict(zip(frontier.levels, band.intervals, strict=True)) if band else {}
        for level in SHOWN:
            there = [interval for one, interval in by_level.items() if np.isclose(one, level)]
            cells.append(with_interval(there[0]) if there else "")
        reached = f"{100 * max(frontier.levels):.1f}" if frontier.levels else "not above the base"
        rates = ", ".join(f"{rate:g}" for rate in frontier.ways)
        rows.append([frontier.label, rates, reached, *cells])
    header = ["Pass@256, %", "learning rate", "Pass@1 that all seeds reach", *(f"at {100 * one:g} %" for one in SHOWN)]
    return Grid("Pass@256 at equal Pass@1, five fresh seeds [simultaneous 95 % band]", header, rows)


def decisions(found: Mapping[str, Frontier], done: Sequence[Run]) -> Grid:
    """The decision on each prediction, as far as it can be decided now."""
    rows: list[list[str]] = []
    grpo = found.get("grpo")

    def against(name: str, method: str, sign: int) -> None:
        if grpo is None or method not in found:
            rows.append([name, f"{METHODS[method].label} - GRPO", "", "", "not run yet"])
            return
        comparison = Comparison.of(found[method], grpo)
        told = comparison.decision(sign) if sign else comparison.same()
        side = {1: "> 0", -1: "< 0", 0: "= 0"}[sign]
        rows.append([name, f"{found[method].label} - GRPO", side, _spread(comparison), told])

    for method in ABOVE:
        against("P1", method, 1)
    for method in BELOW:
        against("P1", method, -1)
    for one, other in combinations(ALIKE, 2):
        text = f"{METHODS[one].label} - {METHODS[other].label}"
        if one in found and other in found:
            comparison = Comparison.of(found[one], found[other])
            rows.append(["P2", text, "= 0", _spread(comparison), comparison.same(WIDEST)])
        else:
            rows.append(["P2", text, "", "", "not run yet"])
    for methods, sign in ((HARDER, 1), (EASIER, -1)):
        rows += [_hard(found, method, sign) for method in methods]
    apart = clock(done)
    worst = max((distance for *_, distance in apart), default=0.0)
    whole = all(Run("grpo", rate, CHOOSING) in done for rate in RATES)
    told = "not run yet" if not whole else "supported" if worst <= CLOCK else "refuted"
    shown = "; ".join(f"{low:g} and {high:g}: {100 * distance:.1f}" for low, high, distance in apart)
    rows.append(["P4", "largest distance of neighbouring learning rates of GRPO, points", "<= 3", shown, told])
    for method in TERMS:
        against("P5", method, 0)
    header = ["", "statistic", "claimed", "estimate, points", "decision"]
    return Grid("Predictions", header, rows)


def _hard(found: Mapping[str, Frontier], method: str, sign: int) -> list[str]:
    text = f"hard problems' share of the gain, {METHODS[method].label} - GRPO"
    grpo = found.get("grpo")
    if grpo is None or method not in found:
        return ["P3", text, "", "", "not run yet"]
    common = [level for level in found[method].levels if level in grpo.levels]
    share, its = (one.hard_share(max(common)) if common else None for one in (found[method], grpo))
    if share is None or its is None:
        return ["P3", text, "", "no level counts", "undecided"]
    interval = shares_differ(share, its)
    side = (interval.low > 0) - (interval.high < 0)
    told = {sign: "supported", -sign: "refuted"}.get(side, "undecided")
    claimed = "> 0" if sign > 0 else "< 0"
    return ["P3", f"{text}, at {100 * max(common):.1f} %", claimed, with_interval(interval, signed=True), told]


def _spread(comparison: Comparison) -> str:
    """The difference at the highest level that counts, and the number of levels at which the band excludes 0."""
    if comparison.band is None:
        return "no level counts"
    last = with_interval(comparison.band.intervals[-1], signed=True)
    signs = comparison.sign_L
    counts = f"above at {signs.count(1)}, below at {signs.count(-1)} of {len(signs)} levels"
    return f"{last} at {100 * comparison.level_L[-1]:.1f} %; {counts}"


def page(done: Sequence[Run]) -> str:
    """The whole page. It says which runs are not there yet."""
    heldout = read(next(run for run in done if run.seed == CHOOSING)).splits["heldout"]
    start = heldout.path[0]
    rate_P = np.array(heldout.guess_rate)[: len(start.problem_ids)]
    text = HEAD.format(guess=100 * (1 - (1 - rate_P) ** start.n).mean(), base=100 * start.pass_at(start.n))
    found = frontiers(done)
    left = wanted(done)
    if left:
        seeds = sum(run.seed in FRESH for run in done)
        text += (
            f"**Not whole yet**: {len(done)} runs are there, {seeds} of them of fresh seeds, and at least {len(left)} "
            "are left. What stands below is of what there is.\n\n"
        )
    if found:
        text += f"![Every method's frontier against GRPO's](frontier.png)\n\n{level_table(found).markdown()}\n"
    text += f"{decisions(found, done).markdown()}\n![Every run of seed 0](ways.png)\n\n{grid_table(done).markdown()}"
    text += f"\n{kinds_table(best_runs(done)).markdown()}"
    if beside := {method: runs for method, runs in best_runs(done).items() if interference(runs[-1])}:
        text += f"\n{interference_table(beside).markdown()}{INTERFERENCE}"
    return text + TAIL


def best_runs(done: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs of each method's best learning rate so far: with fresh seeds or, if there are none, the choosing one."""
    found = {}
    for method in METHODS:
        if rates := tried(done, method):
            rate = choose(rates)[0]
            fresh = [Run(method, rate, seed) for seed in FRESH if Run(method, rate, seed) in done]
            found[method] = fresh or [Run(method, rate, CHOOSING)]
    return found


def main() -> None:
    """Write the page and its figures."""
    done = kept()
    (FOLDER / "README.md").write_text(page(done))
    if found := frontiers(done):
        frontier_figure(found, FOLDER / "frontier.png")
    ways_figure(done, FOLDER / "ways.png")


if __name__ == "__main__":
    main()
