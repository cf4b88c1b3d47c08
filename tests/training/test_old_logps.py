"""Old log-probabilities are those of the policy that sampled, however many steps have been taken since."""

import copy

import lightning
import pytest
import torch

from rlvr.algo import MinPLogp
from rlvr.build import build
from rlvr.scoring import completion_logps
from rlvr.training import datamodule


class Notes(lightning.Callback):
    """Of every micro-batch: its old log-probabilities, a plain forward pass of the policy that sampled it over its
    completions, and what the policy says of them now."""

    def __init__(self, packed: list[list]) -> None:
        self.packed = packed  # the samples of each micro-batch, as they were packed
        self.seen: list[tuple[int, torch.Tensor, torch.Tensor, torch.Tensor]] = []

    def on_train_epoch_start(self, trainer, pl_module) -> None:
        self.sampled = copy.deepcopy(pl_module.policy).eval()
        self.version = pl_module.version

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        assert batch.version == self.version
        old_BT = batch.old_logp_BT
        plain_BT, now_BT = torch.zeros_like(old_BT), torch.zeros_like(old_BT)
        for row, sample in enumerate(self.packed.pop(0)):
            length = len(sample.completion.token_ids)
            plain_BT[row, :length] = plain(self.sampled, sample, pl_module.temperature)
            now_BT[row, :length] = plain(pl_module.policy, sample, pl_module.temperature)
        self.seen.append((pl_module.version - batch.version, old_BT, plain_BT, now_BT))


@torch.no_grad()
def plain(model, sample, temperature: float) -> torch.Tensor:
    """By transformers alone: one sequence, its own attention, all logits."""
    prompt, completion = sample.problem.prompt_ids, sample.completion.token_ids
    logits_TV = model(torch.tensor([[*prompt, *completion]])).logits[0, len(prompt) - 1 : -1] / temperature
    return logits_TV.log_softmax(-1)[torch.arange(len(completion)), torch.tensor(completion)]


@pytest.mark.parametrize("minibatches", [2, 4])
def test_old_log_probabilities_equal_a_plain_forward_pass_of_the_policy_that_sampled(
    quick, monkeypatch: pytest.MonkeyPatch, minibatches: int
):
    """Two rollouts; the policy has moved by the second optimizer step on each, the old log-probabilities have not."""
    packed: list[list] = []
    pack = datamodule.packed
    monkeypatch.setattr(datamodule, "packed", lambda samples, version: packed.append(samples) or pack(samples, version))
    cfg = quick(
        *("algo=nsr", f"batch.minibatches_per_rollout={minibatches}", f"trainer.max_steps={2 * minibatches}"),
        *("batch.micro_batch_tokens=50", "optimizer.lr=1e-3", "rollout.sampling.temperature=0.7"),
    )
    run = build(cfg)
    notes = Notes(packed)
    run.trainer.callbacks.append(notes)
    run.trainer.fit(run.module, datamodule=run.data)
    assert {since for since, *_ in notes.seen} == set(range(minibatches))
    assert len(notes.seen) > 2 * minibatches  # several micro-batches a step
    assert packed == []
    moved = []
    for since, old_BT, plain_BT, now_BT in notes.seen:
        torch.testing.assert_close(old_BT, plain_BT, rtol=1e-4, atol=1e-4)
        moved.append(float((now_BT - old_BT).abs().max()))
        assert since or moved[-1] < 1e-4
    assert max(moved) > 0.01


class Proxies(lightning.Callback):
    """Of every micro-batch: the old policy's proxy as it travels, and what the policy that sampled says of it."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, torch.Tensor, torch.Tensor]] = []

    def on_train_epoch_start(self, trainer, pl_module) -> None:
        self.sampled = copy.deepcopy(pl_module.policy).eval()

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        ((statistic, proxy_BT),) = batch.statistic_BT.items()
        assert statistic == MinPLogp(0.02)
        with torch.no_grad():
            expected = completion_logps(self.sampled, batch, pl_module.temperature, statistics=(statistic,))
        self.seen.append((pl_module.version - batch.version, proxy_BT, expected.statistic_BT[statistic]))


def test_a_proxy_is_that_of_the_policy_that_sampled(quick):
    """Lp-Reg's, in the second optimizer step on a rollout, too; nothing else travels."""
    steps = ["batch.minibatches_per_rollout=2", "trainer.max_steps=4", "optimizer.lr=1e-2", "warmup_steps=0"]
    run, proxies = build(quick("algo=lp_reg", *steps)), Proxies()
    run.trainer.callbacks.append(proxies)
    run.trainer.fit(run.module, datamodule=run.data)
    assert {since for since, *_ in proxies.seen} == {0, 1}
    for _, found_BT, expected_BT in proxies.seen:
        torch.testing.assert_close(found_BT, expected_BT, rtol=1e-5, atol=1e-5)
    assert all(bool(found_BT.any()) for _, found_BT, _ in proxies.seen)
