"""Shows how training goes wrong and what stops it: `python benchmarks/stability.py [FOLDER ...]`.

Trains NSR at three learning rates under logs/stability, with and without guards, prints a table and draws the figure of
docs/stability.md. Runs that exist are not repeated. Then it replays the metrics of further runs, given by their
folders, to the collapse guard with the config's settings, and says how near they came to its limits.
"""

import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
from hydra.utils import instantiate
from matplotlib.axes import Axes
from omegaconf import OmegaConf

from rlvr.callbacks.collapse import solved_share
from rlvr.console import console
from rlvr.eval import RunRecord
from rlvr.report.figures import STYLE
from rlvr.report.interference import interference_figure
from rlvr.report.runs import measured, read_metrics
from rlvr.tables import Grid

ROOT = Path(__file__).parents[1]
LOGS = ROOT / "logs" / "stability"
FIGURE = ROOT / "docs" / "results" / "stability.png"
UNWATCHED = ["callbacks=interference", "callbacks.interference.every_n_steps=5", "~callbacks.collapse"]
DESTROYED = ["optimizer.lr=1e-3", "rollouts=200", "eval.every_n_steps=50"]
OVERTRAINED = ["optimizer.lr=3e-4", "rollouts=1500", "eval.every_n_steps=100"]
RUNS = {
    "lr 1e-3": [*DESTROYED, *UNWATCHED],
    "lr 1e-3, guard": DESTROYED,
    "lr 3e-4": [*OVERTRAINED, *UNWATCHED],
    "lr 3e-4, early stopping": [*OVERTRAINED, "callbacks=early_stopping"],
    "lr 1e-4": ["rollouts=400", "eval.every_n_steps=100", *UNWATCHED],
}
COLOURS = {"lr 1e-4": "#0072B2", "lr 3e-4": "#E69F00", "lr 1e-3": "#D55E00"}
SMOOTHED = 10
STEPS = (0, 50, 100, 200, 400, 1500)


def train(name: str) -> Path:
    """The folder of a run, made unless it is there; `output.txt` in it is what the run printed."""
    folder = LOGS / name.replace(", ", "_").replace(" ", "_")
    if not (folder / "output.txt").exists():
        overrides = ["algo=nsr", *RUNS[name], f"hydra.run.dir={folder}"]
        console.print(f"python src/train.py {' '.join(overrides)}")
        command = [sys.executable, "src/train.py", *overrides]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 3):  # 3: a run that had to stop
            sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
        (folder / "output.txt").write_text(done.stdout)
    return folder


def metrics(folder: Path) -> list[dict[str, float]]:
    """The rows of metrics.csv."""
    return read_metrics(folder / "metrics.csv")


def last_step(folder: Path) -> int:
    """Optimizer steps that a run took."""
    return max(int(row["step"]) for row in metrics(folder))


def row_of(name: str, folder: Path) -> list[str]:
    """A run's row of the table."""
    path = RunRecord.read(folder).splits["heldout"].path
    best, last = max(path, key=lambda step: path[step].pass_at(64)), max(path)
    scores = [f"{100 * path[last].pass_at(k):.1f}" for k in (1, 64, 256)]
    ended = (
        "guard" if (folder / "error.txt").exists() else "early stop" if (folder / "best").exists() else "ran through"
    )
    drift = [
        f"{row[f'interference/drift_{bin_}']:.1f}"
        for row in measured(read_metrics(folder / "metrics.csv"))[-1:]
        for bin_ in (0, 3)
    ]
    return [
        name,
        str(last_step(folder)),
        ended,
        str(last),
        *scores,
        f"{100 * path[best].pass_at(64):.1f} at {best}",
        ", ".join(drift),
    ]


def curve(axes: Axes, folder: Path, name: str, colour: str, label: str | None) -> None:
    """A metric over steps, averaged over the last few."""
    points = [(int(row["step"]), row[name]) for row in metrics(folder) if name in row]
    steps, values = zip(*points, strict=True)
    means = [sum(part) / len(part) for part in (values[max(0, i - SMOOTHED) : i] for i in range(1, len(values) + 1))]
    axes.plot(steps, means, color=colour, label=label)


def draw(folders: dict[str, Path]) -> None:
    """Four courses of the unwatched runs; dotted lines where watched ones were stopped."""
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(2, 2, figsize=(8.2, 5.6), layout="constrained")
        reward, entropy, boundary, drift = grid.flat
        for name, colour in COLOURS.items():
            curve(reward, folders[name], "rollout/accuracy", colour, name)
            curve(entropy, folders[name], "rollout/entropy", colour, name)
            curve(drift, folders[name], "interference/drift_0", colour, name)
            path = RunRecord.read(folders[name]).splits["heldout"].path
            scores = [100 * path[step].pass_at(256) for step in sorted(path)]
            boundary.plot(sorted(path), scores, color=colour, marker="o", markersize=3)
        for name, folder in folders.items():
            stop = last_step(folder)
            for axes in grid.flat if name not in COLOURS else ():
                axes.axvline(stop, color=COLOURS[name.partition(",")[0]], linestyle=":", linewidth=1.2)
        for axes, title in (
            (reward, "share of right answers"),
            (entropy, "entropy (nats a token)"),
            (boundary, "held-out Pass@256 (%)"),
            (drift, "drift of log p, right answers\nto the hardest problems (nats)"),
        ):
            axes.set_xscale("symlog", linthresh=100)
            axes.set_xlim(left=0)
            axes.set_xticks(STEPS, [str(step) for step in STEPS])
            axes.set_xlabel("optimizer step")
            axes.set_ylabel(title)
        reward.legend(loc="best")
        figure.savefig(FIGURE)
        plt.close(figure)


def replay(folder: Path) -> list[str]:
    """How near a run came to the guard's limits: reward and entropy over those at the best reward, and any stop."""
    guard = instantiate(OmegaConf.load(ROOT / "configs" / "callbacks" / "default.yaml").collapse)
    rewards, entropies, tripped = [1.0], [1.0], "no"
    for row in metrics(folder):
        if "rollout/accuracy" not in row:
            continue
        group = sum(name.startswith("bucket/") for name in row) - 1
        fallen = guard.see(int(row["step"]), solved_share(row, group), row["rollout/entropy"])
        if guard.best and guard.now:
            rewards.append(guard.now.accuracy / guard.best.accuracy)
            entropies.append(guard.now.entropy / guard.best.entropy)
        if fallen:
            tripped = f"at step {int(row['step'])}"
            break
    return [folder.name, f"{min(rewards):.2f}", f"{min(entropies):.2f}", f"{max(entropies):.2f}", tripped]


def main() -> None:
    """Train, print, draw, replay."""
    folders = {name: train(name) for name in RUNS}
    header = ["", "steps", "ended", "last evaluated", "k=1", "k=64", "k=256", "best k=64", "drift"]
    grid = Grid("NSR, held-out Pass@k, %", header, [row_of(name, folder) for name, folder in folders.items()])
    console.print(grid.rich())
    console.print(grid.markdown())
    draw(folders)
    for name in COLOURS:
        interference_figure(
            measured(read_metrics(folders[name] / "metrics.csv")), folders[name] / "figures" / "interference.png"
        )
    if others := [Path(name) for name in sys.argv[1:]]:
        rows = [replay(folder) for folder in others]
        console.print(
            Grid(
                "Replayed to the guard, over the level at the best reward",
                ["run", "lowest reward", "lowest entropy", "highest", "stopped"],
                rows,
            ).rich()
        )


if __name__ == "__main__":
    main()
