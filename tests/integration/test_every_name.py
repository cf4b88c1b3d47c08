"""Every choice of `algo=`, three steps: on one rank and on two, in one micro-batch and in several, resumed or not.

The names are those of `configs/algo/`. All go through one process, and through one group of two.
"""

import pytest
import torch
from device_only import DeviceOnlyDDP
from test_training import fit, weights
from two_ranks import DDP, launch

from rlvr.build.catalogue import names
from rlvr.checkpoint import CheckpointStore

# Plain gradient descent: Adam would blow up rounding where a gradient is nearly 0. Two minibatches, so that ratios move.
SMALL = [
    *("model.steps=700", "eval.n=1", "eval.every_n_steps=100", "warmup_steps=0", "rollouts=2"),
    *("batch.minibatches_per_rollout=2", "callbacks.checkpoint.every_n_rollouts=1"),
    *("~optimizer", "+optimizer._target_=torch.optim.SGD", "+optimizer._partial_=true", "+optimizer.lr=0.02"),
]
