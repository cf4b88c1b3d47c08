"""Compares chunked log-probabilities with the plain way, in time and memory of both passes: `make bench-logprobs`.

The chunked way is measured twice: with a gradient through the log-probabilities only, and through the entropies, too.
Each way runs in its own process, so that peaks of memory are its own. They take turns, and the best of three counts.
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
WAYS = ("plain", "chunked", "chunked, entropy gradient")


def measure(way: str) -> tuple[float, float]:
    """Seconds, and GiB in addition to inputs and weights."""
    torch.manual_seed(0)
    head = ScoringHead(HIDDEN, VOCABULARY, bias=False)
    hidden_NH = torch.randn(TOKENS, HIDDEN, requires_grad=True)
    token_N = torch.randint(VOCABULARY, (TOKENS,))
    before = peak_gib()
    start = time.perf_counter()
    if way == "plain":
        logits_NV = head(hidden_NH).float() / 0.9
        loss = torch.log_softmax(logits_NV, dim=-1).gather(1, token_N[:, None])[:, 0].mean()
    else:
        asked = way != "chunked"
        logp_N, entropy_N = head(hidden_NH, token_N, 0.9, entropy_gradient=asked)
        loss = (logp_N + entropy_N if asked else logp_N).mean()
    loss.backward()
    return time.perf_counter() - start, peak_gib() - before


def peak_gib() -> float:
    """Peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Print the table."""
    runs: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for _ in range(TURNS):
            for way in WAYS:
                runs[way].append(pool.apply(measure, (way,)))
                print(way, *(f"{number:.2f}" for number in runs[way][-1]), file=sys.stderr)
    best = {way: (min(s for s, _ in runs[way]), min(m for _, m in runs[way])) for way in WAYS}
    plain_s, plain_gib = best["plain"]
    rows = [
        [way, f"{seconds:.2f}", f"{seconds / plain_s:.2f}", f"{gib:.2f}", f"{gib / plain_gib:.2f}"]
        for way, (seconds, gib) in best.items()
    ]
    title = f"{TOKENS} tokens, vocabulary {VOCABULARY}, hidden size {HIDDEN}, fp32, {torch.get_num_threads()} threads"
    console.print(Grid(title, ["way", "seconds", "of plain", "peak, GiB", "of plain"], rows).rich())


if __name__ == "__main__":
    main()
