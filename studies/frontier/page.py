"""Writes docs/results/frontier/README.md with its figures: `python -m studies.frontier.page`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from rlvr.eval import Interval, RunRecord
from rlvr.report.tables import with_interval
from rlvr.tables import Grid
from studies.frontier import endings, joint
from studies.frontier.decisions import DECISIONS
from studies.frontier.endings import Ending
from studies.frontier.figure import answer_figure, frontier_figure, ways_figure
from studies.frontier.frontier import Frontier, frontiers
from studies.frontier.interference import table as interference_table
from studies.frontier.kinds import table as kinds_table
from studies.frontier.plan import choose, tried, wanted, widened, worth
from studies.frontier.record import curves, kept, read
from studies.frontier.setting import CHOOSING, COUNTDOWN, MANY, METHODS, QUEENS, RECORDS, STUDIES, Run, Study
from studies.frontier.way import Way, guessed, minus_log_coverage

FOLDER = RECORDS.parent
SHOWN = (0.03, 0.035, 0.04, 0.05, 0.06, 0.065, 0.07, 0.08, 0.10)  # levels of Pass@1 in the table, where any is reached
GAINS = (0.003, 0.006, 0.008, 0.01, 0.012, 0.014)  # and of what was gained
AT_LEVEL = "Pass@256 at equal Pass@1, %, fresh seeds [simultaneous 95 % band]"
AT_GAIN = "Change of Pass@256 at an equal gain of Pass@1, points, fresh seeds [simultaneous 95 % band]"
COVERAGE_AT_GAIN = "Change of minus the log-coverage at an equal gain of Pass@1, nats, fresh seeds [the same]"
SINCE = """The bases of the seeds differ, so that few levels are reached by all. Against each seed's own base more can
be compared; no prediction names that, and none is decided by it. The log-coverage weighs every k
(`rlvr.eval.estimators`); the excess over guessing, (Pass@256 - guess) / (1 - guess), changes by {excess:.2f} times the
change of Pass@256.
"""
HEAD = """# {title}

```
{commands}
```

{what} Every 50 steps the policy is evaluated on the
first 200 held-out problems with 256 samples each. Blind guessing solves {guess:.1f} % of these 200 in 256 tries,
the base of seed 0 {base:.1f} %. Every learning rate is tried with seed 0. The best, {chosen} a method at most, are
chosen by that seed alone and measured with seeds {first} to {last}. [Predictions]({predictions}) were written before
the first run.

