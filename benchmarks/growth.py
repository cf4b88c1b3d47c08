"""Measures how a step's time and memory grow: `make bench-growth`, and the figure of docs/performance.md.

One size at a time is doubled: problems, group, length, vocabulary, and ranks, each of which brings its own problems.
Ranks are processes (gloo) and run a step's own code: collecting, dealing out, packing, and the forward and backward
pass of a policy of random weights in micro-batches. Rollouts are synthetic (`benchmarks/scale.py`). Seconds are CPU
seconds of all ranks, one thread each; memory is the largest rank's peak above its start.

A straight line is fitted to the points; for length it is a parabola, since attention is quadratic. For each size the
result tells how far the worst point lies off the curve.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import distributed as dist
from torch import multiprocessing
from transformers import AutoConfig, AutoModelForCausalLM

from benchmarks.scale import LONGEST, LOSS, PROMPT, TEXT, Made, Size, peak_gib
from rlvr.algo import Filter, Objective
from rlvr.console import bar, console
from rlvr.memory import keep_freed_memory
from rlvr.ranks import Ranks
from rlvr.report.figures import STYLE
from rlvr.rollout import Sampling
from rlvr.scoring import completion_logps, packed
from rlvr.scoring.sharing import shared_out
from rlvr.step import Collector, batch_metrics, training_samples
from rlvr.tables import Grid
from rlvr.timing import Stopwatch
from rlvr.types import Problem

FIGURE = Path(__file__).parents[1] / "docs" / "results" / "growth.png"
BUDGET = 4096  # packed tokens of a micro-batch
POLICY = dict(hidden_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=384)


@dataclass(frozen=True)
class Work(Size):
    """A step's size, with the policy's vocabulary."""

    problems: int = 16
    length: float = 0.2
    ranks: int = 1
    vocabulary: int = 8192


SIZES = {
    "problems": [Work(problems=value) for value in (8, 16, 32, 64)],
    "group": [Work(group=value) for value in (4, 8, 16, 32)],
    "length": [Work(length=value) for value in (0.1, 0.2, 0.4, 0.8)],
    "vocabulary": [Work(vocabulary=value) for value in (4096, 8192, 16_384, 32_768)],
    "ranks": [Work(problems=8 * value, ranks=value) for value in (1, 2, 4, 8)],
}


def step(rank: int, work: Work, folder: str, results: Any) -> None:
    """Run one rank's step, and put (CPU seconds, GiB) into `results`."""
    torch.set_num_threads(1)
    keep_freed_memory()
    if work.ranks > 1:
        dist.init_process_group("gloo", init_method=f"file://{folder}/group", rank=rank, world_size=work.ranks)
    ranks = Ranks(rank, work.ranks)
    made, sampling = Made(work, rank, work.vocabulary), Sampling(max_new_tokens=int(LONGEST * work.length))
    problems = [Problem(f"problem-{i}", TEXT * 30, tuple(range(PROMPT)), "42") for i in range(work.problems)]
    config = AutoConfig.for_model("qwen2", vocab_size=work.vocabulary, max_position_embeddings=8192, **POLICY)
    policy = AutoModelForCausalLM.from_config(config)
    for parameter in policy.parameters():
        parameter.grad = torch.zeros_like(parameter)
    arguments = (problems, made, made, Filter(), LOSS, sampling, work.problems, work.group, 0, ranks, Stopwatch())
    ranks.barrier()
    start, began = peak_gib(), time.process_time()
    batch = Collector(*arguments).collect(0)
    batch_metrics(batch, ranks)
    samples = training_samples(batch, LOSS, sampling.max_new_tokens, 1, ranks)
    for part in shared_out(samples, BUDGET, ranks)[0]:
        micro = packed(part, 0)
        scores = completion_logps(policy, micro, 1.0)
        Objective(LOSS.surrogate)(micro.tokens(scores.logp_BT, scores.entropy_BT))[0].backward()
    results.put((time.process_time() - began, peak_gib() - start))
    ranks.barrier()


def measure(work: Work) -> tuple[float, float]:
    """CPU seconds of all ranks together, and GiB of the largest rank."""
    results = multiprocessing.get_context("spawn").SimpleQueue()
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(step, (work, folder, results), nprocs=work.ranks)  # one that fails ends the others
    seconds, memory = zip(*(results.get() for _ in range(work.ranks)), strict=True)
    return sum(seconds), max(memory)


def curve(sizes: list[float], found: list[float], degree: int) -> tuple[np.poly1d, float]:
    """The polynomial with the smallest relative errors, and the largest of these errors."""
    line = np.poly1d(np.polyfit(sizes, found, degree, w=1 / np.asarray(found)))
    return line, float(np.abs(line(sizes) / found - 1).max())


def main() -> None:
    """Measure, print, draw."""
    found: dict[str, list[tuple[float, float]]] = {}
    with bar("Sizes", sum(map(len, SIZES.values()))) as progress:
        for name, works in SIZES.items():
            found[name] = []
            for work in works:
                found[name].append(min((measure(work) for _ in range(2)), key=lambda pair: pair[0]))
                progress.advance(1)
    rows: list[list[str]] = []
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(2, len(SIZES), figsize=(12, 4.6), layout="constrained")
        for column, (name, works) in enumerate(SIZES.items()):
            sizes = [float(getattr(work, name)) for work in works]
            degree, off = 2 if name == "length" else 1, []
            for row, unit in enumerate(("CPU seconds, all ranks", "GiB a rank")):
                values = [pair[row] for pair in found[name]]
                line, error = curve(sizes, values, degree)
                off.append(f"{100 * error:.1f}")
                grid = np.linspace(0, sizes[-1])
                axes[row, column].plot(grid, line(grid), color="#999999", lw=1)
                axes[row, column].plot(sizes, values, "o", color="#0072B2")
                axes[row, column].set(ylim=(0, None), xlim=(0, None))
                axes[row, 0].set_ylabel(unit)
            axes[1, column].set_xlabel(name)
            rows.append([name, *(f"{of[0]:.1f} / {of[1]:.2f}" for of in found[name]), *off])
        FIGURE.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(FIGURE, dpi=150)
    header = ["doubled", "1 x", "2 x", "4 x", "8 x", "time off line, %", "memory off line, %"]
    console.print(Grid("CPU s of all ranks / GiB of the largest", header, rows).rich())
    console.print(f"Figure: {FIGURE}")


if __name__ == "__main__":
    main()
