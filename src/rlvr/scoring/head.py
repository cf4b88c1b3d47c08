"""Log-probabilities of given tokens without ever holding [tokens, vocabulary] logits."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from rlvr.algo.statistics import NucleusEntropy, Statistic
from rlvr.errors import ConfigError
from rlvr.scoring.renormalised import LOG_ZERO, floor_of, slope_of, value_of

# Logits held at a time. Larger is no faster; smaller starves the matrix product.
CHUNK_GIB = 0.25
# Settings of architectures that change their logits after the matrix product (Gemma 2, Cohere, Granite).
TRANSFORMED = ("final_logit_softcapping", "logit_scale", "logits_scaling")


class ChunkedLogps(torch.autograd.Function):
    """log softmax(h W^T / T)[token] and the softmax's entropy for N hidden states, a chunk of them at a time.

    The forward pass keeps one number a token, the log of the normaliser; the backward pass makes each chunk's logits
    again. That is one matrix product more than the plain way, against memory traffic of several times N x V numbers.
    The entropy's gradient needs a second number a token and a second chunk, and is made only when asked for, as are
    statistics: a nucleus' entropy keeps two numbers a token and finds its tokens by the least likely of them.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden_NH: Tensor,
        weight_VH: Tensor,
        token_N: Tensor,
        temperature: float,
        entropy_gradient: bool,
        statistics: Sequence[Statistic] = (),
    ) -> tuple[Tensor, ...]:
        """Log-probabilities, entropies and statistics [N] in nats; all in fp32, or in fp64 where the weights are."""
        # The parameter itself, not a saved tensor: under ZeRO-3 it is gathered anew before the backward pass.
        ctx.weight_VH, ctx.temperature, ctx.dtype = weight_VH, temperature, _compute_dtype(weight_VH)
        logp_N = torch.empty(len(hidden_NH), device=hidden_NH.device, dtype=_sum_dtype(ctx.dtype))
        norm_N, entropy_N = torch.empty_like(logp_N), torch.empty_like(logp_N)
        floors, values = ([torch.empty_like(logp_N) for _ in statistics] for _ in range(2))
        with torch.autocast(hidden_NH.device.type, enabled=False):
            hidden_NH, matrix_VH = hidden_NH.to(ctx.dtype), weight_VH.to(ctx.dtype)
            for part in _chunks(len(hidden_NH), len(weight_VH)):
                logits_CV = _scaled(hidden_NH[part] @ matrix_VH.T, temperature)
                norm_N[part] = torch.logsumexp(logits_CV, dim=-1)
                logp_CV = logits_CV.sub_(norm_N[part, None])
                logp_N[part] = logp_CV.gather(1, token_N[part, None])[:, 0]
                for statistic, floor_N, value_N in zip(statistics, floors, values, strict=True):
                    floor_N[part] = floor_of(statistic, logp_CV)
                    value_N[part] = value_of(statistic, logp_CV, token_N[part], floor_N[part])
                if entropy_gradient:
                    logp_CV.clamp_(min=LOG_ZERO)
                entropy_N[part] = -torch.linalg.vecdot(logp_CV.exp(), logp_CV)
        ctx.entropy_gradient = entropy_gradient
        ctx.nuclei = [index for index, one in enumerate(statistics) if isinstance(one, NucleusEntropy)]
        kept = [tensor for index in ctx.nuclei for tensor in (floors[index], values[index])]
        ctx.save_for_backward(hidden_NH, token_N, norm_N, *([entropy_N] if entropy_gradient else []), *kept)
        fixed = [value for index, value in enumerate(values) if index not in ctx.nuclei]
        ctx.mark_non_differentiable(*([] if entropy_gradient else [entropy_N]), *fixed)
        return logp_N, entropy_N, *values

    # Autograd takes the saved normaliser for a constant, so a second derivative would be wrong: it is refused.
    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None, None, None, None]:
        """By d logp / d logits = (onehot - p) / T and d entropy / d logits = -p (log p + entropy) / T."""
        hidden_NH, token_N, norm_N, *kept = ctx.saved_tensors
        entropy = [kept.pop(0)] if ctx.entropy_gradient else []
        nuclei = [
            (kept[2 * place], kept[2 * place + 1], grads[2 + index] / ctx.temperature)
            for place, index in enumerate(ctx.nuclei)
        ]
        matrix_VH = ctx.weight_VH.to(ctx.dtype)
        from_logp_N1 = (grads[0] / ctx.temperature)[:, None]
        if entropy:
            from_entropy_N1, entropy_N1 = (grads[1] / ctx.temperature)[:, None], entropy[0][:, None]
        grad_hidden_NH = torch.empty_like(hidden_NH)
        # Summed over chunks, so in fp32 whatever the products are made in.
        grad_weight_VH = torch.zeros_like(matrix_VH, dtype=norm_N.dtype) if ctx.needs_input_grad[1] else None
        for part in _chunks(len(hidden_NH), len(matrix_VH)):
            logp_CV = _scaled(hidden_NH[part] @ matrix_VH.T, ctx.temperature).sub_(norm_N[part, None])
            from_nuclei = [
                slope_of(inside_N[part], logp_CV, floor_N[part]).mul_(from_inside_N[part, None])
                for floor_N, inside_N, from_inside_N in nuclei
            ]
            if entropy:
                softmax_CV = logp_CV.exp()
                slope_CV = logp_CV.clamp_(min=LOG_ZERO).add_(entropy_N1[part]).mul_(-from_entropy_N1[part])
                grad_CV = slope_CV.sub_(from_logp_N1[part]).mul_(softmax_CV)
            else:
                grad_CV = logp_CV.exp_().mul_(-from_logp_N1[part])
            for slope_CV in from_nuclei:
                grad_CV += slope_CV
            grad_CV = grad_CV.scatter_add_(1, token_N[part, None], from_logp_N1[part]).to(ctx.dtype)
            grad_hidden_NH[part] = grad_CV @ matrix_VH
            if grad_weight_VH is not None:
                grad_weight_VH += grad_CV.T @ hidden_NH[part]
        grad_weight_VH = None if grad_weight_VH is None else grad_weight_VH.to(ctx.weight_VH.dtype)
        return grad_hidden_NH, grad_weight_VH, None, None, None, None


