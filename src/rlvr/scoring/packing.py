"""From training samples to packed micro-batches: what the LightningModule gets to see."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlvr.algo import Tokens
from rlvr.algo.choices import Chooses
from rlvr.algo.statistics import Statistic
from rlvr.scoring.attention import Rows
from rlvr.speed.flops import Passed
from rlvr.step.samples import Stream, TrainingSample

# Rows of attention have at least this part of the longest beside them, or miss no more than so many tokens: 3 % of
# padding at a real run's lengths (benchmarks/scale.py), and few calls where all rows are short.
SIMILAR, FEW = 0.88, 8


class MicroBatch:
    """B completions, packed: N tokens without padding, M of the hidden states predict a token that is trained.

    Not a dataclass on purpose: Lightning's precision plugins reach into those and cast what they find, and weights
    and log-probabilities must stay in fp32 whatever the policy computes in.

    Attributes:
        token_N: Prompts, each once, and completions, each less its last token, which predicts nothing.
        position_N: Position of each in its sequence.
        rows: How attention sees them.
        before_M: For every trained completion token the index of the token before it.
        target_M: The trained completion tokens, sequence by sequence.
        mask_BT: 1 for completion tokens that are trained; M of them.
        engine_logp_BT: Log-probabilities under the engine that sampled.
        advantage_BT: Advantages.
        weight_BT: Weights of the tokens' surrogates in the loss, or of stored answers' losses.
        auxiliary_weight_BT: Weights of the tokens in auxiliary terms.
        stored: How many of the B, the last ones, are stored answers.
        old_logp_BT: Log-probabilities before the first update on this rollout batch, or None while the policy is
            still the one that sampled (then the ratio is 1 exactly and no extra pass is needed).
        reference_logp_BT: Log-probabilities under a reference policy, where the method has one.
        version: Policy version that sampled.
        chosen_BT: 1 for tokens that a term has chosen, by the term.
        statistic_BT: Statistics of the old policy, where `old_logp_BT` is known.
    """

    def __init__(
        self,
        token_N: Tensor,
        position_N: Tensor,
        rows: Rows,
        before_M: Tensor,
        target_M: Tensor,
        mask_BT: Tensor,
        engine_logp_BT: Tensor,
        advantage_BT: Tensor,
        weight_BT: Tensor,
        auxiliary_weight_BT: Tensor,
        version: int,
        old_logp_BT: Tensor | None = None,
        reference_logp_BT: Tensor | None = None,
        stored: int = 0,
        chosen_BT: Mapping[Chooses, Tensor] | None = None,
        statistic_BT: Mapping[Statistic, Tensor] | None = None,
    ) -> None:
        self.token_N = token_N
        self.position_N = position_N
        self.rows = rows
        self.before_M = before_M
        self.target_M = target_M
        self.mask_BT = mask_BT
        self.engine_logp_BT = engine_logp_BT
        self.advantage_BT = advantage_BT
        self.weight_BT = weight_BT
        self.auxiliary_weight_BT = auxiliary_weight_BT
        self.version = version
        self.old_logp_BT = old_logp_BT
        self.reference_logp_BT = reference_logp_BT
        self.stored = stored
        self.chosen_BT = chosen_BT or {}
        self.statistic_BT = statistic_BT or {}

    @property
    def passed(self) -> Passed:
        """What goes through the policy; waits for the device that the batch is on."""
        return Passed(len(self.token_N), len(self.target_M), int((self.position_N + 1).sum()))

    def with_old(self, old_logp_BT: Tensor, statistic_BT: Mapping[Statistic, Tensor] | None = None) -> "MicroBatch":
        """The same batch with what the old policy says of it."""
        return MicroBatch(**{**vars(self), "old_logp_BT": old_logp_BT, "statistic_BT": statistic_BT})

    def with_reference(self, reference_logp_BT: Tensor) -> "MicroBatch":
        """The same batch with a reference policy's log-probabilities, those of stored answers as they were stored."""
        if self.reference_logp_BT is not None and self.stored:
            last = len(reference_logp_BT) - self.stored
            reference_logp_BT = torch.cat([reference_logp_BT[:last], self.reference_logp_BT[last:]])
        return MicroBatch(**{**vars(self), "reference_logp_BT": reference_logp_BT})

    def tokens(
        self, logp_BT: Tensor, entropy_BT: Tensor, statistic_BT: Mapping[Statistic, Tensor] | None = None
    ) -> Tokens:
        """What the objective sees, given what the policy says of the completions."""
        return Tokens(
            logp_BT=logp_BT,
            entropy_BT=entropy_BT,
            old_logp_BT=logp_BT.detach() if self.old_logp_BT is None else self.old_logp_BT,
            engine_logp_BT=self.engine_logp_BT,
            advantage_BT=self.advantage_BT,
            weight_BT=self.weight_BT,
            auxiliary_weight_BT=self.auxiliary_weight_BT,
            mask_BT=self.mask_BT,
            reference_logp_BT=self.reference_logp_BT,
            stored=self.stored,
            statistic_BT={**(statistic_BT or {}), **self.statistic_BT},
            chosen_BT=self.chosen_BT,
        )

    def to(self, device: torch.device, non_blocking: bool = False) -> "MicroBatch":
        """The same batch on `device`; Lightning calls this."""

        def moved(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {key: moved(each) for key, each in value.items()}
            return value.to(device, non_blocking=non_blocking) if isinstance(value, Tensor | Rows) else value

        return MicroBatch(**{name: moved(value) for name, value in vars(self).items()})


def packed(samples: Sequence[TrainingSample], version: int) -> MicroBatch:
    """Pack completions, in the order given but for stored answers, which come last. None: a single token that is scored
    but counts nowhere, so that the policy is part of the autograd graph."""
    if not samples:
        index, zero = torch.zeros(1, dtype=torch.long), torch.zeros(1, 1)
        rows = Rows((index[None],), index)
        return MicroBatch(index, index, rows, index, index, index[None], zero, zero, zero, zero, version, None, zero)
    samples = sorted(samples, key=attrgetter("stored"))
    tokens, place_B3 = _laid_out(samples)
    prompt_B1, length_B1, own_B1 = place_B3[:, :, None].unbind(1)
    size_B1 = torch.tensor([[len(sample.problem.prompt_ids)] for sample in samples])
    # Column c of a row is a prompt token as long as there are any, then one of the completion's own.
    column_S = torch.arange(int((size_B1 + length_B1).max()) - 1)
    index_BS = torch.where(column_S < size_B1, prompt_B1 + column_S, own_B1 + column_S - size_B1)
    real_BS = column_S < size_B1 + length_B1 - 1
    position_N = torch.empty(len(tokens), dtype=torch.long)
    position_N[index_BS[real_BS]] = column_S.expand_as(index_BS)[real_BS]
    written_BT = torch.arange(int(length_B1.max())) < length_B1
    before_M = index_BS[real_BS & (column_S >= size_B1 - 1)]
    target_M = _tensor((sample.completion.token_ids for sample in samples), np.int64)
    mask_BT = written_BT
    if any(sample.completion.trainable for sample in samples):
        trained_M = torch.cat([_trainable(sample) for sample in samples])
        mask_BT = torch.zeros_like(written_BT).masked_scatter(written_BT, trained_M)
        before_M, target_M = before_M[trained_M], target_M[trained_M]

    def laid_out(values_M: Tensor) -> Tensor:
        return torch.zeros(written_BT.shape).masked_scatter(written_BT, values_M) * mask_BT

    def stream(values_B: Sequence[Stream]) -> Tensor:
        if any(isinstance(value, Tensor) for value in values_B):
            each = zip(values_B, length_B1[:, 0].tolist(), strict=True)
            return laid_out(torch.cat([torch.as_tensor(value).expand(length) for value, length in each]))
        return torch.tensor(values_B)[:, None] * mask_BT

    choosers = dict.fromkeys(chain.from_iterable(sample.chosen for sample in samples))
    return MicroBatch(
        token_N=_tensor([tokens], np.int64),
        position_N=position_N,
        rows=_rows(index_BS, real_BS, len(tokens)),
        before_M=before_M,
        target_M=target_M,
        mask_BT=mask_BT.long(),
        engine_logp_BT=laid_out(_tensor((sample.completion.logps for sample in samples), np.float32)),
        advantage_BT=stream([sample.advantage for sample in samples]),
        weight_BT=stream([sample.weight for sample in samples]),
        auxiliary_weight_BT=stream([sample.auxiliary_weight for sample in samples]),
        version=version,
        reference_logp_BT=_references(samples, laid_out),
        stored=sum(sample.stored for sample in samples),
        chosen_BT={term: stream([sample.chosen.get(term, 0.0) for sample in samples]) for term in choosers},
    )


def _references(samples: Sequence[TrainingSample], laid_out: Callable[[Tensor], Tensor]) -> Tensor | None:
    """0 for samples that bring none; None where none does."""
    references = [sample.reference_logp_T for sample in samples]
    if all(reference is None for reference in references):
        return None
    pairs = zip(samples, references, strict=True)
    return laid_out(torch.cat([torch.zeros(s.completion_tokens) if r is None else r for s, r in pairs]))


def _tensor(parts: Iterable[Sequence[float]], dtype: type) -> Tensor:
    """All their numbers end to end; by numpy, which reads Python's numbers three times as fast as torch."""
    return torch.from_numpy(np.fromiter(chain.from_iterable(parts), dtype))


def _trainable(sample: TrainingSample) -> Tensor:
    trainable, tokens = sample.completion.trainable, len(sample.completion.token_ids)
    return torch.ones(tokens, dtype=torch.bool) if trainable is None else torch.tensor(trainable)


def _laid_out(samples: Sequence[TrainingSample]) -> tuple[list[int], Tensor]:
    """The packed tokens; for every sample where its prompt starts, its completion's length, where that starts."""
    tokens: list[int] = []
    prompts: dict[str, int] = {}
    places: list[tuple[int, int, int]] = []
    for sample in samples:
        completion = sample.completion.token_ids
        if sample.problem.id not in prompts:
            prompts[sample.problem.id] = len(tokens)
            tokens += sample.problem.prompt_ids
        places.append((prompts[sample.problem.id], len(completion), len(tokens)))
        tokens += completion[:-1]  # the last one predicts nothing
    return tokens, torch.tensor(places)


def _rows(index_BS: Tensor, real_BS: Tensor, tokens: int) -> Rows:
    """Rows of similar length together, and the way back."""
    size_B, order_B = real_BS.sum(dim=1).sort(descending=True, stable=True)
    tables: list[Tensor] = []
    back_N = torch.empty(tokens, dtype=torch.long)
    flat = 0
    for part in _similar(size_B.tolist()):
        rows, width = order_B[part], int(size_B[part.start])
        table, real = index_BS[rows, :width], real_BS[rows, :width]
        place = torch.arange(flat, flat + table.numel()).view_as(table)
        # By numpy, where of several rows with the same prompt token the last one counts, always.
        back_N.numpy()[table[real].numpy()] = place[real]
        # Padding may be any token; on a GPU gradients of thousands that are all the same one would wait for each other.
        tables.append(table.where(real, place % tokens))
        flat += table.numel()
    return Rows(tuple(tables), back_N)


def _similar(longest_first: list[int]) -> Iterator[slice]:
    """Parts of the rows in which none is much shorter than the first."""
    start = 0
    for index, size in enumerate(longest_first):
        if size < min(SIMILAR * longest_first[start], longest_first[start] - FEW):
            yield slice(start, index)
            start = index
    yield slice(start, len(longest_first))
