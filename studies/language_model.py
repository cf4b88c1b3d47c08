"""Keeps what `make reproduce-lm` found, and writes docs/results/language_model.md: `python -m studies.language_model`.

docs/results/predictions_language_model.md says what is claimed and how it is decided. With sweeps' folders as arguments
their finished runs are kept first; without any the page is written from what is kept, on any machine.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path

import numpy as np

from rlvr.console import console
from rlvr.eval import Interval, RunRecord
from rlvr.files import write_whole
from rlvr.report.figures import canvas, draw_pass_at_k
from rlvr.report.pool import Method
from rlvr.report.runs import RunFolder, read_folders
from rlvr.report.tables import with_interval
from rlvr.tables import Grid
from studies.frontier.record import means
from studies.hypotheses import Estimate, data_needed, difference

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results" / "language_model.md"
RECORDS = PAGE.with_suffix("")  # a file for each method
SLOW, SLOW_SELF = "GRPO, 2.5e-6", "SELF, 2.5e-6"  # with their learning rate
KS = (1, 4, 16, 64, 256)
EVERY = 20  # steps over which each curve is averaged
SECONDS = ("step", "sample", "forward", "backward")
CURVES = ("rollout/accuracy", "rollout/entropy", "mismatch/mean", *(f"time/{phase}" for phase in SECONDS))
# Name, method, the one that it is compared with (None: the base), k, claimed side (1: above), and of what (share of
# problems). L3's own rule is stricter in refuting; its interval decides the same by both.
CLAIMS = (
    ("L1", "GRPO", None, 1, 1, 0.0),
    ("L1", "GRPO", None, 256, -1, 0.0),
    ("L2", "SELF", "GRPO", 256, 1, 0.0),
    ("L3", "MaxRL", "GRPO", 1, 1, -0.01),
    ("L4", SLOW, "SELF", 1, 1, -0.01),
    ("L4", SLOW, "SELF", 256, 1, -0.05),
    ("L5", SLOW_SELF, SLOW, 1, -1, 0.01),
    ("L5", SLOW_SELF, SLOW, 256, -1, 0.05),
)
HEAD = """# A real language model

```
make reproduce-lm                   # hours; run again, it goes on
python -m studies.language_model    # writes this page from the counts that are kept beside it
```

SmolLM2-135M-Instruct, taught Countdown in words (`data=countdown_words`: six digits, targets of 100 to 999) by 800
supervised steps, then trained by each method from this base: 120 steps of 32 problems x 8 rollouts, learning rate
1e-5 unless another is named. vLLM samples in bf16, the policy learns in bf16 over fp32 weights, and the mismatch of the
two is corrected. {problems} held-out problems, {n} samples each, **one seed**.
[Predictions](predictions_language_model.md) were written before the first step, those of L4 and L5 before the first
step of their runs.

![Pass@k of the base and of each method](language_model.png)

*Pass@k on {problems} held-out problems, {n} samples each, one seed. Bands are 95 % intervals for new
problems, at each k by itself.*

"""
TAIL = """
Intervals are 95 %, over problems alone: another run of the same method may differ by more. *Supported*, *refuted* and
*undecided* as the predictions say. Right rollouts are shares of those that a step learns from, which for SELF are of
problems whose greedy answer is wrong.
"""


def keep(folder: Path) -> None:
    """Write a small file for each finished run of a sweep: counts, means of curves, where and how it ran."""
    RECORDS.mkdir(parents=True, exist_ok=True)
    for run in read_folders([folder], console.print):
        document = asdict(run.record) | {"curves": means(run.metrics, CURVES, EVERY), "start": asdict(run.starts[-1])}
        file = re.sub("[^a-z0-9.-]+", "_", run.label.lower())
        write_whole(RECORDS / f"{file}.json", json.dumps(document, separators=(",", ":")) + "\n")


def documents() -> list[dict]:
    """What is kept, in the order of the files' names."""
    return [json.loads(path.read_text()) for path in sorted(RECORDS.glob("*.json"))]


