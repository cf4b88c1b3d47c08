"""`examples/one_screen.py` is the trainer's algorithm: the same weights, to the bit."""

import copy
import sys
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate

from rlvr.build import build

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

from one_screen import train


@pytest.mark.parametrize("method", ["grpo", "self", "bbg", "dr_grpo"])
@pytest.mark.parametrize("tokens", [16384, 120], ids=["1 micro-batch", "several"])
def test_three_steps_equal_the_trainers(quick, method: str, tokens: int):
    """With and without filters, whose refill is the trainer's own business."""
    cfg = quick(
        *(f"algo={method}", "algo.filter.refill=false", "model.steps=700", "trainer.max_steps=3"),
        *("optimizer.lr=1e-3", f"batch.micro_batch_tokens={tokens}"),
    )
    run = build(cfg)
    policy = copy.deepcopy(run.module.policy)
    run.trainer.fit(run.module, datamodule=run.data)
    context = run.data.context
    train(
        policy,
        run.tokenizer,
        context.problems,
        context.verifier,
        loss=instantiate(cfg.algo.loss),
        filter=instantiate(cfg.algo.filter),
        steps=3,
        problems_per_step=cfg.batch.problems_per_step,
        group_size=cfg.batch.group_size,
        max_new_tokens=context.sampling.max_new_tokens,
        micro_batch_tokens=tokens,
        lr=1e-3,
    )
    pairs = list(zip(run.module.policy.parameters(), policy.parameters(), strict=True))
    assert all(torch.equal(trained, plain) for trained, plain in pairs)
    assert not torch.equal(next(build(cfg).module.policy.parameters()), pairs[0][1])  # the steps moved something


def test_it_fits_one_screen():
    assert len((Path(__file__).parents[1] / "examples" / "one_screen.py").read_text().splitlines()) <= 150
