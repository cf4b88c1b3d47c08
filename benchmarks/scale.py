"""Measures what a step costs the host without sampling and the policy, at the size of a real run: `make bench-scale`.

Every rank is a process (gloo) and runs a run's own code with synthetic rollouts, whose lengths are log-normal between
200 and 3,072 tokens: outcomes and advantages, the sample table, the metrics, training samples, the dealing out to
ranks, packing. Seconds are CPU seconds of the slowest rank, since the ranks share two cores here. Memory is a rank's
peak above its start, including its own rollouts.

A second table varies one size at a time.
"""

import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from torch import distributed as dist
from torch import multiprocessing

from rlvr.algo import Filter, Loss
from rlvr.algo.advantages import group_normalised
from rlvr.algo.aggregation import token_mean
from rlvr.algo.surrogates import ppo_clip
from rlvr.callbacks.samples import batch_table
from rlvr.console import console
from rlvr.ranks import Ranks
from rlvr.rollout import Sampling
from rlvr.scoring.packing import packed
from rlvr.scoring.sharing import shared_out
from rlvr.step import Collector, batch_metrics, training_samples, write_table
from rlvr.tables import Grid
from rlvr.timing import Stopwatch
from rlvr.types import Completion, Problem, Verdict

SHORTEST, LONGEST, PROMPT = 200, 3072, 200  # tokens
TEXT = "So the answer is \\boxed{42}. "  # 5 characters a token or so
LOSS = Loss(
    name="grpo",
    advantage=group_normalised,
    signs={"positive": 1.0, "negative": 1.0},
    surrogate=partial(ppo_clip, clip_low=0.2, clip_high=0.2),
    aggregation=partial(token_mean, over="live"),
)
BUDGET = 16_384  # packed tokens of a micro-batch
PHASES = ("collect", "metrics", "samples", "share out", "pack", "sample table")


@dataclass(frozen=True)
class Size:
    """A step's size.

    Attributes:
        problems: P, over all ranks.
        group: G, completions a problem.
        length: Factor of all lengths.
        ranks: Number of processes.
    """

    problems: int = 1024
    group: int = 8
    length: float = 1.0
    ranks: int = 8


