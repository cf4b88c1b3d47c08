"""Compares one training step with TRL's GRPOTrainer: `make bench-trl`.

The work is the same on both sides: policy, prompts, group size, longest completion, sampling at temperature 1, a reward
that splits every group (so that neither side can skip one), clipped surrogate with one update a rollout, fused AdamW,
clipping at 1, one process, the same threads. It is done in fp32 and, where the processor has instructions for it, in
bf16 over weights in fp32. TRL gets its fastest settings that run here: no reference model, no gradient checkpointing,
and its continuous batching as a second mode. The time of a checkpoint in our steps is subtracted, since TRL writes
none. Each side runs in its own process, and TRL in its own environment, which is made on first use under
logs/benchmarks/. They take turns where there is time for that.
"""

import csv
import json
import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from benchmarks.bound import bound
from rlvr.build import build, quiet
from rlvr.console import console
from rlvr.tables import Grid
from rlvr.types import Problem, Verdict

ROOT = Path(__file__).parents[1]
HOME = ROOT / "logs" / "benchmarks"
PACKAGES = ["trl==1.16.0", f"torch=={torch.__version__.split('+')[0]}"]
GROUP, LR = 8, 1e-4
VLLM = ["rollout=vllm", "rollout.engine.kv_cache_gib=0.25", "rollout.engine.max_num_seqs=512"]


@dataclass(frozen=True)
class Case:
    """One policy at work.

    Attributes:
        model: Name of our config.
        problems: P a step.
        tokens: Longest completion.
        context: Longest prompt and completion together.
        steps: Steps, the first `skipped` of them not counted.
        turns: How often each side is measured; the best counts.
        data: Overrides that choose the problems.
        precision: Our precision; TRL gets the same.
    """

    model: str
    problems: int
    tokens: int
    context: int
    steps: int
    skipped: int
    turns: int
    data: tuple[str, ...]
    precision: str = "32-true"


MATH = ROOT / "tests" / "data" / "math_problems.jsonl"
MATH_DATA = (
    *("data=files", f"data.train.path={MATH}", f"data.heldout.path={MATH}"),
    *("data.heldout.limit=1", "data.contamination=report"),
)
CASES = [
    Case("tiny", 64, 16, 64, steps=40, skipped=10, turns=2, data=("data.heldout_size=1",)),
    Case("smollm2_135m", 4, 64, 256, steps=3, skipped=1, turns=1, data=MATH_DATA),
]
HALF = [replace(CASES[1], precision="bf16-mixed")] if torch.cpu.get_capabilities().get("avx512_bf16") else []


class Coin:
    """Judges half of all texts right, by the text alone, so that almost every group has both verdicts."""

    def grade(self, items: list[tuple[Problem, str]]) -> list[Verdict]:
        """See `rlvr.verify.Verifier`."""
        return [Verdict("right" if (odd := sum(text.encode()) % 2) else "wrong", float(odd)) for _, text in items]


def overrides(case: Case, folder: Path) -> list[str]:
    """Overrides that give our trainer the same work."""
    return [
        *(f"model={case.model}", "algo=grpo", f"paths.run_dir={folder}", f"paths.cache_dir={HOME / 'cache'}"),
        *(f"batch.problems_per_step={case.problems}", f"batch.group_size={GROUP}", f"optimizer.lr={LR}"),
        *(f"rollout.sampling.max_new_tokens={case.tokens}", f"trainer.max_steps={case.steps}"),
        f"trainer.precision={case.precision}",
        *("eval.n=1", "eval.every_n_steps=1000", "eval.path_problems=1", "eval.train_problems=1"),
        *case.data,
    ]


