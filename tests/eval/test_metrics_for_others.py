"""The torchmetrics of `rlvr.metrics`: against brute force, and the same to the bit however problems are dealt out."""

from itertools import combinations
from math import ceil
from pathlib import Path

import numpy as np
import pytest
import torch

from rlvr.metrics import Coverage, CoverAt, GPassAtK, PassAtK

N = 6
GRADED_PN = (torch.rand(9, N, generator=torch.Generator().manual_seed(0)) < torch.linspace(0, 1, 9)[:, None]).long()


def everything() -> list[torch.nn.Module]:
    return [PassAtK(N), Coverage(N), CoverAt(N, taus=[0.5, 0.1]), GPassAtK(N, ks=[1, 2, 4], tau=0.5)]


def computed(metrics: list) -> dict[str, float]:
    return {name: value.item() for metric in metrics for name, value in metric.compute().items()}


def by_definition() -> dict[str, float]:
    """Every subset of the samples counted; Cover@tau by SciPy."""
    from scipy.stats import beta  # a process that gets a part of the problems need not wait for it

    found = {}

    def share(k: int, least: int) -> float:
        problems = [
            np.mean([row[list(subset)].sum() >= least for subset in combinations(range(N), k)])
            for row in GRADED_PN.numpy()
        ]
        return float(np.mean(problems))

    found |= {f"pass@{k}": share(k, 1) for k in (1, 2, 4)}
    found["coverage"] = share(N, 1)
    counts = GRADED_PN.sum(dim=1).numpy()
    found["log_coverage"] = float(np.mean([sum(1 / j for j in range(c + 1, N + 1)) for c in counts]))
    for tau in (0.5, 0.1):
        found[f"cover@{tau:g}"] = float(np.mean(beta.sf(tau, counts + 1, N - counts + 1)))
    return found | {f"g_pass@{k}": share(k, ceil(k / 2)) for k in (1, 2, 4)}


def test_equal_to_brute_force():
    """Over several updates, one of them without a problem."""
    metrics = everything()
    for metric in metrics:
        for part in (GRADED_PN[:4], GRADED_PN[4:4], GRADED_PN[4:].bool()):
            metric.update(part)
    assert computed(metrics) == pytest.approx(by_definition(), abs=1e-12)


def _shard(rank: int, size: int, file: str, into: str) -> None:
    """One process: its problems only, then the figures of all; first dealt out in turns, then all to the first one."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=size)
    for name, mine_PN in {"turns": GRADED_PN[rank::size], "first": GRADED_PN[: 0 if rank else None]}.items():
        metrics = everything()
        for metric in metrics:
            metric.update(mine_PN)
        torch.save(computed(metrics), f"{into}/{name}{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.full
def test_sharded_it_is_the_same_to_the_bit(tmp_path: Path):
    """Every process gets it; with unequal parts, and with a process that has no problem."""
    arguments = (2, str(tmp_path / "meet"), str(tmp_path))
    torch.multiprocessing.start_processes(_shard, arguments, nprocs=2, start_method="spawn")
    whole = everything()
    for metric in whole:
        metric.update(GRADED_PN)
    for name in ("turns0", "turns1", "first0", "first1"):
        assert torch.load(tmp_path / f"{name}.pt") == computed(whole)


def test_it_starts_again_after_reset():
    """As Lightning does at an epoch's end."""
    metric = PassAtK(N)
    metric.update(GRADED_PN)
    metric.reset()
    metric.update(torch.ones(1, N))
    assert metric.compute()["pass@1"].item() == 1.0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: PassAtK(2, ks=[4]), "k is 4"),
        (lambda: PassAtK(0), "n is 0"),
        (lambda: CoverAt(2, taus=[1.0]), "between 0 and 1"),
        (lambda: GPassAtK(2, tau=0.0), "tau above 0"),
        (lambda: GPassAtK(2, ks=[0]), "k is 0"),
        (lambda: PassAtK(2).update(torch.zeros(1, 3)), "shape"),
        (lambda: PassAtK(2).update(torch.tensor([[0.5, 1.0]])), "0 or 1"),
        (lambda: PassAtK(2).update(torch.tensor([[torch.nan, 1.0]])), "0 or 1"),
    ],
)
def test_refuses_what_makes_no_sense(make, said: str):
    with pytest.raises(ValueError, match=said):
        make()


def test_the_example_in_the_docs_runs():
    """The block of docs/evaluation.md that imports them, and what it says comes out."""
    page = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
    (code,) = [block.split("```")[0] for block in page.split("```python\n")[1:] if "rlvr.metrics" in block]
    found: dict = {}
    exec(code, found)
    said = {line.split("#")[1].strip() for line in code.splitlines() if "#" in line}
    assert str({name: round(value.item(), 2) for name, value in found["metric"].compute().items()}) in said
