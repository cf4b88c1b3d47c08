"""Samples of base and trained policy under both: against an exact enumeration, and the same however a run is made."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from omegaconf import DictConfig
from two_ranks import DDP, ENGINE, ZERO2, ZERO3, launch

from rlvr.build import Run, build
from rlvr.callbacks import CrossLikelihood
from rlvr.errors import RunError
from rlvr.eval.cross import SAMPLES, Crossed, CrossRecord, read_crossed
from rlvr.report.runs import read_metrics
from rlvr.rollout.hf import eos_ids

# Steps that are large enough to be seen; a few hundred warm-up steps leave the base unsure of most tokens.
MOVED = ["eval.cross=true", "algo=nsr", "model.steps=150", "warmup_steps=0", "optimizer.lr=3e-3"]
SHORT = ["eval.max_new_tokens=2", "data.heldout_size=32"]


def fit(cfg: DictConfig, ckpt_path: Path | None = None) -> Run:
    run = build(cfg)
    run.trainer.fit(run.module, datamodule=run.data, ckpt_path=ckpt_path, weights_only=True)
    return run


def table(cfg: DictConfig) -> Path:
    return Path(cfg.paths.run_dir) / "evaluations" / "heldout-cross.parquet"


def watched(run: Run) -> CrossLikelihood:
    return next(callback for callback in run.trainer.callbacks if isinstance(callback, CrossLikelihood))


def distributions(policy, prompt_ids: tuple[int, ...], temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of the first token [V] and, after each, of the second one [V, V], one sequence at a time."""
    size = policy.config.vocab_size
    prefixes = torch.tensor([[*prompt_ids, token] for token in range(size)])
    with torch.no_grad():
        logits_VSV = policy(input_ids=prefixes).logits.double() / temperature
    return logits_VSV[0, -2].log_softmax(-1), logits_VSV[:, -1].log_softmax(-1)


def exact(p_policy, q_policy, prompt_ids: tuple[int, ...], ends: set[int], temperature: float) -> list[float]:
    """KL(p || q) over all completions of at most two tokens, and p's expected entropy at both positions."""
    (p_V, p_VV), (q_V, q_VV) = (distributions(policy, prompt_ids, temperature) for policy in (p_policy, q_policy))
    goes_on_V = torch.tensor([float(token not in ends) for token in range(len(p_V))], dtype=torch.float64)
    second = (goes_on_V * p_V.exp())[:, None] * p_VV.exp()
    kl = (p_V.exp() * (p_V - q_V)).sum() + (second * (p_VV - q_VV)).sum()
    return [float(kl), float(-(p_V.exp() * p_V).sum()), float(-(second * p_VV).sum())]


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_what_all_completions_of_two_tokens_say(quick, temperature: float):
    """KL both ways and entropies by position are means over samples of what an enumeration has exactly."""
    cfg = quick(*MOVED, *SHORT, f"eval.temperature={temperature}")
    base = build(cfg).module.policy.eval()
    run = fit(cfg)
    trained, problems = run.module.policy.eval(), watched(run).problems
    ends = set(eos_ids(trained, run.tokenizer))
    for name, mine, other in (("base", base, trained), ("trained", trained, base)):
        found = read_crossed(table(cfg))[name]
        drawn_PN = 2 * found.own_logp_PN - found.base_logp_PN - found.trained_logp_PN
        truth_P3 = np.array([exact(mine, other, one.prompt_ids, ends, temperature) for one in problems])
        assert truth_P3[:, 0].mean() > 0.05  # they are apart
        error = drawn_PN.std(axis=1).mean() / drawn_PN.size**0.5
        assert found.kl_P == pytest.approx(drawn_PN.mean(axis=1))
        assert abs(found.kl_P.mean() - truth_P3[:, 0].mean()) < 4 * error
        by_sample_P2 = found.entropy_PB[:, :2] / SAMPLES
        assert by_sample_P2[:, 0] == pytest.approx(truth_P3[:, 1], abs=1e-4)  # the first is the same in every sample
        assert by_sample_P2[:, 1].mean() == pytest.approx(truth_P3[:, 2].mean(), abs=0.1)
        assert found.tokens_PN.max() == 2


def test_each_logp_is_that_of_its_tokens(quick):
    """The base's samples keep their tokens: one sequence, one forward pass of transformers' own."""
    cfg = quick(*MOVED, "data.heldout_size=8")
    base = build(cfg).module.policy.eval()
    run = fit(cfg)
    problems, kept = {one.id: one for one in watched(run).problems}, pq.read_table(watched(run)._kept).to_pylist()
    found = read_crossed(table(cfg))["base"]
    assert len(kept) == 8 * SAMPLES
    for index, row in list(enumerate(kept))[::7]:
        prompt = problems[row["problem_id"]].prompt_ids
        ids = torch.tensor([[*prompt, *row["token_ids"]]])
        for policy, logp_PN in ((base, found.base_logp_PN), (run.module.policy.eval(), found.trained_logp_PN)):
            with torch.no_grad():
                logp_SV = policy(input_ids=ids).logits[0, len(prompt) - 1 : -1].double().log_softmax(-1)
            plain = float(logp_SV.gather(1, ids[0, len(prompt) :, None]).sum())
            assert logp_PN.flat[index] == pytest.approx(plain, abs=1e-3)
            if policy is base:
                entropy = -(logp_SV.exp() * logp_SV).sum(dim=1)
                assert sum(row["entropy"]) == pytest.approx(float(entropy.sum()), abs=1e-3)
                assert row["top_entropy"] <= sum(row["entropy"]) + 1e-4