"""


@dataclass(frozen=True)
class Words:
    """What the page of a study says, and where it is."""

    page: str
    suffix: str  # of its figures' names
    predictions: str
    title: str
    commands: str
    what: str


WORDS = {
    COUNTDOWN.task: Words(
        *("README.md", "", "predictions.md", "Frontiers: Pass@256 as a function of Pass@1"),
        "make frontier                      # ninety minutes of it; run again, it goes on\n"
        "python -m studies.frontier.page    # writes this page from the records that there are\n"
        "python -m studies.frontier --restore logs/frontier_records    # runs for the report, from the records",
        "Thirteen methods on `data=countdown_hard`: six digits, targets of 100 to 999, the embedded tiny policy, 400\n"
        "optimizer steps of 64 problems x 8 rollouts, a pool of 512 problems.",
    ),
    QUEENS.task: Words(
        *("n_queens.md", "_n_queens", "predictions_n_queens.md", "The same question on another task: eleven queens"),
        "make frontier TASK=n_queens                   # run again, it goes on\n"
        "python -m studies.frontier.page               # writes this page from the records that there are",
        "Five methods on `data=n_queens`: boards of eleven queens, of which three stand already, the embedded tiny\n"
        "policy, 400 optimizer steps of 64 problems x 8 rollouts, a pool of 512 problems.",
    ),
}
ONE_SEED = "*Seed 0, 200 held-out problems x 256 samples; a dot is an evaluation, one seed has no band.*"
INTERFERENCE = """
Interference: stored right answers of the base to 32 training problems, by the base's success rate; an update is one
rollout batch. Means over all updates and over the seeds of which it was measured, +- their standard error.
"""
TAIL = """
Area: points of Pass@1 above the base's times points of Pass@256 above guessing, which the path dominates; learning
rates are chosen by it once a method's grid is whole, and *(chosen)* ones go on to the fresh seeds. Entropy: mean
over the last 50 steps, training rollouts.
"""


def grid_table(study: Study, done: Sequence[Run]) -> Grid:
    """Every run of the choosing seed: its highest Pass@1, the Pass@256 that it kept, and the policy's last entropy."""
    header = ["seed 0, %", "learning rate", "highest Pass@1", "Pass@256 there", "last Pass@1", "last Pass@256"]
    rows = []
    for method in study.methods:
        rates = tried(done, method)
        tried_all = all(rate in rates for rate in study.rates) and not widened(rates)
        chosen = choose(rates, study.chosen) if tried_all else []
        for rate in sorted(rates):
            run = Run(method, rate, CHOOSING, study.task)
            way = Way.of(read(run))
            many_T, top = way.many_TP.mean(axis=1), int(way.one_T.argmax())
            numbers = [100 * value for value in (way.one_T[top], many_T[top], way.one_T[-1], many_T[-1])]
            entropy = curves(run)["rollout/entropy"][-1]
            mark = " (chosen)" if rate in chosen else ""
            cells = [f"{rate:g}{mark}", *(f"{number:.1f}" for number in numbers), f"{entropy:.2f}"]
            rows.append([METHODS[method].label, *cells, f"{max(worth(rates, [rate]), 0):.0f}"])
    return Grid("Every learning rate with seed 0", [*header, "entropy, nats", "area"], rows)


def level_table(
    found: Mapping[str, Frontier], title: str, shown: Sequence[float], show: Callable[[Interval], str] = with_interval
) -> Grid:
    """Pass@256, or what else was read off, at a few levels of Pass@1 or of its gain, with simultaneous bands."""
    rows, shown = [], [level for level in shown if any(np.isclose(level, one.levels).any() for one in found.values())]
    for frontier in found.values():
        band, cells = frontier.band(), []
        by_level = dict(zip(frontier.levels, band.intervals, strict=True)) if band else {}
        for level in shown:
            there = [interval for one, interval in by_level.items() if np.isclose(one, level)]
            cells.append(show(there[0]) if there else "")
        reached = f"{100 * max(frontier.levels):.1f}" if frontier.levels else "not above the base"
        rates = ", ".join(f"{rate:g}" for rate in frontier.ways)
        rows.append([frontier.label, rates, reached, *cells])
    header = ["", "learning rate", "all seeds reach", *(f"at {100 * one:g}" for one in shown)]
    return Grid(title, header, rows)


@dataclass(frozen=True)
class Results:
    """What a study's records say: frontiers by method, the same since the base, and where learning rates end."""

    study: Study
    done: Sequence[Run]
    found: Mapping[str, Frontier]
    since: Mapping[str, Frontier]
    endings: Mapping[str, Sequence[Ending]]

    @classmethod
    def of(cls, study: Study, done: Sequence[Run]) -> "Results":
        """Read them."""
        fresh = {method: [Ending.of(runs) for runs in by_rate] for method, by_rate in fresh_runs(study, done).items()}
        return cls(study, done, frontiers(study, done), frontiers(study, done, since=True), fresh)


def page(results: Results) -> str:
    """The whole page. It says which runs are not there yet."""
    study, done, found = results.study, results.done, results.found
    words = WORDS[study.task]
    text = head(study, done)
    left = wanted(study, done)
    if left:
        seeds = sum(run.seed in study.fresh for run in done)
        text += (
            f"**Not whole yet**: {len(done)} runs are there, {seeds} of them of fresh seeds, and at least {len(left)} "
            "are left. What stands below is of what there is.\n\n"
        )
    if found:
        text += f"![Every method's frontier against GRPO's](frontier{words.suffix}.png)\n\n{bands(study)}\n\n"
        text += f"{level_table(found, AT_LEVEL, SHOWN).markdown()}\n"
    text += f"{DECISIONS[study.task](found, done).markdown()}\n"
    text += f"![Every run of seed 0](ways{words.suffix}.png)\n\n{ONE_SEED}\n\n"
    if results.since:
        text += since_base(results)
    if results.endings:
        text += f"{endings.table(results.endings).markdown()}\n"
    best = best_runs(study, done)
    text += f"{grid_table(study, done).markdown()}\n{kinds_table(best).markdown()}"
    if (beside := interference_table(best)).rows:
        text += f"\n{beside.markdown()}{INTERFERENCE}"
    return text + TAIL


