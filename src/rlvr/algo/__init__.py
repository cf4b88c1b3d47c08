"""Room 4: the methods, as pure functions on tensors. Read one beside its paper."""

from rlvr.algo.correction import Correction
from rlvr.algo.filters import BBG, SELF, Dynamic, Filter, MaskEasy, SolvedGreedily, ZeroSuccess
from rlvr.algo.loss import Loss

__all__ = ["BBG", "SELF", "Correction", "Dynamic", "Filter", "Loss", "MaskEasy", "SolvedGreedily", "ZeroSuccess"]
