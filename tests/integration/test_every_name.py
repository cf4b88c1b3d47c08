"""Every choice of `algo=`, three steps: on one rank and on two, in one micro-batch and in several, resumed or not.

The names are those of `configs/algo/`. All go through one process, and through one group of two ranks.
"""

from pathlib import Path

import pytest
import torch
from test_training import fit, weights
from two_ranks import DDP, launch

from rlvr.build.catalogue import names
from rlvr.checkpoint import CheckpointStore

# Plain gradient descent: Adam would blow up rounding where a gradient is nearly 0.
STEPS = [
    *("model.steps=700", "eval.n=1", "eval.every_n_steps=100", "warmup_steps=0", "trainer.max_steps=3"),
    "batch.group_size=8",  # for the k of Pass@k
    *("~optimizer", "+optimizer._target_=torch.optim.SGD", "+optimizer._partial_=true", "+optimizer.lr=0.02"),
]
WHOLE, PARTS = "batch.micro_batch_tokens=4096", "batch.micro_batch_tokens=40"
CLOSE = 1e-5


@pytest.mark.full
def test_cut_resumed_and_on_two_ranks(quick, tmp_path):
    """The same weights to rounding in parts, to the bit when resumed; both ranks take the same steps.

    That two ranks weigh what one does is held for every loss in tests/step/test_composed.py: not here, where the HF
    engine draws other texts for another batch.
    """
    places = {name: [*STEPS, f"algo={name}", WHOLE, *DDP] for name in names()}
    moved, counts = 0, []  # of the last step's micro-batches: where little has an advantage, there is little to cut
    both = launch(quick, tmp_path / "ranks", places)
    for name in names():
        every = [*STEPS, f"algo={name}", "callbacks.checkpoint.every_n_rollouts=1"]
        cfg = quick(*every, WHOLE)
        whole = fit(cfg)
        assert whole.trainer.global_step == 3, name
        assert whole.trainer.accumulate_grad_batches == 1, name
        newest, _ = CheckpointStore(Path(cfg.paths.run_dir) / "checkpoints").newest()
        assert torch.equal(weights(fit(quick(*every, WHOLE), str(newest))), weights(whole)), name
        cut = fit(quick(*every, PARTS))
        counts.append(cut.trainer.accumulate_grad_batches)
        assert float((weights(cut) - weights(whole)).abs().max()) < CLOSE, name
        assert bool(torch.isfinite(weights(whole)).all()), name
        first, second = both[name].ranks
        assert [step["weights"] for step in first] == [step["weights"] for step in second], name
        moved += len({tuple(step["weights"]) for step in first}) > 1
        assert len(first) == 3, name
        assert bool(torch.isfinite(both[name].weights).all()), name
    assert max(counts) >= 4, counts
    assert moved > 0.8 * len(names())
