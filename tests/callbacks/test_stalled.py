"""A run that learns nothing says so and ends."""

from types import SimpleNamespace

import pytest
import torch

from rlvr.build import build
from rlvr.callbacks import StalledGuard
from rlvr.errors import RunError
from rlvr.step import RolloutBatch

SILENT, LEARNING = {"loss/trained_rollouts": 0.0, "rollout/accuracy": 0.25}, {"loss/trained_rollouts": 3.0}


def see(guard: StalledGuard, metrics: dict[str, float], selected: int = 4, terms: bool = False) -> None:
    nothing = torch.zeros(0)
    batch = RolloutBatch(
        (), nothing, nothing[:, None], nothing, selected, drawn=8, rounds=1, version=7, greedy_tokens=0
    )
    module = SimpleNamespace(objective=SimpleNamespace(needs_every_completion=terms))
    guard.on_rollout(None, module, batch, metrics)


def test_only_batches_in_a_row_count():
    """Two silent ones, one that learns, two more; the third in a row ends the run."""
    guard = StalledGuard(limit=3)
    for metrics in (SILENT, SILENT, LEARNING, SILENT, SILENT):
        see(guard, metrics)
    with pytest.raises(RunError, match=r"last 3 rollout batches, up to step 7; .* selected 4 of 8 .* 25 % of the"):
        see(guard, SILENT)


def test_auxiliary_terms_learn_from_what_the_filter_selects():
    """Without advantages, too; not where the filter selects nothing."""
    guard = StalledGuard(limit=1)
    see(guard, SILENT, terms=True)
    with pytest.raises(RunError):
        see(guard, SILENT, selected=0, terms=True)


def test_its_count_survives_a_checkpoint():
    first, second = StalledGuard(limit=3), StalledGuard(limit=3)
    see(first, SILENT)
    second.load_state_dict(first.state_dict())
    see(second, SILENT)
    with pytest.raises(RunError):
        see(second, SILENT)


def test_a_policy_that_solves_nothing_ends_the_run(quick):
    """GRPO has nothing to compare in groups of wrong answers."""
    cfg = quick(
        "algo=grpo", "model.steps=1", "trainer.max_steps=30", "callbacks.stalled.limit=5", "eval.every_n_steps=99"
    )
    run = build(cfg)
    with pytest.raises(RunError, match="No completion has carried gradient in the last 5 rollout batches"):
        run.trainer.fit(run.module, datamodule=run.data)
    assert run.trainer.global_step == 4
