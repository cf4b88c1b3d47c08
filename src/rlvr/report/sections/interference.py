"""Shows how updates changed right answers to other problems, for runs that measured it."""

from rlvr.report.interference import draw_interference
from rlvr.report.page import Figure, Output, Section
from rlvr.report.study import Study
from rlvr.tables import Row

CAPTION = (
    "One line of panels a run. Left: what an update changes in the log-probability of the base's right answers to "
    "problems that were not in it, by the base's success there. Right: how far those have drifted since the base."
)


def interference(study: Study, out: Output) -> list[Section]:
    """The section, if a run had `callbacks=interference`, else none. Source: SELF, arXiv 2510.02230, details ours."""
    runs = [run for run in study.runs if run.interference]
    if not runs:
        return []
    rows: list[Row] = [{"method": run.label, "seed": run.seed, **row} for run in runs for row in run.interference]
    csv = out.csv("interference", rows)
    with out.figure("interference", 2, len(runs), (4.1, 3.2)) as panels:
        for index, run in enumerate(runs):
            left, right = panels[2 * index : 2 * index + 2]
            draw_interference(run.interference, left, right)
            left.set_title(run.name, fontsize=8)
    return [Section("Interference", [Figure("interference", CAPTION, csv)])]
