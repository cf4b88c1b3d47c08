"""Every shipped loss with every shaping of rewards and every choice of tokens, from filter to training samples."""

from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from step_fakes import collector, on_ranks

from rlvr.algo import Dynamic, Loss, MaskTruncated, RateWeight
from rlvr.ranks import Ranks
from rlvr.step import training_samples
from rlvr.types import Problem

ALGO = Path(__file__).parents[2] / "configs" / "algo"
LOSSES, SHAPINGS, TOKEN_WEIGHTS = (
    sorted(path.stem for path in (ALGO / slot).glob("*.yaml")) for slot in ("loss", "shaping", "token_weight")
)
FILTERS = [None, Dynamic(refill=True, max_rounds=4), RateWeight()]
PROBLEMS = [Problem(str(i), "", (1,), f"rate {i % 7 / 6}") for i in range(40)]


@cache
def choice(slot: str, name: str) -> Any:
    node = OmegaConf.load(ALGO / slot / f"{name}.yaml")
    return instantiate(node) if node else None


def step(loss: Loss, filter: Any, ranks: Ranks) -> dict[tuple[str, str], tuple[Any, ...]]:
    """What each completion that goes through the policy brings along."""
    batch = collector(PROBLEMS, filter, loss, per_step=8, group=8, ranks=ranks).collect(0)
    (samples,) = training_samples(batch, loss, 8, 1, ranks)
    live = set(batch.learned_from())
    assert all(sample.advantage for sample in samples)
    assert {sample.problem.id for sample in samples} == live
    return {(s.problem.id, str(s.completion)): (s.completion.finish, s.advantage, s.weight) for s in samples}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_composed_method(loss: str):
    """Only what has a gradient goes through the policy; the same on two ranks as on one, to the bit."""
    combinations = list(product(SHAPINGS, TOKEN_WEIGHTS))
    for place, (shaping, tokens) in enumerate(combinations):
        chosen = FILTERS[place % len(FILTERS)]
        slots = {"shaping": choice("shaping", shaping), "token_weight": choice("token_weight", tokens)}
        method = replace(choice("loss", loss), **slots)
        one, *_ = on_ranks(1, lambda ranks, method=method, chosen=chosen: step(method, chosen, ranks))
        parts = on_ranks(2, lambda ranks, method=method, chosen=chosen: step(method, chosen, ranks))
        assert one == parts[0] | parts[1], (shaping, tokens)
        assert one, (shaping, tokens)
        finishes = {finish for finish, *_ in one.values()}
        assert finishes == ({"stop"} if isinstance(method.token_weight, MaskTruncated) else {"stop", "length"})
