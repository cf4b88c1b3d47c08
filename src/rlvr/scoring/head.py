"""Log-probabilities of given tokens without ever holding [tokens, vocabulary] logits."""

from typing import Any

import torch
from torch import Tensor, nn

from rlvr.errors import ConfigError

# Logits held at a time. Larger is no faster; smaller starves the matrix product.
CHUNK_GIB = 0.25
# Settings of architectures that do something to their logits afterwards (Gemma 2, Cohere, Granite).
TRANSFORMED = ("final_logit_softcapping", "logit_scale", "logits_scaling")


class ChunkedLogps(torch.autograd.Function):
    """log softmax(h W^T / T)[token] for N hidden states, a chunk of them at a time.

    The forward pass keeps one number a token, the log of the normaliser; the backward pass makes each chunk's logits
    again. That is one matrix product more than the plain way, against memory traffic of several times N x V numbers.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden_NH: Tensor, weight_VH: Tensor, token_N: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities [N] and, without gradient, entropies [N] in nats, both in fp32."""
        # The parameter itself, not a saved tensor: under ZeRO-3 it is gathered anew before the backward pass.
        ctx.weight_VH, ctx.temperature, ctx.dtype = weight_VH, temperature, _compute_dtype(weight_VH)
        logp_N = torch.empty(len(hidden_NH), device=hidden_NH.device, dtype=torch.float32)
        norm_N, entropy_N = torch.empty_like(logp_N), torch.empty_like(logp_N)
        with torch.autocast(hidden_NH.device.type, enabled=False):
            hidden_NH, matrix_VH = hidden_NH.to(ctx.dtype), weight_VH.to(ctx.dtype)
            for part in _chunks(len(hidden_NH), len(weight_VH)):
                logits_CV = _scaled(hidden_NH[part] @ matrix_VH.T, temperature)
                norm_N[part] = torch.logsumexp(logits_CV, dim=-1)
                logp_CV = logits_CV.sub_(norm_N[part, None])
                logp_N[part] = logp_CV.gather(1, token_N[part, None])[:, 0]
                entropy_N[part] = -torch.linalg.vecdot(logp_CV.exp(), logp_CV)
        ctx.save_for_backward(hidden_NH, token_N, norm_N)
        ctx.mark_non_differentiable(entropy_N)
        return logp_N, entropy_N

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        """By d logp / d logits = (onehot - softmax) / T."""
        hidden_NH, token_N, norm_N = ctx.saved_tensors
        matrix_VH = ctx.weight_VH.to(ctx.dtype)
        scaled_N1 = (grads[0] / ctx.temperature)[:, None]
        grad_hidden_NH = torch.empty_like(hidden_NH)
        # Summed over chunks, so in fp32 whatever the products are made in.
        grad_weight_VH = torch.zeros_like(matrix_VH, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        for part in _chunks(len(hidden_NH), len(matrix_VH)):
            softmax_CV = _scaled(hidden_NH[part] @ matrix_VH.T, ctx.temperature).sub_(norm_N[part, None]).exp_()
            grad_CV = softmax_CV.mul_(-scaled_N1[part]).scatter_add_(1, token_N[part, None], scaled_N1[part])
            grad_CV = grad_CV.to(ctx.dtype)
            grad_hidden_NH[part] = grad_CV @ matrix_VH
            if grad_weight_VH is not None:
                grad_weight_VH += grad_CV.T @ hidden_NH[part]
        return grad_hidden_NH, None if grad_weight_VH is None else grad_weight_VH.to(ctx.weight_VH.dtype), None, None


class ScoringHead(nn.Linear):
    """An output head that can also score given tokens, so that a policy need not return its logits."""

    def forward(self, hidden: Tensor, token_N: Tensor | None = None, temperature: float = 1.0) -> Any:
        """Logits, as generation wants them; or, given the tokens [N] that follow hidden [N, H], their logps [N] and
        the entropies [N]."""
        if token_N is None:
            return super().forward(hidden)
        return ChunkedLogps.apply(hidden, self.weight, token_N, temperature)


def scoring_head(model: Any) -> ScoringHead:
    """Let the model's own output head score: the same module and parameters, no copy.

    Raises:
        ConfigError: When logits are more than hidden states times a matrix.
    """
    head = model.get_output_embeddings()
    if type(head) is nn.Linear and head.bias is None and not any(getattr(model.config, n, None) for n in TRANSFORMED):
        head.__class__ = ScoringHead
    if type(head) is not ScoringHead:
        raise ConfigError(f"model: the logits of {type(model).__name__} are more than hidden states times a matrix.")
    return head


def _compute_dtype(weight: Tensor) -> torch.dtype:
    """What the plain matrix product would be made in."""
    device = weight.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype


def _scaled(logits: Tensor, temperature: float) -> Tensor:
    return logits.float() if temperature == 1 else logits.float().div_(temperature)


def _chunks(rows: int, vocabulary: int) -> list[slice]:
    """Rows in parts of equal size whose fp32 logits fit into `CHUNK_GIB`."""
    most = max(1, int(CHUNK_GIB * 2**30 / 4 / vocabulary))
    count = -(-rows // most)
    size = -(-rows // count) if count else 1
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
