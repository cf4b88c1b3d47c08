"""Published settings through their own strategy: ZeRO-3 in bf16 on two ranks with vLLM, one of each model family."""

from pathlib import Path

import pytest
from two_ranks import launch

SMALL = [
    # The recipe's strategy, precision, optimizer, filter, loss and minibatches stay; a tiny policy of the same family.
    *("model=tiny", "data=countdown", "trainer.accelerator=cpu", "trainer.devices=2"),
    *("batch.micro_batch_tokens=512", "rollout.sampling.max_new_tokens=10", "eval.every_n_steps=100"),
    *("rollout.engine.kv_cache_gib=0.25", "rollout.engine.max_num_seqs=64", "rollouts=2", "optimizer.lr=1e-4"),
]
# GRPO needs a base that solves something, which takes 700 steps to make; the others learn from wrong answers, too.
FAMILIES = {
    "self_qwen7b": (2, ["model.steps=700"]),
    "bbg_llama3b": (4, ["model.architecture=llama"]),
    "nsr_qwen3_4b": (4, ["model.architecture=qwen3", "+model.size.head_dim=32"]),
}


@pytest.mark.full
@pytest.mark.parametrize("name", FAMILIES)
def test_two_rollouts(quick, tmp_path: Path, name: str):
    """Both ranks take the same steps, the engines agree with the trainer to rounding, and the weights move.

    Each in processes of its own: a base that is made after a run under ZeRO-3 would be made under it, too.
    """
    minibatches, family = FAMILIES[name]
    run = launch(quick, tmp_path / "ranks", {name: [f"experiment={name}", *SMALL, *family]})[name]
    assert [len(steps) for steps in run.ranks] == [2 * minibatches] * 2
    assert [step["weights"] for step in run.ranks[0]] == [step["weights"] for step in run.ranks[1]]
    assert len({tuple(step["weights"]) for step in run.ranks[0]}) > 1
    assert all(step["mismatch"] < 1 for steps in run.ranks for step in steps)
