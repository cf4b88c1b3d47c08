"""Log-probabilities of sampled tokens under the policy."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from rlvr.algo.statistics import Statistic
from rlvr.rollout import base_of
from rlvr.scoring.attention import use_packed_attention
from rlvr.scoring.head import scoring_head
from rlvr.scoring.packing import MicroBatch


class Scores(NamedTuple):
    """What the policy says of completions.

    Attributes:
        logp_BT: Log-probability of every completion token, differentiable in the policy's weights; fp32.
        entropy_BT: Entropy of the distribution that the token was drawn from, in nats; differentiable when asked for.
        statistic_BT: Statistics of it that were asked for.
    """

    logp_BT: Tensor
    entropy_BT: Tensor
    statistic_BT: Mapping[Statistic, Tensor]


def completion_logps(
    policy: Any,
    batch: MicroBatch,
    temperature: float,
    entropy_gradient: bool = False,
    statistics: Sequence[Statistic] = (),
) -> Scores:
    """Score every completion token; logits are made for these only, a chunk at a time.

    Args:
        policy: Decoder-only Hugging Face model, or one wrapped by peft.
        batch: Packed completions.
        temperature: The sampling temperature, by which the logits are divided as they were in sampling.
        entropy_gradient: Whether the entropies are differentiable, too.
        statistics: What else is wanted of the distributions, see `algo.statistics`.

    Returns:
        All 0 where `mask_BT` is 0.
    """
    model = base_of(policy)
    use_packed_attention(model)
    hidden_1NH = model.get_decoder()(
        input_ids=batch.token_N[None],
        position_ids=batch.position_N[None],
        attention_mask=batch.token_N.new_zeros(1, 1, 1, 1),  # of four dimensions, so that no mask is made of it
        rows=batch.rows,
        use_cache=False,
    ).last_hidden_state
    hidden_MH = hidden_1NH[0].index_select(0, batch.before_M)
    mask_BT = batch.mask_BT.bool()
    logp_BT, entropy_BT, *further = (
        score_M.new_zeros(mask_BT.shape).masked_scatter(mask_BT, score_M)
        for score_M in scoring_head(model)(hidden_MH, batch.target_M, temperature, entropy_gradient, statistics)
    )
    return Scores(logp_BT, entropy_BT, dict(zip(statistics, further, strict=True)))
