"""The mismatch guard: its numbers by hand, three kinds of stale weights caught, 200 clean steps left alone."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from rlvr.build import Run, build
from rlvr.callbacks import Mismatch, MismatchError
from rlvr.training import scoring

vllm = pytest.importorskip("rlvr.rollout.vllm", reason="vLLM is not installed: make vllm")

SMALL_ENGINE = ["rollout=vllm", "rollout.engine.kv_cache_gib=0.25", "rollout.engine.max_num_seqs=64", "algo=nsr"]


def fit(run: Run) -> None:
    try:
        run.trainer.fit(run.module, datamodule=run.data)
    finally:
        run.data.teardown("fit")  # Lightning tears down only after a fit that went well


def rows(cfg: DictConfig) -> list[dict[str, str]]:
    with (Path(cfg.paths.run_dir) / "metrics.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["train/lr"]]


def test_numbers_by_hand():
    """Differences 0, 0.05, -0.2, 0.4: three of the ratios are e^0, e^0.05, e^-0.2 = 0.82, the last e^0.4."""
    found = Mismatch.between(torch.tensor([-1.0, -1.0, -1.2, -0.6]), torch.tensor([-1.0, -1.05, -1.0, -1.0]))
    assert found.mean == pytest.approx(0.65 / 4, abs=1e-6)
    assert found.p95 == pytest.approx(0.37, abs=1e-6)  # 0.2 + 0.85 * 0.2, between the two largest
    assert found.max == pytest.approx(0.4, abs=1e-6)
    assert found.outside_share == 0.5
    assert found.tokens == 4


@pytest.mark.parametrize("bad", [float("nan"), float("-inf")])
def test_what_is_not_finite_is_infinitely_far(bad: float):
    """NaN must not slip through a comparison."""
    assert Mismatch.between(torch.tensor([-1.0, bad]), torch.tensor([-1.0, -1.0])).mean == float("inf")


@pytest.mark.full
def test_two_hundred_clean_steps(quick):
    """Nothing is raised, and fp32 engines agree to rounding at every one of them."""
    cfg = quick(*SMALL_ENGINE, "trainer.max_steps=200", "eval.every_n_steps=100", "model.steps=150")
    fit(build(cfg))
    steps = rows(cfg)
    assert len(steps) == 200
    assert max(float(row["mismatch/max"]) for row in steps) < 1e-4
    assert all(float(row["correction/effective_share"]) == pytest.approx(1, abs=1e-6) for row in steps)


def skip_a_sync(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine says version 2 and holds version 1."""
    honest = vllm.VLLMEngine.sync

    def sync(engine, version: int) -> None:
        if version == 2:
            engine.version = version
        else:
            honest(engine, version)

    monkeypatch.setattr(vllm.VLLMEngine, "sync", sync)


def swapped(weights: Callable[[], Iterator]) -> Iterator[tuple[str, torch.Tensor]]:
    exchange = {"layers.0.": "layers.1.", "layers.1.": "layers.0."}
    everything = []
    for name, tensor in weights():
        found = next((layer for layer in exchange if layer in name), None)
        everything.append((name.replace(found, exchange[found]) if found else name, tensor))
    return iter(everything)


def swap_two_layers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every weight arrives, in the wrong place."""
    honest = vllm.VLLMEngine.__init__

    def init(engine, host, settings) -> None:
        honest(engine, replace(host, weights=lambda: swapped(host.weights)), settings)

    monkeypatch.setattr(vllm.VLLMEngine, "__init__", init)


def forget_the_merge(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine gets the base's weights without the adapters', which are zero only before the first step."""
    monkeypatch.setattr("rlvr.rollout.weights._with_update", lambda owner, weight: weight.detach())


