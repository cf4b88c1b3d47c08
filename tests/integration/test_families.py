"""Published settings through their own strategy: ZeRO-3 in bf16 on two ranks with vLLM, one of each model family."""

from pathlib import Path

import pytest
from test_parity import launch

SMALL = [
    # The recipe's strategy, precision, optimizer, filter, loss and minibatches stay; a tiny policy of the same family.
    *("model=tiny", "data=countdown", "trainer.accelerator=cpu", "trainer.devices=2"),
    *("batch.micro_batch_tokens=512", "rollout.sampling.max_new_tokens=10", "eval.every_n_steps=100"),
    *("rollout.engine.kv_cache_gib=0.25", "rollout.engine.max_num_seqs=64"),
]


@pytest.mark.parametrize(
    ("experiment", "minibatches", "family"),
    [
        ("self_qwen7b", 2, ["model.steps=700"]),
        ("bbg_llama3b", 4, ["model.architecture=llama"]),
        ("nsr_qwen3_4b", 4, ["model.architecture=qwen3", "+model.size.head_dim=32"]),
    ],
)
def test_two_rollouts(quick, tmp_path: Path, experiment: str, minibatches: int, family: list[str]):
    """Both ranks take the same steps, the engines agree with the trainer to rounding, and the weights move.

    GRPO needs a base that solves something, which takes 700 steps to make; the others learn from wrong answers, too.
    """
    overrides = [f"experiment={experiment}", *SMALL, *family, "rollouts=2", "optimizer.lr=1e-4"]
    ranks = launch(quick(), tmp_path, overrides)
    assert [len(steps) for steps in ranks] == [2 * minibatches] * 2
    assert [step["weights"] for step in ranks[0]] == [step["weights"] for step in ranks[1]]
    assert len({tuple(step["weights"]) for step in ranks[0]}) > 1
    assert all(step["mismatch"] < 1 for steps in ranks for step in steps)
