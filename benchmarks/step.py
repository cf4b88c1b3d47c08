"""Shows where a training step's time goes: `python benchmarks/step.py [algo=self ...]`, any of train.py's overrides.

Trains the embedded default for 260 steps and prints the mean seconds of each phase. Only sampling (the greedy
pass included), the forward and the backward pass are work that the method asks for; the rest is overhead.

`--against REVISION` compares it with the same training by the code of a git revision. The two take turns, each in its
own process, and the best turn of each counts.
"""

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import lightning
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from rlvr.build import build
from rlvr.console import console
from rlvr.tables import Grid

ROOT = Path(__file__).parents[1]
SKIPPED = 60  # warm-up of allocators and caches, and the first write of samples, which imports pandas
STEPS = 200
TURNS = 3
METHOD = {"greedy", "sample", "score", "forward", "backward"}
SHORT = [f"rollouts={SKIPPED + STEPS}", "eval.every_n_steps=1000", "eval.n=4", "eval.path_problems=8"]


def measure(overrides: list[str]) -> dict[str, float]:
    """Mean seconds of each phase of a step; `step` is the whole step."""
    with tempfile.TemporaryDirectory() as folder:
        GlobalHydra.instance().clear()
        with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
            cfg = compose("train", [*SHORT, f"paths.run_dir={folder}", *overrides])
        run = build(cfg)
        run.trainer.fit(run.module, datamodule=run.data)
        with (Path(folder) / "metrics.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row.get("time/step")][SKIPPED:]
    names = [name for name in rows[0] if name.startswith("time/") and rows[0][name]]
    return {name.removeprefix("time/"): statistics.fmean(float(row[name] or 0) for row in rows) for name in names}


def measure_apart(root: Path, overrides: list[str]) -> dict[str, float]:
    """The same with the code in another folder, in its own process."""
    paths = os.pathsep.join([str(root / "src"), str(ROOT)])
    script = f"import json; from benchmarks import step; step.ROOT = step.Path({str(root)!r}); "
    script += f"print(json.dumps(step.measure({overrides!r})))"
    env = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, cwd=root)
    if done.returncode:
        sys.exit(done.stderr)
    seconds: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


def against(revision: str, overrides: list[str]) -> None:
    """Print a step's time with the present code and with the earlier one."""
    with tempfile.TemporaryDirectory() as folder:
        then = Path(folder) / "then"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", then, revision], cwd=ROOT, check=True)
        try:
            turns = [[measure_apart(root, overrides)["step"] for root in (then, ROOT)] for _ in range(TURNS)]
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", then], cwd=ROOT, check=True)
    before, now = map(min, zip(*turns, strict=True))
    cells = [[f"{1000 * value:.1f}" for value in turn] for turn in turns]
    rows = [[f"turn {number}", *turn, ""] for number, turn in enumerate(cells, start=1)]
    rows += [["best", f"{1000 * before:.1f}", f"{1000 * now:.1f}", f"{now / before:.2f}"]]
    title = f"A step, ms, mean over {STEPS}: {' '.join(overrides) or 'embedded default'}"
    console.print(Grid(title, ["", f"at {revision}", "now", "now / then"], rows).rich())


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--against"]:
        against(sys.argv[2], sys.argv[3:])
        return
    seconds = measure(sys.argv[1:])
    step = seconds.pop("step")
    seconds["lightning, logging"] = step - sum(seconds.values())
    overhead = sum(value for name, value in seconds.items() if name not in METHOD)
    rows = [[name, f"{1000 * value:.1f}", f"{100 * value / step:.1f}"] for name, value in seconds.items()]
    rows += [["step", f"{1000 * step:.1f}", "100.0"]]
    rows += [["all but sampling, forward, backward", f"{1000 * overhead:.1f}", f"{100 * overhead / step:.1f}"]]
    title = f"Mean over {STEPS} steps, lightning {lightning.__version__}"
    console.print(Grid(title, ["phase", "ms", "% of step"], rows).rich())


if __name__ == "__main__":
    main()
