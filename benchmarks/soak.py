"""Tests a long run with regular faults: `make bench-soak`, `python benchmarks/soak.py MINUTES SECONDS OVERRIDE..`.

The embedded default trains under `ckpt_path=last` and is, in turn, killed, killed with a byte flipped in its newest
checkpoint, killed with half a row in metrics.csv, and asked to end. At the end every optimizer step must stand once in
metrics.csv and every rollout once in samples.parquet, and the first steps must equal those of a run without faults.
Memory and open files are read from /proc every second. The test is whether they grow within a process, from its steady
state on, and from the first process to the last.
"""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import pyarrow.dataset as ds

from rlvr.checkpoint import CheckpointStore
from rlvr.console import console
from rlvr.tables import Grid

ROOT = Path(__file__).parents[1]
HOME = ROOT / "logs" / "benchmarks" / "soak"
COMPARED = 300  # first optimizer steps that are compared with a run without faults
STEADY_S = 10  # after its first step a process has allocated what it needs
RUN = ["rollouts=10000000", "eval.every_n_steps=1000", "eval.n=16", "eval.train_problems=16"]


@dataclass
class Life:
    """One process.

    Attributes:
        fault: How it ended.
        rss_mib: Resident memory, each second.
        files: Open files, each second.
        step: The last optimizer step logged when it ended.
    """

    fault: str
    rss_mib: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    step: int = 0

    def steady(self, numbers: list[float]) -> tuple[float, float]:
        """Medians of the first and the last third of the steady state."""
        kept = numbers[STEADY_S:] or numbers
        third = max(len(kept) // 3, 1)
        return median(kept[:third]), median(kept[-third:])


def start(folder: Path, *overrides: str) -> subprocess.Popen[bytes]:
    """The run's next process."""
    paths = [f"paths.log_dir={HOME}", f"hydra.run.dir={folder}"]
    command = [sys.executable, str(ROOT / "src" / "train.py"), *RUN, *paths, *sys.argv[3:], *overrides]
    with (HOME / f"{folder.name}.txt").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def rows(folder: Path) -> list[dict[str, str]]:
    """The rows of metrics, without those that depend on a clock."""
    if not (folder / "metrics.csv").exists():
        return []
    with (folder / "metrics.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if not k.startswith(("time/", "speed/"))} for row in csv.DictReader(file)]


def live(folder: Path, fault: str, seconds: float) -> Life:
    """Start a process, watch it for so long from its first optimizer step on, and end it by a fault."""
    started, metrics = time.time(), folder / "metrics.csv"
    process, life, trains_since = start(folder, "ckpt_path=last"), Life(fault), float("inf")
    while time.time() - trains_since < seconds:
        if trains_since == float("inf") and metrics.exists() and metrics.stat().st_mtime > started:
            trains_since = time.time()
        if process.poll() is not None:
            raise RuntimeError(f"The run ended by itself, see {HOME / (folder.name + '.txt')}.")
        status = Path(f"/proc/{process.pid}/status").read_text()
        if trains_since < float("inf"):
            life.rss_mib.append(int(status.split("VmRSS:")[1].split()[0]) / 1024 if "VmRSS:" in status else 0.0)
            life.files.append(len(os.listdir(f"/proc/{process.pid}/fd")))
        time.sleep(1)
    os.killpg(process.pid, signal.SIGTERM if fault == "SIGTERM" else signal.SIGKILL)
    code = process.wait()
    if fault == "SIGTERM" and code != 75:
        raise RuntimeError(f"SIGTERM ended the run with code {code}, see {HOME / (folder.name + '.txt')}.")
    life.step = int(rows(folder)[-1]["step"])
    damage(folder, fault)
    return life


def damage(folder: Path, fault: str) -> None:
    """Leave what a bad disk or a kill in the middle of a write leaves."""
    steps = CheckpointStore(folder / "checkpoints").steps()
    if fault == "flipped byte" and len(steps) > 1:
        path = folder / "checkpoints" / f"step-{steps[0]}" / "state.pt"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))
    if fault == "half a row":
        with (folder / "metrics.csv").open("a") as file:
            file.write("12345,0.2")


def lost(folder: Path, clean: Path) -> list[str]:
    """The rows that are missing, doubled or different."""
    faults = []
    trained = [row for row in rows(folder) if row["train/lr"]]
    steps = [int(row["step"]) for row in trained]
    if steps != list(range(1, len(steps) + 1)):
        faults.append("metrics.csv does not hold every optimizer step once")
    samples = ds.dataset(folder / "samples.parquet").to_table(["version", "problem_id"])
    groups = Counter(zip(samples["version"].to_pylist(), samples["problem_id"].to_pylist(), strict=True))
    if len(set(groups.values())) != 1 or sorted({version for version, _ in groups}) != list(range(len(steps))):
        faults.append("samples.parquet does not hold every rollout once")
    first = [{k: v for k, v in row.items() if v} for row in trained[:COMPARED]]
    other = [{k: v for k, v in row.items() if v} for row in rows(clean) if row["train/lr"]][: len(first)]
    if first[: len(other)] != other:
        faults.append(f"the first {len(other)} steps are not those of a run without faults")
    return faults


def main() -> None:
    """Run with faults, then check what is there."""
    minutes, every_s = float(sys.argv[1]), float(sys.argv[2])
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    clean, folder = HOME / "clean", HOME / "run"
    start(clean, f"rollouts={COMPARED}").wait()
    faults = ["SIGKILL", "flipped byte", "half a row", "SIGTERM"]
    lives: list[Life] = []
    began = time.time()
    while time.time() - began < 60 * minutes or lives[-1].fault != "SIGTERM":
        lives.append(live(folder, faults[len(lives) % len(faults)], every_s))
        print(f"{(time.time() - began) / 60:.1f} min: {lives[-1].fault} at step {lives[-1].step}", file=sys.stderr)
    table = []
    for life in lives:
        memory, files = life.steady(life.rss_mib), life.steady([float(count) for count in life.files])
        table.append([life.fault, f"{life.step:,}", *(f"{x:.0f}" for x in (*memory, *files))])
    header = ["ended by", "step", "MiB, first third", "last third", "files, first third", "last third"]
    console.print(Grid(f"{len(lives)} processes in {(time.time() - began) / 60:.0f} minutes", header, table).rich())
    found = lost(folder, clean)
    console.print("Nothing was lost." if not found else f"[red]{'; '.join(found)}[/]")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
