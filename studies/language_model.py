"""Keeps what `make reproduce-lm` found, and writes docs/results/language_model.md: `python -m studies.language_model`.

docs/results/predictions_language_model.md says what is claimed and how it is decided. With sweeps' folders as arguments
their finished runs are kept first; without any the page is written from what is kept, on any machine.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
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
from studies.hypotheses import difference

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results" / "language_model.md"
RECORDS = PAGE.with_suffix("")  # a file for each method
SLOW = "GRPO, 2.5e-6"  # its learning rate
NAMES = {"GRPO": "grpo", "SELF": "self", "MaxRL": "maxrl", SLOW: "grpo_slow"}  # of its file, by a run's label
KS = (1, 4, 16, 64, 256)
EVERY = 20  # steps over which each curve is averaged
SECONDS = ("step", "sample", "forward", "backward")
CURVES = ("rollout/accuracy", "rollout/entropy", "mismatch/mean", *(f"time/{phase}" for phase in SECONDS))
# Name, method, the one that it is compared with (None: the base), k, claimed side of 0, and how far an interval of a
# supported claim may reach to the other side (share of problems).
CLAIMS = (
    ("L1", "GRPO", None, 1, 1, 0.0),
    ("L1", "GRPO", None, 256, -1, 0.0),
    ("L2", "SELF", "GRPO", 256, 1, 0.0),
    ("L3", "MaxRL", "GRPO", 1, 1, 0.01),
    ("L4", SLOW, "SELF", 1, 1, 0.01),
    ("L4", SLOW, "SELF", 256, 1, 0.05),
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
[Predictions](predictions_language_model.md) were written before the first step, L4's before the first step of its run.

![Pass@k of the base and of each method](language_model.png)

*Pass@k on {problems} held-out problems, {n} samples each, one seed. Bands are 95 % intervals for new
problems, at each k by itself.*

"""
TAIL = """
Intervals are 95 %, over problems alone: another run of the same method may differ by more. *Supported*, *refuted* and
*undecided* as the predictions say.
"""


def keep(folder: Path) -> None:
    """Write a small file for each finished run of a sweep: counts, means of curves, where and how it ran."""
    for run in read_folders([folder], console.print):
        start = json.loads((run.folder / "setting.json").read_text())[-1]
        document = asdict(run.record) | {"generated": {}, "curves": curves(run.metrics)}
        document["start"] = {key: start[key] for key in ("command", "commit", "versions", "device")}
        RECORDS.mkdir(parents=True, exist_ok=True)
        write_whole(RECORDS / f"{NAMES[run.label]}.json", json.dumps(document, separators=(",", ":")) + "\n")


def documents() -> list[dict]:
    """What is kept, in the order of `NAMES`."""
    paths = [RECORDS / f"{name}.json" for name in NAMES.values()]
    return [json.loads(path.read_text()) for path in paths if path.exists()]


def curves(rows: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Means over every 20 steps of a few metrics."""
    parts = [rows[first : first + EVERY] for first in range(0, len(rows), EVERY)]
    return {name: [float(f"{np.mean([row[name] for row in part]):.4g}") for part in parts] for name in CURVES}


def decision(interval: Interval, sign: int, margin: float) -> str:
    """Whether the difference is on the claimed side of 0, or beyond it by no more than a margin."""
    low, high = sorted((sign * interval.low, sign * interval.high))
    if high < 0:
        return "refuted"
    return "supported" if low > -margin else "undecided"


def page(documents: Sequence[dict]) -> str:
    """The page; the methods in the order of the documents."""
    methods = {record.label: _method(record) for record in map(RunRecord.from_json, documents)}
    first = next(iter(methods.values()))
    text = HEAD.format(problems=len(first.split(0).base.correct), n=first.n)
    text += results(methods).markdown(titled=False)
    text += "\n**Changes since the base, points**\n\n" + changes(methods).markdown(titled=False)
    text += "\n**Predictions**\n\n" + decisions(methods).markdown(titled=False)
    text += "\n**On the way: the first and the last 20 steps, and means over all**\n\n"
    return text + ways(documents).markdown(titled=False) + TAIL


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
    for name, label, other, k, sign, margin in CLAIMS:
        claimed = f"{'>' if sign > 0 else '<'} {-100 * margin or 0:g}"
        row = [name, f"{label} - {other or 'base'}, k={k}", claimed]
        if label not in methods or (other and other not in methods):
            rows.append([*row, "", "not run yet"])
            continue
        interval = difference(methods[label], methods[other] if other else None, k)([0]).interval
        rows.append([*row, with_interval(interval, signed=True), decision(interval, sign, margin)])
    return Grid("", ["", "difference of Pass@k", "claimed, points", "found, points", "decision"], rows)


def ways(documents: Sequence[dict]) -> Grid:
    """What happened in training: accuracy and entropy at both ends, means of the mismatch and of a step's seconds."""
    rows = []
    for document in documents:
        curve = document["curves"]
        right, entropy = curve["rollout/accuracy"], curve["rollout/entropy"]
        seconds = [f"{np.mean(curve[f'time/{phase}']):.1f}" for phase in SECONDS]
        shown = (f"{100 * right[0]:.1f} to {100 * right[-1]:.1f}", f"{entropy[0]:.2f} to {entropy[-1]:.2f}")
        rows.append([document["label"], *shown, f"{np.mean(curve['mismatch/mean']):.3f}", *seconds])
    header = ["", "right rollouts, %", "entropy, nats", "mismatch, nats", "s a step", "sampling", "forward", "backward"]
    return Grid("", header, rows)


def _method(record: RunRecord) -> Method:
    return Method(record.label, "heldout", (RunFolder(RECORDS, record),))


def main() -> None:
    """Keep what a sweep has, where its folder is given; then write the page and its figure."""
    for name in sys.argv[1:]:
        keep(Path(name))
    PAGE.write_text(page(documents()))
    methods = [_method(RunRecord.from_json(document)) for document in documents()]
    with canvas(PAGE.with_suffix(".png"), 1, 1, (5.2, 3.6)) as (axes,):
        draw_pass_at_k(axes, methods, "held-out")
        problems = len(methods[0].split(0).base.correct)
        axes.set_title(f"{problems} problems x {methods[0].n} samples, one seed, 95 % bands", fontsize=8)
        axes.legend(fontsize=7)


if __name__ == "__main__":
    main()
