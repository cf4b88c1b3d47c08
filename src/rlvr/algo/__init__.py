"""The methods, as pure functions on tensors. Read one beside its paper."""

from rlvr.algo.advantages import Outcomes
from rlvr.algo.auxiliary import Auxiliary, EntropyBonus
from rlvr.algo.correction import Correction
from rlvr.algo.filters import BBG, SELF, Dynamic, Filter, MaskEasy, RateWeight, SolvedGreedily, ZeroSuccess
from rlvr.algo.loss import Loss
from rlvr.algo.objective import Objective
from rlvr.algo.remembering import BBGPosterior, RetireSolved
from rlvr.algo.shaping import GRPOLambda, LengthPenalty, Overlong, Shaping, Unlikeliness
from rlvr.algo.token_weights import HighEntropy, MaskTruncated, Selection
from rlvr.algo.tokens import Sums, Tokens, TokenWeight

__all__ = [
    "BBG",
    "SELF",
    "Auxiliary",
    "BBGPosterior",
    "Correction",
    "Dynamic",
    "EntropyBonus",
    "Filter",
    "GRPOLambda",
    "HighEntropy",
    "LengthPenalty",
    "Loss",
    "MaskEasy",
    "MaskTruncated",
    "Objective",
    "Outcomes",
    "Overlong",
    "RateWeight",
    "RetireSolved",
    "Selection",
    "Shaping",
    "SolvedGreedily",
    "Sums",
    "TokenWeight",
    "Tokens",
    "Unlikeliness",
    "ZeroSuccess",
]
