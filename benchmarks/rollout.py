"""Measures tokens a second of both rollout engines, the cost of a weight sync, and peak memory: `make bench-rollout`.

Each policy and precision runs in its own process. Both engines hold the same weights there and take turns on the same
prompts, three times after one warm-up call each; the best of the three counts. Memory is in resident GiB: the policy's
weights, the engine when it is built, what a sync holds only for a moment, and the process at its peak.
"""

import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from rlvr.build import quiet
from rlvr.console import console
from rlvr.rollout import VLLM, Host, Sampling, named_weights
from rlvr.rollout.hf import HFEngine
from rlvr.tables import Grid
from rlvr.types import Problem

ROOT = Path(__file__).parents[1]
TURNS = 3
# policy, precision, problems, completions a problem, longest completion
CASES = [
    ("tiny", "float32", 64, 8, 10),
    ("smollm2_135m", "float32", 16, 8, 64),
    ("smollm2_135m", "bfloat16", 16, 8, 64),
]


def measure(name: str, dtype: str, count: int, n: int, tokens: int, cache: str) -> dict[str, float]:
    """All results of one case."""

    quiet()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        cfg = compose("train", [f"model={name}"])
    source = instantiate(cfg.data)
    policy, tokenizer = instantiate(cfg.model).load(source, 0, Path(cache), getattr(torch, dtype))
    problems = prompts(tokenizer, count) if name != "tiny" else source.splits(tokenizer).train[:count]
    host = Host(policy, tokenizer, partial(named_weights, policy), policy.device)
    hf = HFEngine(host, max_tokens=65536)
    before = resident_gib()
    vllm = VLLM(256 if name != "tiny" else None, 1.0, 512, 1, None, 600.0, Path(cache)).build(host)
    built = resident_gib()
    seconds = []
    for version in range(4):
        start = time.perf_counter()
        vllm.sync(version)
        seconds.append(time.perf_counter() - start)
    beside = peak_gib() - resident_gib()
    hf.sync(3)
    rates: dict[str, list[float]] = {"hf": [], "vllm": []}
    for turn in range(TURNS + 1):
        for label, engine in (("hf", hf), ("vllm", vllm)):
            rates[label].append(rate(partial(engine.generate, problems, n, Sampling(tokens), 3, turn)))
    best = {label: max(values[1:]) for label, values in rates.items()}
    model_gib = sum(p.numel() * p.element_size() for p in policy.parameters()) / 2**30
    return {
        **best,
        "ratio": best["vllm"] / best["hf"],
        "sync_ms": 1000 * statistics.median(seconds[1:]),
        "model_gib": model_gib,
        "engine_gib": built - before,
        "sync_gib": beside,
        "peak_gib": peak_gib(),
    }


def prompts(tokenizer: object, count: int) -> list[Problem]:
    """Short questions whose answers run to the limit."""
    problems = []
    for index in range(count):
        chat = [{"role": "user", "content": f"Tell a long story about the number {index + 7}."}]
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)  # type: ignore[attr-defined]
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]  # type: ignore[operator]
        problems.append(Problem(str(index), text, tuple(ids), ""))
    return problems


def rate(generate: Callable[[], list]) -> float:
    """Completion tokens a second."""
    start = time.perf_counter()
    rollouts_P = generate()
    return sum(len(r.token_ids) for rs in rollouts_P for r in rs) / (time.perf_counter() - start)


def resident_gib() -> float:
    """Resident memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**30


def peak_gib() -> float:
    """Peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Print the table."""
    rows = []
    fp32 = 0.0
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as cache, context.Pool(1, maxtasksperchild=1) as pool:
        for case in CASES:
            if len(sys.argv) > 1 and case[0] not in sys.argv[1:]:
                continue
            f = pool.apply(measure, (*case, cache))
            fp32 = f["hf"] if case[1] == "float32" else fp32
            rows.append(
                [
                    f"{case[0]}, {case[1]}",
                    *(f"{f[name]:,.0f}" for name in ("hf", "vllm")),
                    f"{f['ratio']:.2f}",
                    f"{f['vllm'] / fp32:.2f}",
                    f"{f['sync_ms']:.0f}",
                    *(f"{f[name]:.2f}" for name in ("model_gib", "engine_gib", "sync_gib", "peak_gib")),
                ]
            )
    header = ["policy", "hf", "vllm", "vllm/hf", "vllm/hf fp32", "sync, ms", "weights", "engine", "sync", "peak"]
    threads = torch.get_num_threads()
    title = f"Rollout engines: tokens/s, sync time, memory in GiB (torch {torch.__version__}, {threads} threads)"
    console.print(Grid(title, header, rows).rich())


if __name__ == "__main__":
    main()
