"""Answers scored without their questions, as SAR asks: against plain forward passes of the same policy."""

import pytest
import torch

from rlvr.build import build
from rlvr.training import datamodule


@pytest.mark.parametrize("tokens", [16384, 100])
def test_means_are_those_of_a_plain_forward_pass(quick, monkeypatch, tokens: int):
    """In one micro-batch or in many, at the sampling temperature; the end of text stands where the question was."""
    seen: list[tuple[list[float], list[float]]] = []
    scored = datamodule.standalone_logps

    def noted(trainer, module, groups, start, budget):
        found = scored(trainer, module, groups, start, budget)
        for group, mean_G in zip(groups, found, strict=True):
            expected = [plain(module.policy, start, one.token_ids, 0.7) for one in group.completions]
            seen.append((mean_G, expected))
        return found

    monkeypatch.setattr(datamodule, "standalone_logps", noted)
    cfg = quick("algo=sar", "rollout.sampling.temperature=0.7", f"batch.micro_batch_tokens={tokens}")
    run = build(cfg)
    run.trainer.fit(run.module, datamodule=run.data)
    assert len(seen) == 3 * cfg.batch.problems_per_step
    for found, expected in seen:
        assert found == pytest.approx(expected, abs=1e-5)


def plain(policy, start: int, token_ids: tuple[int, ...], temperature: float) -> float:
    """One answer, one pass."""
    ids = torch.tensor([[start, *token_ids]])
    with torch.no_grad():
        logits = policy(ids).logits[0, :-1] / temperature
    return float(logits.log_softmax(-1)[torch.arange(len(token_ids)), ids[0, 1:]].mean())
