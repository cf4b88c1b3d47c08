"""Log-probabilities of given tokens without ever holding [tokens, vocabulary] logits."""

from typing import Any

import torch
from torch import Tensor, nn

# Logits held at a time. Larger is no faster; smaller starves the matrix product.
CHUNK_GIB = 0.25


class ChunkedLogps(torch.autograd.Function):
    """log softmax(h W^T / T)[token] for N hidden states, a chunk of them at a time.

    The forward pass keeps one number a token, the log of the normaliser; the backward pass makes each chunk's logits
    again. That is one matrix product more than the plain way, against memory traffic of several times N x V numbers.
    """

    @staticmethod
    def forward(ctx: Any, hidden_NH: Tensor, weight_VH: Tensor, token_N: Tensor, temperature: float) -> Tensor:
        """Log-probabilities [N] in fp32."""
        logp_N = torch.empty(len(hidden_NH), device=hidden_NH.device, dtype=torch.float32)
        norm_N = torch.empty_like(logp_N)
        for part in _chunks(len(hidden_NH), len(weight_VH)):
            logits_CV = (hidden_NH[part] @ weight_VH.T).float().div_(temperature)
            norm_N[part] = torch.logsumexp(logits_CV, dim=-1)
            logp_N[part] = logits_CV.gather(1, token_N[part, None])[:, 0] - norm_N[part]
        ctx.save_for_backward(hidden_NH, token_N, norm_N)
        # The parameter itself, not a saved tensor: under ZeRO-3 it is gathered anew before the backward pass.
        ctx.weight_VH, ctx.temperature = weight_VH, temperature
        return logp_N

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        """D logp / d logits = (onehot - softmax) / T."""
        hidden_NH, token_N, norm_N = ctx.saved_tensors
        weight_VH, (grad_N,) = ctx.weight_VH, grads
        grad_hidden_NH = torch.empty_like(hidden_NH)
        grad_weight_VH = torch.zeros_like(weight_VH) if ctx.needs_input_grad[1] else None
        for part in _chunks(len(hidden_NH), len(weight_VH)):
            scaled_C1 = (grad_N[part] / ctx.temperature)[:, None]
            logits_CV = (hidden_NH[part] @ weight_VH.T).float().div_(ctx.temperature)
            grad_CV = logits_CV.sub_(norm_N[part, None]).exp_().mul_(-scaled_C1)
            grad_CV.scatter_add_(1, token_N[part, None], scaled_C1)
            grad_CV = grad_CV.to(weight_VH.dtype)
            grad_hidden_NH[part] = grad_CV @ weight_VH
            if grad_weight_VH is not None:
                grad_weight_VH.addmm_(grad_CV.T, hidden_NH[part])
        return grad_hidden_NH, grad_weight_VH, None, None


class ScoringHead(nn.Linear):
    """An output head that can also score given tokens, so that a policy need not return its logits."""

    def forward(self, hidden: Tensor, token_N: Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """Logits, as generation wants them; or, given the tokens [N] that follow hidden [N, H], their logps [N]."""
        if token_N is None:
            return super().forward(hidden)
        return ChunkedLogps.apply(hidden, self.weight, token_N, temperature)


def with_scoring_head(model: nn.Module) -> nn.Module:
    """Let the model's own head score: the same parameters, no copy.

    Raises:
        ValueError: When logits are more than hidden states times a matrix.
    """
    head = model.get_output_embeddings()  # type: ignore[operator]
    config: Any = model.config
    if type(head) is ScoringHead:
        return model
    if type(head) is not nn.Linear or head.bias is not None or getattr(config, "final_logit_softcapping", None):
        raise ValueError(f"The output head of {type(model).__name__} does more than a matrix product.")
    head.__class__ = ScoringHead
    return model


def _chunks(rows: int, vocabulary: int) -> list[slice]:
    """Rows in parts of equal size whose fp32 logits fit into `CHUNK_GIB`."""
    most = max(1, int(CHUNK_GIB * 2**30 / 4 / vocabulary))
    count = -(-rows // most)
    size = -(-rows // count) if count else 1
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