class Made:
    """An engine and a verifier that return prepared results, so that their own time is not measured."""

    dtype = torch.float32

    def __init__(self, size: Size, rank: int, vocabulary: int = 150_000) -> None:
        draw = np.random.default_rng(rank)
        count = size.problems * size.group // size.ranks
        # Quantiles in random order, so that the same number of completions always has about the same number of tokens.
        normal = np.array([NormalDist(np.log(800), 0.7).inv_cdf((place + 0.5) / count) for place in range(count)])
        lengths = draw.permutation(np.clip(np.exp(normal), SHORTEST, LONGEST)) * size.length
        self.completions = [_completion(draw, int(length), vocabulary) for length in lengths]
        self.verdicts = [
            Verdict("right", 1.0) if right else Verdict("wrong", 0.0) for right in draw.random(count) < 0.4
        ]

    def sync(self, version: int) -> None:
        """Nothing to copy."""

    def sleep(self) -> None:
        """There is no memory to give back."""

    def close(self) -> None:
        """Nothing to free."""

    def generate(self, problems: Sequence[Problem], n: int, *further: Any, **more: Any) -> list[tuple[Completion, ...]]:
        """The same completions for all prompts."""
        return [tuple(self.completions[start : start + n]) for start in range(0, n * len(problems), n)]

    def grade(self, items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """The verdicts as they were drawn."""
        return self.verdicts[: len(items)]

    def readable(self, answers: Sequence[str]) -> list[bool]:
        """True for all."""
        return [True] * len(answers)

    def answer(self, text: str) -> str:
        """The text itself."""
        return text


def _completion(draw: np.random.Generator, length: int, vocabulary: int) -> Completion:
    ids = tuple(draw.integers(0, vocabulary, length).tolist())
    return Completion(ids, tuple((-draw.random(length)).tolist()), TEXT * (length // 6), "stop")


def step(rank: int, size: Size, folder: str, results: Any) -> None:
    """Run one rank's step, and put its results into `results`."""
    torch.set_num_threads(1)
    if size.ranks > 1:
        dist.init_process_group("gloo", init_method=f"file://{folder}/group", rank=rank, world_size=size.ranks)
    ranks, start = Ranks(rank, size.ranks), peak_gib()
    problems = [Problem(f"problem-{i}", TEXT * 30, tuple(range(PROMPT)), "42") for i in range(size.problems)]
    made = Made(size, rank)
    sampling = Sampling(max_new_tokens=int(LONGEST * size.length))
    arguments = (problems, made, made, Filter(), LOSS, sampling, size.problems, size.group, 0, ranks, Stopwatch())
    collector = Collector(*arguments)
    ranks.barrier()
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        began = time.process_time()
        done = work()
        seconds[name] = time.process_time() - began
        return done

    batch = timed("collect", lambda: collector.collect(0))
    timed("metrics", lambda: batch_metrics(batch, ranks))
    samples = timed("samples", lambda: training_samples(batch, LOSS, sampling.max_new_tokens, 1, ranks))
    dealt = timed("share out", lambda: shared_out(samples, BUDGET, ranks)[0])
    micro = timed("pack", lambda: [packed(part, 0) for part in dealt])
    timed("sample table", lambda: write_table(Path(folder) / f"{rank}.parquet", batch_table(batch)))
    rows = [table for one in micro for table in one.rows.tables]
    held = sum(table.numel() for table in rows)
    squares = sum(table.shape[0] * table.shape[1] ** 2 for table in rows)
    lengths = [sample.prompt_tokens + sample.completion_tokens - 1 for part in dealt for sample in part]
    figures = {
        **seconds,
        "memory": peak_gib() - start,
        "tokens": float(sum(len(one.token_ids) for one in made.completions)),
        "padding": 1 - sum(lengths) / held,
        "attention": 1 - sum(length**2 for length in lengths) / squares,
        "parts": len(rows) / len(micro),
    }
    results.put(figures)
    ranks.barrier()


def measure(size: Size) -> dict[str, float]:
    """The largest of all ranks' results, but the tokens of all ranks together."""
    results = multiprocessing.get_context("spawn").SimpleQueue()
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(step, (size, folder, results), nprocs=size.ranks)  # one that fails ends the others
    found = [results.get() for _ in range(size.ranks)]
    return {name: (sum if name == "tokens" else max)(of_rank[name] for of_rank in found) for name in found[0]}


def peak_gib() -> float:
    """Peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _total(figures: dict[str, float]) -> float:
    return sum(figures[name] for name in PHASES)


WAYS = {
    "problems": [replace(Size(ranks=2), problems=value) for value in (128, 256, 512, 1024)],
    "group": [replace(Size(ranks=2, problems=256), group=value) for value in (4, 8, 16, 32)],
    "length": [replace(Size(ranks=2, problems=256), length=value) for value in (0.5, 1, 2, 4)],
    "ranks": [replace(Size(problems=512), ranks=value) for value in (1, 2, 4, 8)],
}


def main() -> None:
    """Print both tables."""
    whole = measure(Size())
    rows = [[name, f"{whole[name]:.2f}"] for name in PHASES]
    rows += [["all, CPU s a rank", f"{_total(whole):.2f}"], ["memory, GiB a rank", f"{whole['memory']:.2f}"]]
    rows += [["padding of rows, %", f"{100 * whole['padding']:.1f}"]]
    rows += [["padding of attention, %", f"{100 * whole['attention']:.1f}"]]
    rows += [["attention calls a layer", f"{whole['parts']:.1f}"]]
    console.print(Grid(f"{Size()}: {whole['tokens'] / 1e6:.1f}M tokens", ["", "seconds"], rows).rich())
    found = {way: [measure(size) for size in sizes] for way, sizes in WAYS.items()}
    lines = [
        [f"{way} {getattr(size, way)}", f"{of['tokens'] / 1e6:.2f}", f"{_total(of):.2f}", f"{of['memory']:.2f}"]
        for way, sizes in WAYS.items()
        for size, of in zip(sizes, found[way], strict=True)
    ]
    console.print(Grid("One size at a time", ["", "M tokens", "CPU s a rank", "GiB a rank"], lines).rich())


if __name__ == "__main__":
    main()
