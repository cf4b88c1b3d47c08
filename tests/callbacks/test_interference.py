"""Interference against log-probabilities computed the plain way, its silence, and its state."""

import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from figures import coloured
from omegaconf import DictConfig
from two_ranks import ENGINE, ZERO3, launch

from rlvr.build import Run, build
from rlvr.callbacks import Interference, PassAtKCallback
from rlvr.callbacks.interference import within
from rlvr.eval.difficulty import difficulty_bin
from rlvr.report.interference import interference_figure
from rlvr.report.runs import measured, read_metrics

# A base that solves some problems, and enough of them that others than the update's are left.
MEASURED = [
    *("callbacks=interference", "algo=nsr", "model.steps=700", "eval.n=16", "eval.train_problems=32"),
    *("warmup_steps=0", "optimizer.lr=1e-2"),
]


def fit(cfg: DictConfig, ckpt_path: str | None = None) -> Run:
    run = build(cfg)
    run.trainer.fit(run.module, datamodule=run.data, ckpt_path=ckpt_path, weights_only=True)
    return run


def rows(cfg: DictConfig) -> list[dict[str, float]]:
    return read_metrics(Path(cfg.paths.run_dir) / "metrics.csv")


def numbers(row: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name.startswith("interference/")}


def watched(run: Run) -> Interference:
    return next(callback for callback in run.trainer.callbacks if isinstance(callback, Interference))


def plain_logp(policy, prompt_ids: tuple[int, ...], token_ids: tuple[int, ...]) -> float:
    """One sequence, one forward pass, as transformers has it by itself."""
    ids = torch.tensor([[*prompt_ids, *token_ids]])
    with torch.no_grad():
        logp_SV = policy(input_ids=ids).logits[0, len(prompt_ids) - 1 : -1].double().log_softmax(-1)
    return float(logp_SV.gather(1, ids[0, len(prompt_ids) :, None]).sum())


def test_a_big_step_on_one_problem_is_what_a_direct_computation_says(quick):
    """Every metric, from the base policy and the trained one and the rollouts on disk."""
    cfg = quick(*MEASURED, "batch.problems_per_step=1", "trainer.max_steps=1")
    base = build(cfg).module.policy.eval()
    run = fit(cfg)
    trained, problems = run.module.policy.eval(), {problem.id: problem for problem in run.data.context.problems}
    samples = pq.read_table(Path(cfg.paths.run_dir) / "samples.parquet").to_pylist()
    inside = {row["problem_id"] for row in samples if row["advantage"] != 0}
    assert len(inside) == 1
    change: dict[str, list[float]] = {}
    for answer in watched(run).answers:
        prompt = problems[answer.problem_id].prompt_ids
        before, after = (plain_logp(policy, prompt, answer.token_ids) for policy in (base, trained))
        assert answer.base_logp == pytest.approx(before, abs=1e-4)
        name = "inside" if answer.problem_id in inside else str(answer.bin)
        change.setdefault(f"interference/{name}", []).append(after - before)
        change.setdefault(f"interference/drift_{answer.bin}", []).append(after - before)
    direct = {name: sum(values) / len(values) for name, values in change.items()}
    assert len(direct) >= 4
    assert max(map(abs, direct.values())) > 0.1  # the step was big
    (row,) = measured(rows(cfg))
    assert numbers(row) == pytest.approx(direct, abs=1e-4)
    assert row["step"] == 1


def test_answers_are_right_and_bins_are_the_bases(quick):
    """Distinct, judged right, few a problem, from evaluated training problems."""
    cfg = quick(*MEASURED, "trainer.max_steps=1", "callbacks.interference.max_tokens=150")
    run = fit(cfg)
    answers, problems = watched(run).answers, {problem.id: problem for problem in run.data.context.problems}
    base = next(c for c in run.trainer.callbacks if isinstance(c, PassAtKCallback)).record.splits["train"].base
    rate = {name: correct / base.n for name, correct in zip(base.problem_ids, base.correct, strict=True)}
    assert 100 < sum(len(answer.token_ids) for answer in answers) <= 150
    assert len({(answer.problem_id, answer.token_ids) for answer in answers}) == len(answers)
    texts = run.tokenizer.batch_decode([answer.token_ids for answer in answers], skip_special_tokens=True)
    verdicts = run.data.context.verifier.grade(
        [(problems[a.problem_id], t) for a, t in zip(answers, texts, strict=True)]
    )
    assert {verdict.status for verdict in verdicts} == {"right"}
    assert all(answer.bin == difficulty_bin(rate[answer.problem_id]) for answer in answers)


