"""`configs/algo/loss/`: how rollouts update the policy."""

from typing import ClassVar, Literal

from rlvr.config.keys import Built, Group, key


class Advantage(Built):
    """Turns the rewards of a group into advantages."""

    called_later: ClassVar[bool] = True
    called_with: ClassVar[tuple[str, ...]] = ("outcomes",)


class GroupNormalised(Advantage):
    """The reward less the group's mean, over its standard deviation."""

    eps: float = key("added to the standard deviation", low=0, optional=True)


class Centred(Advantage):
    """The reward less the group's mean."""


class Signed(Advantage):
    """One advantage for right rollouts and one for wrong ones."""

    right: float = key("advantage of right rollouts", low=0)
    wrong: float = key("advantage of wrong rollouts", high=0)


class RLOO(Advantage):
    """The reward less the mean of the group's others."""


class NGRPO(Advantage):
    """The normalised reward, with one more reward of 1 in each group."""

    eps: float = key("added to the standard deviation", low=0, optional=True)


class AsymRE(Advantage):
    """The reward less a baseline below the group's mean."""

    delta: float = key("what the baseline is moved by", below=0)


class DiffSmooth(Advantage):
    """The normalised reward, raised for an unlikely right answer and lowered for an unlikely wrong one."""

    smoothing: float = key("what a nat of mean log-probability counts", above=0)
    eps: float = key("added to the standard deviation", low=0, optional=True)


class ReinforcePP(Advantage):
    """The reward less the group's mean, whitened over the batch's tokens."""

    eps: float = key("added to the variance", low=0, optional=True)


class LitePPO(Advantage):
    """The reward less the group's mean, over the batch's standard deviation."""

    eps: float = key("added to the standard deviation", low=0, optional=True)


class PassK(Advantage):
    """The reward that k rollouts of the group get together."""

    k: int = key("the k of Pass@k, below batch.group_size", low=1)
    eps: float = key("added to the standard deviation", low=0, optional=True)


class PKPO(Advantage):
    """What a right answer adds to Pass@k."""

    k: int = key("the k of Pass@k, at most batch.group_size", low=1)


class MaxRL(Advantage):
    """The reward less the group's mean, over the success rate."""

    eps: float = key("added to the success rate", low=0, optional=True)


class NFTRate(Advantage):
    """The success rate, encoded so that NFT's surrogate can read it."""

    floor: float = key("smallest rate, and smallest rest", above=0, below=0.5)


class Surrogate(Built):
    """The objective of a token or of a sequence."""

    called_later: ClassVar[bool] = True
    called_with: ClassVar[tuple[str, ...]] = ("logp_BT", "old_logp_BT", "advantage_BT", "mask_BT")


class Reinforce(Surrogate):
    """No ratio, no clip."""


class Unclipped(Surrogate):
    """The ratio, however large."""


class Clipped(Surrogate):
    """A surrogate that clips a ratio."""

    clip_low: float = key("the ratio may fall by this much", above=0, high=1)
    clip_high: float = key("the ratio may rise by this much", above=0)


class PPOClip(Clipped):
    """One ratio a token."""

    dual_clip: float | None = key(
        "bounds the loss of negative advantages at this many times them; null: no bound", above=1, optional=True
    )


class GSPOClip(Clipped):
    """One ratio a sequence."""


class GMPO(Surrogate):
    """The geometric mean of a sequence's ratios."""

    clip: float = key("a token's log ratio may move by this much", above=0)


class NFT(Surrogate):
    """Likelihood of right answers, and of wrong ones under the rest."""


class CISPO(Surrogate):
    """A clipped ratio as a weight."""

    clip_low: float | None = key("the weight may fall by this much below 1; null: no bound", above=0, high=1)
    clip_high: float = key("the weight may rise by this much above 1", above=0)


class TOPR(Surrogate):
    """A ratio of at most 1 as a weight, of negative advantages only."""


class ASPO(Clipped):
    """The ratio as a weight, inverted for positive advantages."""

    cap: float = key("largest weight", above=1)


class Aggregation(Built):
    """What a batch's loss is divided by."""

    called_later: ClassVar[bool] = True
    called_with: ClassVar[tuple[str, ...]] = ("advantage_PG", "length_PG", "max_tokens")
    over: Literal["live", "nonzero", "all"] = key(
        "live: all completions of groups with gradient count; nonzero: those with gradient; all: of selected groups"
    )


class TokenMean(Aggregation):
    """Divides by the number of tokens."""


class SequenceMean(Aggregation):
    """Divides by the number of each sequence's tokens, then by the number of sequences."""


class ConstantLength(Aggregation):
    """Divides by the number of sequences times the longest possible completion."""


class Signs(Group):
    """What advantages of each sign are multiplied by; 0 leaves them out."""

    positive: float = key("factor of advantages above 0", low=0)
    negative: float = key("factor of advantages below 0", low=0)


class Loss(Built):
    """Advantage, sign, surrogate and aggregation."""

    like: ClassVar[str] = "rlvr.algo.Loss"
    name: str = key("what tables call it")
    advantage: Advantage = key("rewards of a group to advantages")
    signs: Signs = key("what advantages of each sign are multiplied by")
    surrogate: Surrogate = key("the objective of a token")
    aggregation: Aggregation = key("what the loss is divided by")
    min_group: int = key("smallest batch.group_size at which the advantage is defined", low=1)
