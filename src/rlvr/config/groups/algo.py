"""`configs/algo/`: which problems may update the policy, and how."""

from typing import ClassVar, Literal

from rlvr.config.groups.loss import Loss
from rlvr.config.keys import Built, Group, key


class Filter(Built):
    """Which problems may update the policy."""

    like: ClassVar[str] = "rlvr.algo.Filter"
    name: str = key("what tables call it")
    refill: bool = key("draw further problems until the batch is full again")
    max_rounds: int = key("rounds of drawing before the step goes on with what there is", low=1)


class Plain(Filter):
    """Every problem."""


class SELF(Filter):
    """Problems whose greedy answer is wrong."""


class Dynamic(Filter):
    """Problems with both right and wrong rollouts."""


class ZeroSuccess(Filter):
    """Problems that no rollout solved."""


class MaskEasy(Filter):
    """All problems but those that most rollouts solved."""

    from_rate: float = key("success rate from which a problem is dropped", above=0, high=1)


class RateWeight(Filter):
    """Every problem, weighed by its success rate p."""

    right: float = key("exponent of p", low=0)
    wrong: float = key("exponent of 1 - p", low=0)


class BBG(Filter):
    """Problems with a large enough part of the marginal gain in Pass@k."""

    k: int = key("the k of the Pass@k that is to grow", low=1)
    tau: float = key("smallest part of the gain, summed over all success counts, that lets a problem through", low=0)
    weighting: Literal["gate", "share", "share_uncapped"] = key(
        "gate: what passes weighs 1; share: its gain over that of one right rollout, at most 1; share_uncapped: any"
    )


class BBGPosterior(BBG):
    """BBG that also counts a problem's earlier groups."""

    discount: float = key("what a group counts at the problem's next visit; 0: BBG", low=0, high=1)


class RetireSolved(Filter):
    """All problems but those that all rollouts solved lately."""

    epochs: int = key("passes over the pool that a solved problem is left out of", low=1)


class Shaping(Built):
    """What a reward becomes before the advantage; what counts as right stays."""

    like: ClassVar[str] = "rlvr.algo.shaping.Shaping"
    name: str = key("what tables call it")


class Overlong(Shaping):
    """Lowers the reward of answers near the length limit."""

    buffer: float = key("part of the limit over which the penalty grows", above=0, high=1)
    penalty: float = key("at the limit", above=0)


class LengthPenalty(Shaping):
    """Lowers the reward of long right answers."""

    coefficient: float = key("what a right answer as long as the limit loses", above=0)


class Unlikeliness(Shaping):
    """Lowers the reward of likely right answers."""

    beta: float = key("part of its reward that the likeliest answer loses", above=0, high=1)


class GRPOLambda(Shaping):
    """Lowers the reward of long right answers where most answers are right."""

    share: float = key("part of the selected groups that are penalised", above=0, high=1)
    coefficient: float = key("what a right answer as long as the limit loses", above=0)


class SelfAligned(Shaping):
    """Raises the reward of answers that are likelier after their question than without it."""

    coefficient: float = key("what an answer gains that could not be without its question", above=0)


class Selection(Built):
    """Which tokens are learned from."""

    like: ClassVar[str] = "rlvr.algo.token_weights.Selection"
    name: str = key("what tables call it")


class HighEntropy(Selection):
    """The tokens at which the policy's entropy is highest."""

    share: float = key("of each completion's tokens", above=0, high=1)


class MaskTruncated(Selection):
    """All tokens but those of completions that the token limit ended."""


class ClipCov(Selection):
    """All tokens but a few with a large covariance of advantage and log-probability."""

    share: float = key("of the step's tokens that are left out", above=0, high=1)
    low: float = key("smallest covariance of a token that may be left out")
    high: float = key("largest")


class Correction(Built):
    """Weights by the ratio of the trainer's to the engine's probability, for engines that compute differently."""

    like: ClassVar[str] = "rlvr.algo.tokens.TokenWeight"
    level: Literal["token", "sequence"] = key("one ratio a token, or one a sequence")
    cap: float = key("largest weight", above=0)
    beyond: Literal["truncate", "mask"] = key("what happens to ratios above the cap: cut to it, or left out")


class Auxiliary(Built):
    """A loss beside the surrogate, of every completion token of the selected problems."""

    like: ClassVar[str] = "rlvr.algo.auxiliary.Auxiliary"


class EntropyBonus(Auxiliary):
    """Rewards entropy."""

    coefficient: float = key("of the mean entropy, a nat", above=0)


class KL(Auxiliary):
    """Keeps the policy near a reference."""

    coefficient: float = key("of the mean divergence, a nat", above=0)
    estimator: Literal["k1", "k2", "k3"] = key("how a token's part is estimated")
    reset_every_n_steps: int | None = key(
        "optimizer steps after which the reference becomes the policy of then; null: it stays", low=1
    )


class Replay(Built):
    """Right answers of the base, drawn before training, to problems that are drawn and not sampled."""

    like: ClassVar[str] = "rlvr.algo.Replay"
    name: str = key("what tables call it")
    samples: int = key("answers of the base to each problem of the pool", low=1)
    temperature: float = key("at which they are drawn", above=0)


class SelfKL(Replay):
    """Raises the likelihood of these answers."""

    coefficient: float = key("of the mean loss of their tokens", above=0)


class DPHRL(Replay):
    """A divergence from the base on problems that it always solves, which are not sampled."""

    coefficient: float = key("of the mean loss of their tokens", above=0)
    divergence: Literal["forward", "js"] = key("which one")


class SIREN(Auxiliary):
    """Keeps the entropy inside the nucleus at its first value."""

    coefficient: float = key("of its squared distance, a square nat", above=0)
    top_p: float = key("probability that the nucleus holds", above=0, high=1)
    quantile: float = key("of a completion's entropies, above which tokens count", low=0, below=1)


class LpReg(Auxiliary):
    """Keeps unlikely tokens of wrong answers near the old policy without its noise."""

    coefficient: float = key("of the divergence, a nat", above=0)
    share: float = key("of the step's tokens with a negative advantage", above=0, high=1)
    min_p: float = key("of the likeliest token's probability, below which a token is noise", above=0, high=1)


class KLCov(Auxiliary):
    """Keeps tokens with the largest covariance of advantage and log-probability near their value at the rollout."""

    coefficient: float = key("of |log ratio|, a nat", above=0)
    share: float = key("of the step's tokens", above=0, high=1)


class Algo(Group):
    """The method: filter, loss, further terms, and the name of the pair."""

    filter: Filter = key("which problems may update the policy")
    loss: Loss = key("how they do")
    shaping: Shaping | None = key("what rewards become before they are compared", optional=True)
    token_weight: Selection | None = key("which tokens are learned from", optional=True)
    correction: Correction | None = key("for the engine's other kernels and rounding", optional=True)
    auxiliary: dict[str, Auxiliary] | None = key("losses beside the surrogate, by any name", optional=True)
    replay: Replay | None = key("stored answers that are learned from as well", optional=True)
    name: str = key("what tables call the published pair")
    pair: str = key("the filter+loss that `name` stands for; another pair is labelled by itself")
