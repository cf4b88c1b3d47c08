"""Chunked log-probabilities against the plain way: time and memory of forward and backward, `make bench-logprobs`.

Each way runs in a process of its own, so that peaks of memory are its own; they take turns, and the best of three
counts.
"""

import multiprocessing
import resource
import sys
import time

import torch

from rlvr.console import console
from rlvr.scoring.head import ScoringHead
from rlvr.tables import Grid

TOKENS, VOCABULARY, HIDDEN, TURNS = 4096, 151_936, 896, 3


def measure(way: str) -> tuple[float, float]:
    """Seconds, and GiB above what inputs, weights and their gradients take."""
    torch.manual_seed(0)
    head = ScoringHead(HIDDEN, VOCABULARY, bias=False)
    hidden_NH = torch.randn(TOKENS, HIDDEN, requires_grad=True)
    token_N = torch.randint(VOCABULARY, (TOKENS,))
    before = peak_gib()
    start = time.perf_counter()
    if way == "chunked":
        logp_N, _ = head(hidden_NH, token_N, 0.9)
    else:
        logits_NV = head(hidden_NH).float() / 0.9
        logp_N = torch.log_softmax(logits_NV, dim=-1).gather(1, token_N[:, None])[:, 0]
    logp_N.mean().backward()
    return time.perf_counter() - start, peak_gib() - before


def peak_gib() -> float:
    """Peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Print the table."""
    found: dict[str, list[tuple[float, float]]] = {"plain": [], "chunked": []}
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for _ in range(TURNS):
            for way in found:
                found[way].append(pool.apply(measure, (way,)))
                print(way, *(f"{number:.2f}" for number in found[way][-1]), file=sys.stderr)
    best = {way: (min(s for s, _ in runs), min(m for _, m in runs)) for way, runs in found.items()}
    rows = [[way, f"{seconds:.2f}", f"{gib:.2f}"] for way, (seconds, gib) in best.items()]
    rows.append(["ratio", *(f"{best['chunked'][i] / best['plain'][i]:.2f}" for i in range(2))])
    title = f"{TOKENS} tokens, vocabulary {VOCABULARY}, hidden size {HIDDEN}, fp32, {torch.get_num_threads()} threads"
    console.print(Grid(title, ["way", "seconds", "peak, GiB"], rows).rich())


if __name__ == "__main__":
    main()
