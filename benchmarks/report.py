"""How long the report takes over a large study, and how large it is: `make bench-report`.

    python -m benchmarks.report --methods 8 --seeds 5 --problems 500 --samples 1024

The runs are made up: counts drawn from success rates that each method moves in a way of its own, five evaluations along
the way, and every sample's text, one of a few short ones a problem. What is measured is `python src/report.py` in a
process of its own: seconds, the most memory, and the page's size.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rlvr.console import console
from rlvr.eval import Evaluation, RunRecord, SplitRecord
from rlvr.report.samples import READ
from rlvr.step import SCHEMA
from rlvr.tables import Grid

SPLIT = "heldout"
STEPS = (0, 100, 200, 300, 400)
TEXTS = 12  # different texts for each problem


def main() -> None:
    """Make the runs, report on them, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("methods", 8), ("seeds", 5), ("problems", 500), ("samples", 1024)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = make_runs(Path(folder), given.methods, given.seeds, given.problems, given.samples)
        out = Path(folder) / "report"
        start = time.perf_counter()
        asked = f"runs=[{','.join(map(str, runs))}]"
        subprocess.run(
            [sys.executable, "src/report.py", asked, f"hydra.run.dir={out}"], check=True, stdout=subprocess.DEVNULL
        )
        seconds = time.perf_counter() - start
        gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        page = (out / "report.html").stat().st_size / 1e6
    sizes = [str(value) for value in vars(given).values()]
    row = [*sizes, f"{seconds:.0f}", f"{gib:.2f}", f"{page:.2f}"]
    console.print(Grid("The report", [*vars(given), "seconds", "GiB", "page, MB"], [row]).rich())


def make_runs(folder: Path, methods: int, seeds: int, problems: int, n: int) -> list[Path]:
    """Make folders with the evaluations that a finished run leaves."""
    draw = np.random.default_rng(0)
    rate_P = draw.beta(0.3, 2.0, problems)
    base = evaluated(folder / "base.parquet", rate_P, n, draw)
    found = []
    for method in range(methods):
        for seed in range(seeds):
            run = folder / f"method{method}-{seed}"
            (run / "evaluations").mkdir(parents=True)
            moved_P = moved(rate_P, 1 + method, draw)
            (run / "evaluations" / f"{SPLIT}-base.parquet").hardlink_to(folder / "base.parquet")
            trained = evaluated(run / "evaluations" / f"{SPLIT}-trained.parquet", moved_P, n, draw)
            along = slice(None, problems // 4)  # fewer problems in evaluations during training, as in a run
            path = {step: drawn((rate_P + (moved_P - rate_P) * step / STEPS[-1])[along], n, draw) for step in STEPS}
            split = SplitRecord(base, trained, [0.002] * problems, path)
            RunRecord(f"method {method}", seed, {SPLIT: split}, {step: 1e5 * step for step in STEPS}).write(run)
            found.append(run)
    return found


def moved(rate_P: NDArray[np.float64], strength: int, draw: np.random.Generator) -> NDArray[np.float64]:
    """Success rates after a training that sharpens: likely answers become likelier, and some of the others are lost."""
    sharp_P = rate_P**0.5 * (1 + 0.05 * strength)
    lost_P = draw.random(len(rate_P)) < 0.02 * strength
    return np.clip(np.where((rate_P < 0.05) & lost_P, 0, sharp_P), 0, 1)


def drawn(rate_P: NDArray[np.float64], n: int, draw: np.random.Generator) -> Evaluation:
    """An evaluation's counts."""
    names = tuple(f"problem/{index}" for index in range(len(rate_P)))
    correct = tuple(int(count) for count in draw.binomial(n, np.clip(rate_P, 0, 1)))
    return Evaluation(n, names, correct, mean_length=20.0, truncated_share=0.01, entropy=0.5)


def evaluated(path: Path, rate_P: NDArray[np.float64], n: int, draw: np.random.Generator) -> Evaluation:
    """The same, with its samples on disk."""
    evaluation = drawn(rate_P, n, draw)
    place_N = np.tile(np.arange(n), len(rate_P))
    problem_N = np.repeat(np.arange(len(rate_P)), n)
    right_N = place_N < np.repeat(evaluation.correct, n)
    text_N = (problem_N * TEXTS + draw.integers(0, TEXTS // 2, len(place_N))) * 2 + right_N
    columns = {
        "problem_id": pa.array(evaluation.problem_ids).take(pa.array(problem_N)),
        "prompt": pa.array([f"What is {name}?" for name in evaluation.problem_ids]).take(pa.array(problem_N)),
        "sample": pa.array(place_N, pa.int32()),
        "status": pa.array(["wrong", "right"]).take(pa.array(right_N.astype(int))),
        "text_id": pa.array(text_N, pa.int64()),
        "text": pa.array([f"It is {text}." for text in text_N]),
    }
    schema = pa.schema([SCHEMA.field(name) for name in READ])
    pq.write_table(pa.table(columns, schema=schema), path)
    return evaluation


if __name__ == "__main__":
    main()