def page(kept: Sequence[dict]) -> str:
    """The page on what is kept."""
    methods = {method.label: method for method in map(_method, kept)}
    first = next(iter(methods.values()))
    text = HEAD.format(problems=len(first.split(0).base.correct), n=first.n)
    text += results(methods).markdown(titled=False)
    text += "\n**Changes since the base, points**\n\n" + changes(methods).markdown(titled=False)
    text += "\n**Predictions**\n\n" + decisions(methods).markdown(titled=False)
    text += "\n**On the way: the first half, the second, and means over all steps**\n\n"
    return text + ways(kept).markdown(titled=False) + TAIL


def results(methods: Mapping[str, Method]) -> Grid:
    """Pass@k of blind guessing, the base and every method."""
    first = next(iter(methods.values()))
    rows = [
        ["blind guessing", *(f"{100 * first.split(0).guess_pass_at(k):.1f}" for k in KS)],
        ["base", *(with_interval(first.base(k)) for k in KS)],
        *([label, *(with_interval(method.trained(k)) for k in KS)] for label, method in methods.items()),
    ]
    return Grid("", ["held-out, %", *(f"k={k}" for k in KS)], rows)


def changes(methods: Mapping[str, Method]) -> Grid:
    """What each method has more than its base, paired by problem; * excludes 0."""
    rows = [
        [label, *(with_interval(difference(method, None, k)([0]).interval, signed=True) for k in KS)]
        for label, method in methods.items()
    ]
    return Grid("", ["", *(f"k={k}" for k in KS)], rows)


def decisions(methods: Mapping[str, Method]) -> Grid:
    """Each claim, with the difference that decides it."""
    rows = []
    for name, label, other, k, sign, level in CLAIMS:
        row = [name, f"{label} - {other or 'base'}, k={k}", f"{'>' if sign > 0 else '<'} {100 * level:g}"]
        if {label, other or label} <= set(methods):
            found = difference(methods[label], methods[other] if other else None, k)([0])
            rows.append([*row, with_interval(found.interval, signed=True), decided(less(found, level), sign)])
        else:
            rows.append([*row, "", "not run yet"])
    return Grid("", ["", "difference of Pass@k", "claimed, points", "found, points", "decision"], rows)


def decided(estimate: Estimate, sign: int) -> str:
    """The decision; where there is none, what would tell."""
    told = estimate.decision(sign)
    return f"{told}; {data_needed(estimate.interval):.1f} times the problems to tell" if told == "undecided" else told


def less(estimate: Estimate, level: float) -> Estimate:
    """How much of it is above a level."""
    mean, low, high = (value - level for value in astuple(estimate.interval))
    return Estimate(Interval(mean, low, high), estimate.value_S - level)


def ways(kept: Sequence[dict]) -> Grid:
    """What happened in training: accuracy and entropy in both halves, means of the mismatch and of a step's seconds."""
    rows = []
    for document in kept:
        curve = document["curves"]
        right, entropy = (np.split(np.array(curve[f"rollout/{name}"]), 2) for name in ("accuracy", "entropy"))
        seconds = [f"{np.mean(curve[f'time/{phase}']):.1f}" for phase in SECONDS]
        shown = (
            ", ".join(f"{100 * half.mean():.1f}" for half in right),
            ", ".join(f"{half.mean():.2f}" for half in entropy),
        )
        rows.append([document["label"], *shown, f"{np.mean(curve['mismatch/mean']):.3f}", *seconds])
    header = ["", "right rollouts, %", "entropy, nats", "mismatch, nats", "s a step", "sampling", "forward", "backward"]
    return Grid("", header, rows)


def _method(document: dict) -> Method:
    record = RunRecord.from_json(document)
    return Method(record.label, "heldout", (RunFolder(RECORDS, record),))


def main() -> None:
    """Keep what a sweep has, where its folder is given; then write the page and its figure."""
    for name in sys.argv[1:]:
        keep(Path(name))
    kept = documents()
    PAGE.write_text(page(kept))
    methods = list(map(_method, kept))
    with canvas(PAGE.with_suffix(".png"), 1, 1, (5.2, 3.6)) as (axes,):
        draw_pass_at_k(axes, methods, "held-out")
        problems = len(methods[0].split(0).base.correct)
        axes.set_title(f"{problems} problems x {methods[0].n} samples, one seed, 95 % bands", fontsize=8)
        axes.legend(fontsize=7)


if __name__ == "__main__":
    main()
