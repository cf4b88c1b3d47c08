"""The methods, as pure functions on tensors. Read one beside its paper."""

from rlvr.algo.advantages import Outcomes
from rlvr.algo.auxiliary import Auxiliary, EntropyBonus, Remembers
from rlvr.algo.choices import Chooses
from rlvr.algo.correction import Correction
from rlvr.algo.covariance import ClipCov, KLCov
from rlvr.algo.filters import BBG, SELF, Dynamic, Filter, MaskEasy, RateWeight, SolvedGreedily, ZeroSuccess
from rlvr.algo.loss import Loss
from rlvr.algo.low_probability import LpReg
from rlvr.algo.objective import Objective
from rlvr.algo.reference import DPHRL, KL, Replay, SelfKL
from rlvr.algo.remembering import BBGPosterior, RetireSolved
from rlvr.algo.shaping import GRPOLambda, LengthPenalty, Overlong, ReadsStandalone, SelfAligned, Shaping, Unlikeliness
from rlvr.algo.siren import SIREN
from rlvr.algo.statistics import MinPLogp, NucleusEntropy, Statistic
from rlvr.algo.token_weights import HighEntropy, MaskTruncated, Selection
from rlvr.algo.tokens import Sums, Tokens, TokenWeight

__all__ = [
    "BBG",
    "DPHRL",
    "KL",
    "SELF",
    "SIREN",
    "Auxiliary",
    "BBGPosterior",
    "Chooses",
    "ClipCov",
    "Correction",
    "Dynamic",
    "EntropyBonus",
    "Filter",
    "GRPOLambda",
    "HighEntropy",
    "KLCov",
    "LengthPenalty",
    "Loss",
    "LpReg",
    "MaskEasy",
    "MaskTruncated",
    "MinPLogp",
    "NucleusEntropy",
    "Objective",
    "Outcomes",
    "Overlong",
    "RateWeight",
    "ReadsStandalone",
    "Remembers",
    "Replay",
    "RetireSolved",
    "Selection",
    "SelfAligned",
    "SelfKL",
    "Shaping",
    "SolvedGreedily",
    "Statistic",
    "Sums",
    "TokenWeight",
    "Tokens",
    "Unlikeliness",
    "ZeroSuccess",
]
