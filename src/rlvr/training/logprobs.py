"""Log-probabilities of sampled tokens under the policy."""

from typing import Any

from torch import Tensor

from rlvr.rollout import base_of
from rlvr.training.batch import MicroBatch
from rlvr.training.head import scoring_head


def completion_logps(policy: Any, batch: MicroBatch, temperature: float) -> Tensor:
    """Log-probability of every completion token, differentiable in the policy's weights.

    Logits are made for completion tokens only, a chunk at a time.

    Args:
        policy: Decoder-only Hugging Face model, or one wrapped by peft.
        batch: Prompts padded on the left, completions on the right, so the completion of each row starts in
            the same column.
        temperature: The sampling temperature, by which the logits are divided as they were in sampling.

    Returns:
        logp_BT in fp32, 0 where `mask_BT` is 0.
    """
    model = base_of(policy)
    width = batch.mask_BT.shape[1]
    hidden_BSH = model.get_decoder()(
        input_ids=batch.input_ids_BS,
        attention_mask=batch.attention_BS,
        position_ids=(batch.attention_BS.cumsum(1) - 1).clamp(min=0),
        use_cache=False,
    ).last_hidden_state
    mask_BT = batch.mask_BT.bool()
    # The state before a token predicts it.
    hidden_NH = hidden_BSH[:, -width - 1 : -1][mask_BT]
    logp_N = scoring_head(model)(hidden_NH, batch.input_ids_BS[:, -width:][mask_BT], temperature)
    return logp_N.new_zeros(mask_BT.shape).masked_scatter(mask_BT, logp_N)