def since_base(results: Results) -> str:
    """What is compared against each seed's own base."""
    covered = frontiers(results.study, results.done, since=True, measure=minus_log_coverage)
    tables = [
        level_table(results.since, AT_GAIN, GAINS, partial(with_interval, signed=True)),
        level_table(covered, COVERAGE_AT_GAIN, GAINS, endings.nats),
        joint.table(results.since, GAINS),
    ]
    about = SINCE.format(excess=1 / (1 - guessed(first(results.done))))
    figure = f"![Every method since the base against GRPO](since{WORDS[results.study.task].suffix}.png)"
    return "\n".join([about, f"{figure}\n\n{bands(results.study)}\n", *(one.markdown() for one in tables), ""])


def bands(study: Study) -> str:
    """What a figure of frontiers shows."""
    seeds = f"seeds {study.fresh[0]} to {study.fresh[-1]}"
    return (
        f"*Means of {seeds}, 200 held-out problems x {MANY} samples; shades are bands of 95 % over all levels at once.*"
    )


def first(done: Sequence[Run]) -> RunRecord:
    """A run of the choosing seed."""
    return read(next(run for run in done if run.seed == CHOOSING))


def head(study: Study, done: Sequence[Run]) -> str:
    """Title, commands and what was done."""
    words = WORDS[study.task]
    start = first(done).splits["heldout"].path[0]
    return HEAD.format(
        **{"title": words.title, "commands": words.commands, "what": words.what, "predictions": words.predictions},
        guess=100 * guessed(first(done)),
        base=100 * start.pass_at(start.n),
        chosen={1: "one", 2: "two"}[study.chosen],
        first=study.fresh[0],
        last=study.fresh[-1],
    )


def fresh_runs(study: Study, done: Sequence[Run]) -> dict[str, list[list[Run]]]:
    """The fresh seeds' runs that there are, by method and learning rate."""
    found: dict[str, list[list[Run]]] = {}
    for method in study.methods:
        later = [rate for name, rate in study.later if name == method]
        for rate in sorted({*choose(tried(done, method), study.chosen), *later}):
            seeds = [Run(method, rate, seed, study.task) for seed in study.fresh]
            if there := [run for run in seeds if run in done]:
                found.setdefault(method, []).append(there)
    return found


def best_runs(study: Study, done: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs of each method's best learning rate so far: with fresh seeds or, if there are none, the choosing one."""
    found = {}
    for method in study.methods:
        if rates := tried(done, method):
            rate = choose(rates, study.chosen)[0]
            seeds = {seed: Run(method, rate, seed, study.task) for seed in (*study.fresh, CHOOSING)}
            fresh = [run for seed, run in seeds.items() if seed in study.fresh and run in done]
            found[method] = fresh or [seeds[CHOOSING]]
    return found


def main() -> None:
    """Write the page and the figures of every study that has runs."""
    for study in STUDIES.values():
        if done := kept(study):
            words = WORDS[study.task]
            results = Results.of(study, done)
            (FOLDER / words.page).write_text(page(results))
            if results.found:
                frontier_figure(results.found, FOLDER / f"frontier{words.suffix}.png")
                frontier_figure(results.since, FOLDER / f"since{words.suffix}.png", since=True)
                answer_figure(results.since, results.endings, FOLDER / f"answer{words.suffix}.png")
            ways_figure(done, FOLDER / f"ways{words.suffix}.png")


if __name__ == "__main__":
    main()
