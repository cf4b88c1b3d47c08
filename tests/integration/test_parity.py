"""Two ranks on the CPU (gloo), each a process of its own with a real vLLM engine and, for ZeRO, the real DeepSpeed."""

import pyarrow.parquet as pq
import pytest
from two_ranks import DDP, ENGINE, ZERO2, ZERO3, Trained, launch

from rlvr.eval import RunRecord, sample_file

pytest.importorskip("rlvr.rollout.vllm", reason="vLLM is not installed: make vllm")

TWO_RANKS = [*ENGINE, "algo=nsr", "algo/filter=self", "model.steps=150", "warmup_steps=0"]
TOGETHER = "rollout.engine.tensor_parallel_size=2"
# Those of one strategy share their two processes.
PLACES = {
    "DDP": {"an engine each": DDP, "one engine over both": [*DDP, TOGETHER]},
    "ZeRO-3": {
        "one engine over shards": [*ZERO3, TOGETHER],
        "adapters beside shards": [*ZERO3, "lora=rank16", "optimizer.lr=0.01"],
    },
}


@pytest.mark.full
@pytest.mark.parametrize("strategy", PLACES)
def test_two_ranks(quick, tmp_path, strategy: str):
    """Different problems, the same weights, and engines that agree with them to rounding after every sync."""
    trained = launch(quick, tmp_path / "ranks", {name: [*TWO_RANKS, *more] for name, more in PLACES[strategy].items()})
    for name, run in trained.items():
        for first, second in zip(*run.ranks, strict=True):
            assert len(first["problems"]) == len(second["problems"]) == 4, name
            assert not set(first["problems"]) & set(second["problems"]), name
            assert first["weights"] == second["weights"], name
            assert all(step["mismatch"] < 1e-4 for step in (first, second)), name
        assert [step["version"] for step in run.ranks[0]] == [0, 1, 2]
        assert len({tuple(step["weights"]) for step in run.ranks[0]}) == 3, name  # the policy moved


# Plain gradient descent, clipped: Adam would blow up rounding where a gradient is nearly 0.
STEPS = [
    *("model.steps=700", "trainer.max_steps=5", "eval.every_n_steps=100", "warmup_steps=0"),
    *("~optimizer", "+optimizer._target_=torch.optim.SGD", "+optimizer._partial_=true", "+optimizer.lr=0.02"),
]
PARITY = [*ENGINE, "algo=bbg", "algo/filter=self", *STEPS]
# A batch-level advantage would be the first to differ where ranks saw their own rewards only.
TOKENS = {"whole": "batch.micro_batch_tokens=4096", "parts": "batch.micro_batch_tokens=40"}


def in_both(quick, folder, overrides: list[str], ranks: int) -> dict[str, Trained]:
    """In one micro-batch, and in four and more."""
    runs = {name: [*PARITY, *overrides, tokens] for name, tokens in TOKENS.items()}
    return launch(quick, folder, runs, ranks)


@pytest.fixture(scope="module")
def alone(quick_module, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    """One process."""
    return in_both(quick_module, tmp_path_factory.mktemp("alone"), ["trainer.devices=1"], ranks=1)


def texts(run: Trained, version: int) -> set[str]:
    """What all ranks sampled at one policy version."""
    return {text for steps in run.ranks for step in steps if step["version"] == version for text in step["texts"]}


def assert_same(run: Trained, reference: Trained) -> None:
    """The same problems and texts, weights equal to 1e-5 and the same evaluation."""
    assert [texts(run, version) for version in range(5)] == [texts(reference, version) for version in range(5)]
    found, wanted = (RunRecord.read(each.run_dir).splits["heldout"].trained for each in (run, reference))
    assert (found.problem_ids, found.correct) == (wanted.problem_ids, wanted.correct)
    kept, before = (pq.read_table(sample_file(each.run_dir, "heldout", "trained")) for each in (run, reference))
    assert tuple(kept["problem_id"].to_pylist()) == tuple(id_ for id_ in found.problem_ids for _ in range(found.n))
    assert kept["status"].to_pylist().count("right") == sum(found.correct)
    assert kept["text"].equals(before["text"])
    for steps in run.ranks:
        expected = [pytest.approx(step["metrics"]) for step in reference.ranks[0]]
        assert [step["metrics"] for step in steps] == expected
    # Clipping would hide a wrong factor in the weights, not in the norm from before it.
    norms = [step["grad_norm"] for step in reference.ranks[0]]
    assert [step["grad_norm"] for step in run.ranks[0]] == pytest.approx(norms, rel=1e-4)
    assert float((run.weights - reference.weights).abs().max()) < 1e-5


def assert_cut(runs: dict[str, Trained]) -> None:
    """The one took a step at a time, the other accumulated."""
    counts = {name: [step["micro_batches"] for step in run.ranks[0]] for name, run in runs.items()}
    assert set(counts["whole"]) == {1}
    assert max(counts["parts"]) >= 4


def test_one_process_in_parts(alone: dict[str, Trained]):
    """Accumulation changes nothing but rounding, where the gradient is long enough to be clipped."""
    assert max(step["grad_norm"] for step in alone["whole"].ranks[0]) > 1
    assert_cut(alone)
    assert_same(alone["parts"], alone["whole"])


@pytest.mark.parametrize(
    "strategy",
    [
        pytest.param(DDP, marks=pytest.mark.full, id="DDP"),
        pytest.param(ZERO2, marks=pytest.mark.full, id="ZeRO-2"),
        pytest.param(ZERO3, id="ZeRO-3"),
    ],
)
def test_every_way_takes_the_same_steps(quick, tmp_path, alone: dict[str, Trained], strategy: list[str]):
    """Five steps on two ranks, however it is shared and cut."""
    both = in_both(quick, tmp_path / "both", strategy, ranks=2)
    assert_cut(both)
    for run in both.values():
        assert_same(run, alone["whole"])


FEW_TOKENS = [
    *(*ENGINE, "algo=clip_cov", "algo/filter=none", "algo.token_weight.low=0", "algo.token_weight.share=0.02"),
    *("algo/auxiliary=siren", "algo.auxiliary.siren.coefficient=1", "batch.minibatches_per_rollout=2"),
    "+algo.auxiliary.lp_reg={_target_: rlvr.algo.LpReg, coefficient: 1.0, share: 0.1, min_p: 0.02}",
    "+algo.auxiliary.kl_cov={_target_: rlvr.algo.KLCov, coefficient: 1.0, share: 0.1}",
    *STEPS,
]


@pytest.mark.full
def test_terms_of_few_tokens_choose_the_same_ones(quick, tmp_path):
    """All of them together, off-policy too: on one rank and on two, each in one micro-batch and in parts."""
    one, two = (
        launch(quick, tmp_path / str(ranks), {name: [*FEW_TOKENS, *place, cut] for name, cut in TOKENS.items()}, ranks)
        for ranks, place in ((1, ["trainer.devices=1"]), (2, DDP))
    )
    for run in (one["parts"], *two.values()):
        assert_same(run, one["whole"])
