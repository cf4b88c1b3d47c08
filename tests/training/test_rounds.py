"""A step draws what it will probably need at once: every round of an engine waits for its longest answer."""

import csv
from pathlib import Path

import pytest

from rlvr.build import build


def rows(cfg) -> list[dict[str, float]]:
    with (Path(cfg.paths.run_dir) / "metrics.csv").open() as file:
        return [
            {name: float(row[name]) for name in ("filter/rounds", "filter/drawn", "filter/selected")}
            for row in csv.DictReader(file)
            if row["train/lr"]
        ]


@pytest.mark.parametrize("method", ["self", "bbg"])
def test_later_steps_begin_with_the_rates_of_the_one_before(quick, method: str):
    """Before, each began as if nothing were dropped, and needed a second round; and no step draws ever more."""
    cfg = quick(
        *(f"algo={method}", "model.steps=700", "data.train_size=512", "trainer.max_steps=12", "eval.every_n_steps=100"),
        *("batch.problems_per_step=32", "batch.group_size=8", "optimizer.lr=1e-6"),
    )
    run = build(cfg)
    run.trainer.fit(run.module, datamodule=run.data)
    first, *later = rows(cfg)
    assert first["filter/rounds"] >= 2
    assert all(row["filter/selected"] == 32 for row in later)
    assert sum(row["filter/rounds"] for row in later) / len(later) < first["filter/rounds"]
    assert sum(row["filter/rounds"] == 1 for row in later) >= 3
    assert max(row["filter/drawn"] for row in later) < 3 * first["filter/drawn"]
    assert run.data.state_dict()["rates"] == list(run.data.collector.rates)