@pytest.mark.parametrize(
    ("inject", "version", "overrides"),
    [
        (skip_a_sync, 2, []),
        pytest.param(swap_two_layers, 0, [], marks=pytest.mark.full),
        pytest.param(forget_the_merge, 1, ["lora=rank16"], marks=pytest.mark.full),
    ],
    ids=["skip a sync", "swap two layers", "forget the merge"],
)
def test_stale_weights_end_the_run(quick, monkeypatch, inject, version: int, overrides: list[str]):
    """At the first step whose rollouts come from them, before anything is learned from those."""
    cfg = quick(*SMALL_ENGINE, "model.steps=150", "warmup_steps=0", "trainer.max_steps=5", *overrides)
    run = build(cfg)
    inject(run, monkeypatch)
    with pytest.raises(MismatchError, match=f"rollouts of policy version {version} do not come from the policy"):
        fit(run)
    assert run.trainer.global_step == version


@pytest.mark.full
def test_a_stale_last_evaluation_ends_the_run(quick, monkeypatch):
    """No step follows it, so the guard looks by itself."""
    cfg = quick(*SMALL_ENGINE, "model.steps=150", "warmup_steps=0", "trainer.max_steps=2")
    run = build(cfg)
    skip_a_sync(run, monkeypatch)
    with pytest.raises(MismatchError, match="rollouts of policy version 2"):
        fit(run)
    assert run.trainer.global_step == 2


@pytest.mark.full
@pytest.mark.parametrize("half", ["rollout.engine.dtype=bfloat16", "trainer.precision=bf16-mixed"], ids=["one", "both"])
def test_rounding_is_not_taken_for_staleness(quick, half: str):
    """An engine in bfloat16 beside an fp32 trainer, and one beside a trainer that computes so too, as the engine then
    does by itself: a hundred times the difference, and the correction makes up for it."""
    cfg = quick(*SMALL_ENGINE, half, "model.steps=150", "trainer.max_steps=20")
    run = build(cfg)
    fit(run)
    assert run.data.context.engine.settings.traits.dtype == "bfloat16"
    steps = rows(cfg)
    assert 1e-4 < max(float(row["mismatch/mean"]) for row in steps) < 0.05
    assert min(float(row["correction/effective_share"]) for row in steps) < 1 - 1e-6
    assert all(abs(float(row["correction/ratio"]) - 1) < 0.05 for row in steps)


@pytest.mark.full
def test_lora_trains_through_vllm(quick):
    """Adapters move, the base does not, and the engine follows the merged weights."""
    cfg = quick(*SMALL_ENGINE, "model.steps=150", "warmup_steps=0", "trainer.max_steps=4", "lora=rank16")
    run = build(cfg)
    before = {name: p.detach().clone() for name, p in run.module.policy.named_parameters()}
    fit(run)
    for name, parameter in run.module.policy.named_parameters():
        assert torch.equal(parameter, before[name]) is ("lora_" not in name), name
    assert max(float(row["mismatch/max"]) for row in rows(cfg)) < 1e-4


@pytest.mark.full
def test_the_guard_stays_within_a_micro_batch_and_the_engine_sleeps(quick, monkeypatch):
    """Before a step and at the end alike: on a GPU the forward pass has the memory that micro-batches were given."""
    events: list[str | int] = []
    score, sleep = scoring.completion_logps, vllm.VLLMEngine.sleep

    def scored(policy, batch, temperature):
        events.append(len(batch.token_N))
        return score(policy, batch, temperature)

    def slept(engine) -> None:
        events.append("asleep")
        sleep(engine)

    def sampled(engine, *arguments, **settings):
        events.append("awake")
        return generate(engine, *arguments, **settings)

    generate = vllm.VLLMEngine.generate
    monkeypatch.setattr(scoring, "completion_logps", scored)
    monkeypatch.setattr(vllm.VLLMEngine, "sleep", slept)
    monkeypatch.setattr(vllm.VLLMEngine, "generate", sampled)
    fit(build(quick(*SMALL_ENGINE, "batch.micro_batch_tokens=40", "trainer.max_steps=2")))
    sizes = [event for event in events if isinstance(event, int)]
    assert len(sizes) > 3 * 3  # several for each of two steps and the end
    assert max(sizes) <= 40
    state = "awake"
    for event in events:
        state = event if isinstance(event, str) else state
        assert isinstance(event, str) or state == "asleep"