def ours(case: Case, rollout: list[str]) -> dict[str, float]:
    """Mean seconds of a step, completion tokens a second, peak memory in GiB; and seconds by phase."""
    with tempfile.TemporaryDirectory() as folder:
        with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
            run = build(compose("train", [*overrides(case, Path(folder)), *rollout]))
        run.data.make_collector.keywords["verifier"] = Coin()  # type: ignore[attr-defined]
        run.trainer.fit(run.module, datamodule=run.data)
        with (Path(folder) / "metrics.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row.get("time/step")][case.skipped :]
    phases = sorted({name for row in rows for name in row if name.startswith("time/") and row[name]})
    means = {name: statistics.fmean(float(row[name] or 0) for row in rows) for name in phases}
    tokens = statistics.fmean(float(row["rollout/tokens"]) for row in rows)
    step = means["time/step"] - means.pop("time/checkpoint", 0.0)
    return {
        **means,
        "step": step,
        "rate": tokens / step,
        "tokens": tokens,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def theirs(case: Case, folder: Path, mode: str) -> dict[str, float]:
    """The same numbers for TRL."""
    python = environment()
    asked = {
        **vars(case),
        "bf16": case.precision != "32-true",
        "folder": str(folder),
        "mode": mode,
        "group": GROUP,
        "lr": LR,
    }
    script = str(Path(__file__).with_name("trl_side.py"))
    done = subprocess.run([python, script, json.dumps(asked)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"TRL ended with:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def environment() -> str:
    """TRL's own Python, made on first use."""
    folder = HOME / "trl-environment"
    if not (folder / "complete").exists():
        print("Making TRL's environment, once.", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", *PACKAGES], check=True)
        (folder / "complete").touch()
    return str(folder / "bin" / "python")


def prepare(case: Case, folder: Path) -> None:
    """The policy as a Hugging Face folder and the prompts, for the other side."""
    quiet()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        cfg = compose("train", overrides(case, folder))
    source = instantiate(cfg.data)
    policy, tokenizer = instantiate(cfg.model).load(source, 0, HOME / "cache", None)
    policy.save_pretrained(folder / "policy")
    tokenizer.save_pretrained(folder / "policy")
    prompts = [problem.prompt for problem in source.splits(tokenizer).train]
    (folder / "prompts.json").write_text(json.dumps(prompts))


def compare(case: Case, pool: Any) -> None:
    """Print one policy's table."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        pool.apply(prepare, (case, folder))
        vllm = [*VLLM, f"rollout.engine.max_model_len={case.context}"]
        sides = {
            "TRL, generate": partial(theirs, case, folder, "generate"),
            "ours, rollout=hf": partial(pool.apply, ours, (case, [])),
            "ours, rollout=vllm": partial(pool.apply, ours, (case, vllm)),
        }
        found: dict[str, dict[str, float]] = {}
        for name, side in [*sides.items()] * case.turns:
            turn = side()
            print(f"{case.model}, {name}: {turn['step']:.3f} s a step", file=sys.stderr)
            found[name] = min(found.get(name, turn), turn, key=itemgetter("step"))
        if case.precision == "32-true":  # it is so much slower that a few steps are enough, measured once
            found["TRL, continuous batching"] = theirs(replace(case, steps=2, skipped=1), folder, "continuous batching")
        floors = pool.apply(bound, (case.problems, GROUP, case.precision, folder, found["ours, rollout=hf"]["tokens"]))
    floor = sum(floors.values())
    best = min(f["step"] for name, f in found.items() if name.startswith("TRL"))
    rows = [
        [
            *(name, f"{f['step']:.3f}", f"{f['rate']:,.0f}", f"{f['peak']:.2f}"),
            *(f"{best / f['step']:.2f}", f"{f['step'] / floor:.2f}"),
        ]
        for name, f in found.items()
    ]
    rows.append(["bound: matrix products alone", f"{floor:.3f}", "", "", f"{best / floor:.2f}", "1.00"])
    header = ["", "seconds a step", "tokens/s", "peak, GiB", "speed / TRL's best", "time / bound"]
    work = f"{case.model}: {case.problems} x {GROUP} completions of at most {case.tokens} tokens, {case.precision}"
    console.print(Grid(f"{work}, {torch.get_num_threads()} threads", header, rows).rich())
    phases(found, floors)


def phases(found: dict[str, dict[str, float]], floors: dict[str, float]) -> None:
    """The time of our steps by phase, beside the parts of the bound."""
    for name, f in found.items():
        parts = {key[len("time/") :]: s for key, s in f.items() if key.startswith("time/") and key != "time/step"}
        if parts:
            parts["lightning, logging"] = f["step"] - sum(parts.values())
            rows = [
                [part, f"{1000 * s:.1f}", f"{100 * s / f['step']:.1f}", f"{1000 * floors.get(part, 0):.1f}"]
                for part, s in sorted(parts.items(), key=itemgetter(1), reverse=True)
            ]
            console.print(Grid(name, ["phase", "ms", "% of step", "bound, ms"], rows).rich())


def main() -> None:
    """Compare for both policies, or for the one that is named."""
    HOME.mkdir(parents=True, exist_ok=True)
    environment()
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for case in [*CASES, *HALF]:
            if len(sys.argv) == 1 or case.model in sys.argv[1:]:
                compare(case, pool)


if __name__ == "__main__":
    main()
