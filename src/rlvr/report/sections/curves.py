"""Shows Pass@k of base and methods, the plane of Pass@1 and Pass@n, and the points where curves cross."""

from math import isinf

from rlvr.eval import powers_of_two
from rlvr.report.compare import Values, standings, standings_grid
from rlvr.report.figures import draw_pass_at_k, draw_plane, legend_beside
from rlvr.report.page import Figure, Note, Output, Section, Table
from rlvr.report.paths import RunPath
from rlvr.report.pool import Method
from rlvr.report.study import Study, spelled
from rlvr.report.tables import shown_ks
from rlvr.tables import Grid, Row

TITLE = "Pass@k"


def plane(study: Study, out: Output) -> Section:
    """The first section: each run's path from its base in the plane, with a point for each evaluation."""
    rows: list[Row] = []
    for split in study.walked:
        for run in (run for method in study.methods[split] for run in method.runs):
            walked = run.record.splits[split].path
            path = RunPath.of(run, split, shown_ks(walked[0].n))
            for index, step in enumerate(sorted(walked)):
                row: Row = {"split": split, "method": run.label, "seed": run.seed, "step": step}
                row["problems"] = len(walked[step].problem_ids)
                row["generated_tokens"] = None if path.token_T is None else float(path.token_T[index])
                row |= {f"pass@{k}": float(path.curve(k)[index]) for k in path.pass_KTP}
                row["kl"] = None if path.kl_T is None else float(path.kl_T[index])
                row |= {"entropy": walked[step].entropy, "mean_length": walked[step].mean_length}
                rows.append(row)
    csv = out.csv("paths", rows)
    with out.figure("path", columns=len(study.walked)) as panels:
        for axes, split in zip(panels, study.walked, strict=True):
            draw_plane(axes, study.methods[split], spelled(split))
        legend_beside(panels[0])
    counted = " and ".join(f"{_path_problems(study.methods[split][0])} {spelled(split)}" for split in study.walked)
    several = any(len(study.methods[split][0].runs) > 1 for split in study.walked)
    caption = (
        f"Ways from the base (square) to the last step (large dot), an evaluation a dot, on {counted} problems. "
        f"{'Means over seeds; a faint line is a run. ' * several}Up is a wider boundary, right a surer policy."
    )
    return Section("Pass@1 against Pass@k along training", [Figure("path", caption, csv)])


def curves(study: Study, out: Output) -> Section:
    """The section with Pass@k and its intervals, differences from base and GRPO, and crossing points."""
    rows: list[Row] = []
    crossings: list[Row] = []
    section = Section(TITLE)
    columns = min(2, len(study.methods))
    with out.figure("pass_at_k", columns, -(-len(study.methods) // columns)) as panels:
        for axes in panels[len(study.methods) :]:
            axes.set_visible(False)
        for axes, (split, methods) in zip(panels, study.methods.items(), strict=False):
            draw_pass_at_k(axes, methods, spelled(split))
        legend_beside(panels[0])
    several = any(len(methods[0].runs) > 1 for methods in study.methods.values())
    caption = f"Pass@k, all seeds of a method together; bands are 95 % bootstrap intervals {OVER[several]}."
    section.blocks.append(Figure("pass_at_k", caption, "csv/pass_at_k.csv"))
    for split, methods in study.methods.items():
        found = standings(values_of(methods), against=("base", "GRPO"))
        ks, seeds = shown_ks(methods[0].n), len(methods[0].runs)
        problems = len(methods[0].split(0).base.problem_ids)
        title = f"Pass@k on {problems} {spelled(split)} problems, {seeds} seed{'s' * (seeds > 1)}"
        section.blocks.append(Table(standings_grid(title, found, ks, {}), "csv/pass_at_k.csv"))
        rows += [{"split": split, **row} for row in found + _guesses(methods[0])]
        crossed = [_crossing(split, method) for method in methods]
        crossings += crossed
        section.blocks.append(Table(_crossing_grid(crossed, spelled(split)), "csv/crossing.csv"))
    out.csv("pass_at_k", rows)
    out.csv("crossing", crossings)
    section.blocks.append(
        Note(
            "Differences are paired by problem and seed. The crossing point k* is the smallest k at which a method's "
            "curve is below its base's, interpolated on log2 k; its interval comes from the same resamples."
        )
    )
    return section


OVER = {
    False: "over problems (one seed: they say nothing of another seed)",
    True: "over problems and seeds (few seeds understate the spread between them)",
}


def values_of(methods: list[Method]) -> dict[str, Values]:
    """Pass@k of the base and of every trained policy, at each k that is a power of two."""
    ks = powers_of_two(methods[0].n)
    base = {"base": {k: methods[0].base_SP(k) for k in ks}}
    return {**base, **{method.label: {k: method.trained_SP(k) for k in ks} for method in methods}}


def _guesses(method: Method) -> list[Row]:
    split = method.split(0)
    if split.guess_rate is None:
        return []
    return [
        {"policy": "random guess", "minus": "", "k": k, "mean": split.guess_pass_at(k)} for k in powers_of_two(method.n)
    ]


def _crossing(split: str, method: Method) -> Row:
    found = method.crossing()
    row: Row = {"split": split, "method": method.label, "n": method.n, "k_star": found.k}
    return row | {"low": found.low, "high": found.high, "share_of_resamples": found.share}


def _crossing_grid(rows: list[Row], name: str) -> Grid:
    lines = []
    for row in rows:
        k, low, high = (_k(float(str(row[key])), int(str(row["n"]))) for key in ("k_star", "low", "high"))
        share = 100 * float(str(row["share_of_resamples"]))
        lines.append([str(row["method"]), k, f"{low} to {high}", f"{share:.1f} %"])
    head = ["", "k*", "95 % interval", "resamples that cross"]
    return Grid(f"Crossing point with the base, {name} problems", head, lines)


def _k(k: float, n: int) -> str:
    return f"> {n}" if isinf(k) else f"{k:.3g}"


def _path_problems(method: Method) -> int:
    return len(method.split(0).path[0].problem_ids)