def test_no_learning_rate_no_interference(quick):
    """Exactly 0, in every metric of every step."""
    cfg = quick(*MEASURED, "optimizer.lr=0.0")
    fit(cfg)
    found = [numbers(row) for row in measured(rows(cfg))]
    assert len(found) == 3
    assert {value for row in found for value in row.values()} == {0.0}


def test_the_run_is_the_same_and_steps_take_no_longer(quick, monkeypatch: pytest.MonkeyPatch):
    """Weights to the bit; measurements that take 1,000 s by the clock appear in no step's time."""
    score, clock, late = Interference._score, time.perf_counter, [0.0]

    def slow(*arguments) -> torch.Tensor:
        late[0] += 1000.0
        return score(*arguments)

    monkeypatch.setattr(Interference, "_score", slow)
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + late[0])
    cfgs = [quick(*MEASURED, f"callbacks={name}") for name in ("interference", "default")]
    runs = [fit(cfg) for cfg in cfgs]
    assert late == [4000.0]  # the base, and three updates
    for one, other in zip(*(run.module.policy.parameters() for run in runs), strict=True):
        assert torch.equal(one, other)
    seconds = [row[name] for row in rows(cfgs[0]) for name in row if name.startswith("time/")]
    assert len(seconds) > 3
    assert max(seconds) < 500
    assert runs[0].module.policy.training


def test_every_second_step_and_after_a_resume(quick):
    """Measured updates start at steps 0 and 2; a run stopped between them goes on with the base's answers."""
    every = [*MEASURED, "callbacks.interference.every_n_steps=2"]
    cfg = quick(*every, "trainer.max_steps=4")
    whole = fit(cfg)
    first, second = quick(*every, "trainer.max_steps=2"), quick(*every, "trainer.max_steps=4")
    checkpoint = Path(first.paths.run_dir) / "middle.ckpt"
    fit(first).trainer.save_checkpoint(checkpoint)
    resumed = fit(second, str(checkpoint))
    assert watched(resumed).answers == watched(whole).answers
    uninterrupted = measured(rows(cfg))
    assert [row["step"] for row in uninterrupted] == [1, 3]
    both = [*measured(rows(first)), *measured(rows(second))]
    assert [numbers(row) for row in both] == [numbers(row) for row in uninterrupted]


@pytest.mark.full
def test_two_ranks_with_sharded_parameters(quick, tmp_path: Path):
    """ZeRO-3 on two processes measures what one process measures, to rounding."""
    pytest.importorskip("rlvr.rollout.vllm", reason="vLLM is not installed: make vllm")
    # Plain gradient descent, for Adam would blow up rounding.
    descent = ["~optimizer", "+optimizer._target_=torch.optim.SGD", "+optimizer._partial_=true", "+optimizer.lr=0.1"]
    found = []
    for ranks, overrides in ((1, ["trainer.devices=1"]), (2, ZERO3)):
        run = {"run": [*MEASURED[:-1], *ENGINE, *overrides, *descent]}
        trained = launch(quick, tmp_path / f"ranks-{ranks}", run, ranks)["run"]
        found.append([numbers(row) for row in measured(read_metrics(trained.run_dir / "metrics.csv"))])
    assert len(found[0]) == 3
    assert max(abs(value) for value in found[0][-1].values()) > 1e-3
    for alone, sharded in zip(*found, strict=True):
        assert sharded == pytest.approx(alone, abs=1e-4)


def test_tokens_are_shared_out_in_turns():
    """The first answer of every problem before the second of any; what is too long is left out."""
    long, short = (1,) * 6, (1,) * 2
    assert within([[long, short], [short, short], []], 10) == [[long, short], [short], []]
    assert within([[long], [short]], 3) == [[], [short]]
    assert within([], 3) == []


def test_bins_by_hand():
    """Upper ends belong to the lower bin."""
    assert [difficulty_bin(rate) for rate in (0.0, 1 / 16, 0.07, 0.25, 0.26, 0.5, 0.51, 1.0)] == [
        0,
        0,
        1,
        1,
        2,
        2,
        3,
        3,
    ]


def test_the_figure_comes_from_the_rows_alone(quick, tmp_path: Path):
    """A run's metrics.csv is enough."""
    cfg = quick(*MEASURED)
    fit(cfg)
    found = measured(rows(cfg))
    assert len(found) == 3
    for name, shown in (("interference", found), ("empty", [])):
        interference_figure(shown, tmp_path / "figures" / f"{name}.png")
    assert coloured(tmp_path / "figures" / "interference.png") > 500
    assert coloured(tmp_path / "figures" / "empty.png") == 0  # what the measure says of axes alone