class ScoringHead(nn.Linear):
    """An output head that can also score given tokens, so that a policy need not return its logits."""

    def forward(
        self,
        hidden: Tensor,
        token_N: Tensor | None = None,
        temperature: float = 1.0,
        entropy_gradient: bool = False,
        statistics: Sequence[Statistic] = (),
    ) -> Any:
        """Score tokens; without tokens, make logits.

        Args:
            hidden: Hidden states [N, H]; of any leading shape where logits are wanted.
            token_N: The tokens that follow them; None for logits, as generation wants them.
            temperature: What the logits are divided by.
            entropy_gradient: Whether the entropies are differentiable, too.
            statistics: What else is wanted of the distributions, see `algo.statistics`.

        Returns:
            Log-probabilities [N] of the tokens, entropies [N] in nats and the statistics [N]; or logits [..., V].
        """
        if token_N is None:
            return super().forward(hidden)
        return ChunkedLogps.apply(hidden, self.weight, token_N, temperature, entropy_gradient, statistics)


def scoring_head(model: Any) -> ScoringHead:
    """Let the model's own output head score: the same module and parameters, no copy.

    Raises:
        ConfigError: When the logits are not just hidden states times a matrix.
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


def _sum_dtype(dtype: torch.dtype) -> torch.dtype:
    """What is summed over the vocabulary or over chunks: fp32 at least."""
    return torch.promote_types(dtype, torch.float32)


def _scaled(logits: Tensor, temperature: float) -> Tensor:
    logits = logits.to(_sum_dtype(logits.dtype))
    return logits if temperature == 1 else logits.div_(temperature)


def _chunks(rows: int, vocabulary: int) -> list[slice]:
    """Rows in parts of equal size whose fp32 logits fit into `CHUNK_GIB`."""
    most = max(1, int(CHUNK_GIB * 2**30 / 4 / vocabulary))
    count = -(-rows // most)
    size = -(-rows // count) if count else 1
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