@pytest.mark.parametrize("adapters", ["none", "rank16"])
def test_a_policy_that_has_not_moved_is_its_base(quick, adapters: str):
    """Whole, and as adapters that are switched off for the base."""
    cfg = quick(*MOVED, "optimizer.lr=1e-12", f"lora={adapters}")
    run = fit(cfg)
    for found in read_crossed(table(cfg)).values():
        assert found.base_logp_PN == pytest.approx(found.trained_logp_PN, abs=1e-3)
        assert abs(found.kl_P).max() < 1e-3
    assert all(abs(np.array(value_P)).max() < 1e-3 for value_P in watched(run).record.path.values())


def test_adapters_that_have_moved_are_compared_with_their_base(quick):
    """The base's own samples score as they did before training."""
    cfg = quick(*MOVED, "lora=rank16", "optimizer.lr=3e-2")
    found = read_crossed(table(cfg)) if fit(cfg) else {}
    assert abs(found["base"].kl_P).mean() > 0.01
    assert found["trained"].kl_P.mean() > 0.01


def test_it_changes_nothing_else(quick):
    """Weights to the bit and every count of the evaluations; a point of the way is there for each evaluation."""
    with_it, without = (quick(*MOVED, f"eval.cross={switch}") for switch in ("true", "false"))
    runs = [fit(cfg) for cfg in (with_it, without)]
    for mine, other in zip(*(run.module.policy.parameters() for run in runs), strict=True):
        assert torch.equal(mine, other)
    records = [json.loads((Path(cfg.paths.run_dir) / "pass_at_k.json").read_text()) for cfg in (with_it, without)]
    assert records[0] == records[1]
    record = CrossRecord.read(Path(with_it.paths.run_dir))
    assert record is not None
    assert [str(step) for step in sorted(record.path)] == list(records[0]["splits"]["heldout"]["path"])
    assert list(record.problem_ids) == records[0]["splits"]["heldout"]["path"]["0"]["problem_ids"]
    assert set(record.path[0]) == {0.0}
    last = max(record.path)
    along = read_crossed(table(with_it))["trained"].kl_P[: len(record.problem_ids)]
    assert record.path[last] == pytest.approx(along)
    rows = read_metrics(Path(with_it.paths.run_dir) / "metrics.csv")
    logged = {row["step"]: row["eval/kl"] for row in rows if "eval/kl" in row}
    assert logged == pytest.approx({step: np.mean(value_P) for step, value_P in record.path.items() if step})
    assert CrossRecord.read(Path(without.paths.run_dir)) is None
    assert not table(without).exists()


def test_a_run_that_goes_on_ends_as_one_that_was_not_interrupted(quick):
    """From the checkpoint between two evaluations; the base's samples come from before."""
    kept = ["trainer.max_steps=6", "callbacks.checkpoint.every_n_rollouts=3", "eval.every_n_steps=2"]
    whole, again = (quick(*MOVED, *kept) for _ in range(2))
    run = fit(whole)
    checkpoint = Path(whole.paths.run_dir) / "checkpoints" / "step-00000003"
    (checkpoint,) = [path for path in checkpoint.parent.glob("step-*") if int(path.name.split("-")[1]) == 3]
    gone_on = fit(again, checkpoint)
    assert table(whole).read_bytes() == table(again).read_bytes()
    assert watched(run).record == watched(gone_on).record
    assert sorted(watched(run).record.path) == [0, 2, 4, 6]
    watched(run)._kept.unlink()
    with pytest.raises(RunError, match="the base's samples, drawn before training, are gone"):
        fit(quick(*MOVED, *kept), checkpoint)


def test_a_run_that_began_without_it_has_no_base_left(quick):
    """Adapters: the checkpoint has all that the run wants but the base's samples."""
    kept = [*MOVED, "lora=rank16", "trainer.max_steps=4", "callbacks.checkpoint.every_n_rollouts=2"]
    without = quick(*kept, "eval.cross=false")
    fit(without)
    checkpoint = min((Path(without.paths.run_dir) / "checkpoints").glob("step-*"))
    with pytest.raises(RunError, match="the run began without it"):
        fit(quick(*kept), checkpoint)


@pytest.mark.full
def test_ranks_together_find_what_one_finds(quick, tmp_path):
    """DDP, ZeRO-2 and ZeRO-3 on two ranks: every sample's numbers, in the same order."""
    pytest.importorskip("vllm", reason="the hf engine's draws depend on the batch, and vLLM is not installed")
    moved = [*ENGINE, *MOVED, "model.steps=20", "optimizer.lr=1e-3"]
    (alone,) = launch(quick, tmp_path / "alone", {"alone": [*moved, "trainer.devices=1"]}, ranks=1).values()
    for name, strategy in {"DDP": DDP, "ZeRO-2": ZERO2, "ZeRO-3": ZERO3}.items():
        (both,) = launch(quick, tmp_path / name, {name: [*moved, *strategy]}).values()
        pairs = [read_crossed(run.run_dir / "evaluations/heldout-cross.parquet") for run in (alone, both)]
        assert pairs[0]["trained"].kl_P.mean() > 1e-4
        for policy, field in product(("base", "trained"), Crossed.__dataclass_fields__):
            mine, other = (getattr(pair[policy], field) for pair in pairs)
            np.testing.assert_allclose(mine, other, atol=2e-3, err_msg=f"{name}, {policy}, {field}")
        ways = [CrossRecord.read(run.run_dir) for run in (alone, both)]
        assert ways[0] is not None
        assert ways[1] is not None
        for step, value_P in ways[0].path.items():
            assert ways[1].path[step] == pytest.approx(value_P, abs=2e-3)
