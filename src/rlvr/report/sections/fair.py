"""Compares methods at equal tokens, at equal Pass@1, at equal KL to the base, and with GRPO stopped early.

The values come from the runs' evaluations during training.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from rlvr.eval.bootstrap import FloatArray
from rlvr.report.compare import standings, standings_grid
from rlvr.report.figures import colours, draw_runs, legend_beside
from rlvr.report.page import Block, Figure, Note, Output, Section, Table
from rlvr.report.paths import Place, RunPath, early_stop
from rlvr.report.places import Paths, at_places, gain_places, kl_at, kl_places, token_places
from rlvr.report.pool import Method
from rlvr.report.study import Study, spelled, suffix
from rlvr.report.tables import shown_ks
from rlvr.tables import Row

SHARES = (0.5, 1.0)  # shares of the smallest token budget, gain or KL
EARLY = "GRPO, stopped early"
KL_NOTE = (
    "A method is read off where its KL(policy || base), the mean over problems of what a few samples of each say, "
    "first reaches the level; between two evaluations it is taken to move in a straight line, too. Favourable noise in "
    "it may bring a method there early, for all methods alike."
)
About = dict[str, dict[str, str]]
Ways = Mapping[str, Sequence[tuple[RunPath, FloatArray]]]
"""For each method: the path of each run, and a quantity at each of its evaluations."""


def fair(study: Study, out: Output) -> Section:
    """The section with the four comparisons, in addition to the one at equal steps."""
    rows: dict[str, list[Row]] = {"equal_tokens": [], "equal_pass1": [], "equal_kl": [], "early_stopped": []}
    blocks: list[Block] = [
        Note(
            "Read off the evaluations along the way, on their problems; between two of them every problem's Pass@k is "
            "taken to move in a straight line. Intervals resample problems and seeds and keep the places that are "
            "compared; * excludes 0."
        )
    ]
    for split in study.walked:
        ks = shown_ks(study.methods[split][0].n)
        paths = {m.label: [RunPath.of(run, split, ks) for run in m.runs] for m in study.methods[split]}
        problems = f"{paths[study.methods[split][0].label][0].pass_KTP[1].shape[1]} {spelled(split)} problems"
        blocks += _equal_tokens(split, problems, study.methods[split], paths, rows["equal_tokens"], out)
        blocks += _equal_pass1(split, problems, paths, rows["equal_pass1"])
        blocks += _equal_kl(split, problems, study.methods[split], paths, rows["equal_kl"], out)
        blocks += _early_stopped(split, problems, paths, rows["early_stopped"])
    for name, found in rows.items():
        out.csv(name, found)
    return Section("At equal cost, equal gain and equal KL, against early stopping", blocks)


def _equal_tokens(
    split: str, problems: str, methods: Sequence[Method], paths: Paths, rows: list[Row], out: Output
) -> list[Block]:
    blocks: list[Block] = []
    for share in SHARES:
        places = token_places(paths, share)
        if places is None:
            return [Note("No table at equal generated tokens: the number of tokens is not known for every run.")]
        title = f"At {100 * share:.0f} % of the cheapest run's generated tokens, {problems}"
        about = {"step": _mean(paths, places, "step_T"), "tokens": _mean(paths, places, "token_T")}
        said: Row = {"split": split, "share_of_tokens": share}
        blocks.insert(0, _table(title, paths, places, about, said, rows, "equal_tokens", folded=share < 1))
    return [_token_figure(split, methods, paths, out), *blocks]


def _equal_pass1(split: str, problems: str, paths: Paths, rows: list[Row]) -> list[Block]:
    blocks: list[Block] = []
    for share in SHARES:
        places = gain_places(paths, share)
        if len(places) < 2:
            return [Note(f"No table at equal Pass@1 on {problems}: fewer than two methods rise above the base.")]
        how = "the Pass@1 that all of them reach" if share == 1 else f"{100 * share:.0f} % of the way to that Pass@1"
        about = {"step": _mean(paths, places, "step_T")}
        said: Row = {"split": split, "share_of_gain": share}
        title = f"Where each method first has {how}, {problems}"
        blocks.insert(0, _table(title, paths, places, about, said, rows, "equal_pass1", folded=share < 1))
        left_out = [label for label in paths if label not in places]
    if left_out:
        blocks.append(Note(f"Not in it, since their Pass@1 never rises above the base's: {', '.join(left_out)}."))
    return blocks


def _equal_kl(
    split: str, problems: str, methods: Sequence[Method], paths: Paths, rows: list[Row], out: Output
) -> list[Block]:
    blocks: list[Block] = []
    for share in SHARES:
        places = kl_places(paths, share)
        if places is None:
            return []
        if len(paths) == 1:
            break
        how = "the KL to the base that all of them reach" if share == 1 else f"{100 * share:.0f} % of that KL"
        about = {"step": _mean(paths, places, "step_T")}
        kl = kl_at(paths, places)
        said: Row = {"split": split, "share_of_kl": share, "kl": kl}
        title = f"Where each method first has {how}, {kl:.2g} nats a sequence, {problems}"
        blocks.insert(0, _table(title, paths, places, about, said, rows, "equal_kl", folded=share < 1))
    ways = {label: [(path, path.kl_T) for path in those if path.kl_T is not None] for label, those in paths.items()}
    name = _figure(f"kl{suffix(split)}", "KL(policy || base), nats a sequence", split, methods, ways, out)
    caption = "Pass@1 and Pass@k over the KL from the base: what a policy has gained and lost for the way it has gone."
    figure = Figure(name, caption, "csv/paths.csv")
    return [figure, *blocks, Note(KL_NOTE)] if blocks else [figure]


def _early_stopped(split: str, problems: str, paths: Paths, rows: list[Row]) -> list[Block]:
    if "GRPO" not in paths:
        return []
    largest = max(paths["GRPO"][0].pass_KTP)
    stops = [early_stop(path.curve(1), path.curve(largest)) for path in paths["GRPO"]]
    found_stops = [stop for stop in stops if stop is not None]
    if len(found_stops) < len(stops):
        return [Note("No early-stopped GRPO: in one seed its Pass@1 never rises above the base's.")]
    last = {label: [Place(len(path.step_T) - 1, 0.0) for path in those] for label, those in paths.items()}
    stopped = [Place(stop, 0.0) for stop in found_stops]
    both = {EARLY: paths["GRPO"], **paths}
    places = {EARLY: stopped, **last}
    about = {"step": _mean(both, places, "step_T")}
    steps = " and ".join(f"{path.step_T[stop]:.0f}" for path, stop in zip(paths["GRPO"], found_stops, strict=True))
    note = (
        f"GRPO is stopped, in each seed, at the evaluation with the best Pass@{largest} among those whose Pass@1 is "
        f"above the base's: step {steps}. It is chosen on the problems that are shown, which favours it."
    )
    title = f"At the last step, against GRPO stopped early, {problems}"
    said: Row = {"split": split, "stopped_at": steps}
    return [_table(title, both, places, about, said, rows, "early_stopped", against=EARLY), Note(note)]


def _table(
    title: str,
    paths: Paths,
    places: Mapping[str, Sequence[Place]],
    about: Mapping[str, Mapping[str, float]],
    said: Row,
    rows: list[Row],
    csv: str,
    folded: bool = False,
    against: str = "GRPO",
) -> Table:
    """The table of Pass@k at the places, minus the base and minus a method. Adds its lines to `rows` for the CSV.

    Args:
        title: Title of the table.
        paths: Paths of the methods.
        places: The places of each method.
        about: Further columns by method.
        said: Cells that all rows of the CSV share.
        rows: Rows of the CSV.
        csv: Name of the CSV.
        folded: Whether the page hides the table until a click.
        against: Name of the method to compare with.
    """
    found = standings(at_places(paths, places), against=("base", against))
    rows += [{**said, **_about(row, about), **row} for row in found]
    return Table(standings_grid(title, found, found_ks(found), _text(about)), f"csv/{csv}.csv", folded=folded)


def _token_figure(split: str, methods: Sequence[Method], paths: Paths, out: Output) -> Block:
    ways = {
        label: [(path, 1e-6 * path.token_T) for path in those if path.token_T is not None]
        for label, those in paths.items()
    }
    name = _figure(f"tokens{suffix(split)}", "generated tokens (millions)", split, methods, ways, out)
    caption = "Pass@1 and Pass@k over the tokens that a run has generated, greedy and dropped completions included."
    return Figure(name, caption, "csv/paths.csv")


def _figure(name: str, x: str, split: str, methods: Sequence[Method], ways: Ways, out: Output) -> str:
    """Draw Pass@1 and Pass@k at the largest k over a quantity of the paths. Returns the figure's name."""
    first, _ = next(iter(ways.values()))[0]
    with out.figure(name, 2, 1, (3.8, 2.9)) as panels:
        for axes, k in zip(panels, (1, max(first.pass_KTP)), strict=True):
            for method, colour in zip(methods, colours(methods), strict=True):
                runs = [np.array([x_T, 100 * path.curve(k)]) for path, x_T in ways[method.label]]
                draw_runs(axes, runs, colour, method.label, marker="o", markersize=2.5)
            axes.set_xlabel(x)
            axes.set_ylabel(f"Pass@{k} on {spelled(split)} problems (%)")
        legend_beside(panels[0])
    return name


def found_ks(rows: Sequence[Row]) -> list[int]:
    """The values of k that occur in the rows."""
    return list(dict.fromkeys(int(str(row["k"])) for row in rows))


def _mean(paths: Paths, places: Mapping[str, Sequence[Place]], of: str) -> dict[str, float]:
    """A quantity of each method's paths at its places, mean over seeds."""
    found: dict[str, float] = {}
    for label, there in places.items():
        pairs = zip(paths[label], there, strict=True)
        found[label] = float(np.mean([place.of(getattr(path, of)) for path, place in pairs]))
    return found


def _about(row: Row, about: Mapping[str, Mapping[str, float]]) -> Row:
    return {name: found.get(str(row["policy"])) if not row["minus"] else None for name, found in about.items()}


def _text(about: Mapping[str, Mapping[str, float]]) -> About:
    return {name: {label: f"{value:,.0f}" for label, value in found.items()} for name, found in about.items()}
