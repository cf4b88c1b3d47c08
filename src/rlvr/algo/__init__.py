"""The methods, as pure functions on tensors. Read one beside its paper."""

from rlvr.algo.advantages import Outcomes
from rlvr.algo.auxiliary import Auxiliary, EntropyBonus
from rlvr.algo.correction import Correction
from rlvr.algo.filters import BBG, SELF, Dynamic, Filter, MaskEasy, SolvedGreedily, ZeroSuccess
from rlvr.algo.loss import Loss
from rlvr.algo.objective import Objective
from rlvr.algo.tokens import Sums, Tokens, TokenWeight

__all__ = [
    "BBG",
    "SELF",
    "Auxiliary",
    "Correction",
    "Dynamic",
    "EntropyBonus",
    "Filter",
    "Loss",
    "MaskEasy",
    "Objective",
    "Outcomes",
    "SolvedGreedily",
    "Sums",
    "TokenWeight",
    "Tokens",
    "ZeroSuccess",
]
