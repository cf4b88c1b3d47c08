"""Log-probabilities of sampled tokens under the policy."""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rlvr.training.batch import MicroBatch


def completion_logps(policy: PreTrainedModel, batch: MicroBatch, temperature: float) -> Tensor:
    """Log-probability of every completion token, differentiable in the policy's weights.

    Args:
        policy: Decoder-only model.
        batch: Prompts padded on the left, completions on the right, so the completion of each row starts in
            the same column and only T+1 positions need logits.
        temperature: The sampling temperature, by which the logits are divided as they were in sampling.

    Returns:
        logp_BT, 0 where `mask_BT` is 0.
    """
    width = batch.mask_BT.shape[1]
    logits_BTV = policy(
        input_ids=batch.input_ids_BS,
        attention_mask=batch.attention_BS,
        position_ids=(batch.attention_BS.cumsum(1) - 1).clamp(min=0),
        logits_to_keep=width + 1,
        use_cache=False,
    ).logits[:, :-1]
    logp_BTV = torch.log_softmax(logits_BTV.float() / temperature, dim=-1)
    token_BT = batch.input_ids_BS[:, -width:]
    return logp_BTV.gather(-1, token_BT[..., None])[..., 0] * batch.mask_BT
