"""Rollouts by transformers' own generation on the live weights: exactly on-policy, any decoder-only model."""

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel
from transformers.cache_utils import DynamicCache

from rlvr.rollout.attention import use_grouped_attention
from rlvr.rollout.cache import roomy_cache
from rlvr.rollout.engine import EngineError, Host, OnFinished, Sampling, call_seed, require_synced
from rlvr.rollout.weights import base_of
from rlvr.types import Completion, Problem

# Likeliest tokens among which a nucleus is looked for first: a tenth of the time of sorting a large vocabulary.
LIKELIEST = 1024


class LogpRecorder(LogitsProcessor):
    """Applies temperature and nucleus, and keeps the log-probability, before the nucleus, of every token sampled.

    Holds one [B, V] tensor at a time: the last step's, until the token chosen from it is known.
    """

    def __init__(self, temperature: float, top_p: float) -> None:
        self.temperature = temperature
        self.top_p = top_p
        self.logp_TB: list[Tensor] = []
        self._pending_BV: Tensor | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Called by `generate` before each token is drawn."""
        self._settle(input_ids[:, -1])
        scaled_BV = scores / self.temperature if self.temperature > 0 else scores
        self._pending_BV = torch.log_softmax(scaled_BV, dim=-1)
        return self._pending_BV if self.top_p == 1 else nucleus(self._pending_BV, self.top_p)

    def finish(self, last_token_B: Tensor) -> Tensor:
        """Log-probabilities [B, T] of all sampled tokens, given the last one of each row."""
        self._settle(last_token_B)
        return torch.stack(self.logp_TB, dim=1)

    def _settle(self, token_B: Tensor) -> None:
        if self._pending_BV is not None:
            self.logp_TB.append(self._pending_BV.gather(1, token_B[:, None])[:, 0])


class HFEngine:
    """A rollout engine that holds no weights of its own: it generates with the policy that is being trained.

    Prompts are padded on the left and run through the model once; their key-value cache is then shared out
    to the G completions.

    Args:
        host: A decoder-only policy on the device where it is to generate; its weights are not copied.
        max_tokens: Tokens of prompts and completions, padding included, that are generated side by side; bounds the
            key-value cache, and what an evaluation loses when it is killed.
    """

    def __init__(self, host: Host, max_tokens: int) -> None:
        policy, tokenizer = host.policy, host.tokenizer
        use_grouped_attention(base_of(policy))
        self.policy: PreTrainedModel = policy
        self.dtype = policy.dtype
        self.tokenizer = tokenizer
        self.autocast = host.autocast
        self.max_tokens = max_tokens
        self.context = int(base_of(policy).config.max_position_embeddings)
        self.version: int | None = None
        self._eos = eos_ids(policy, tokenizer)
        self._pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id

    def sync(self, version: int) -> None:
        """Stamp the version; the weights are the policy's own and need no copying."""
        self.version = version

    def sleep(self) -> None:
        """Nothing to give back."""

    def close(self) -> None:
        """Nothing to free."""

    def generate(
        self,
        problems: Sequence[Problem],
        n: int,
        sampling: Sampling,
        version: int,
        seed: int,
        on_finished: OnFinished | None = None,
        skip: Collection[int] = (),
    ) -> list[tuple[Completion, ...]]:
        """See `RolloutEngine.generate`."""
        require_synced(self.version, version)
        longest = max((len(problem.prompt_ids) for problem in problems), default=0)
        if longest >= self.context:
            raise EngineError(f"A prompt of {longest} tokens leaves no room in the context of {self.context} tokens.")
        training = self.policy.training
        self.policy.eval()
        per_call = max(1, self.max_tokens // (n * min(longest + sampling.max_new_tokens, self.context)))
        results: list[tuple[Completion, ...]] = []
        devices = [self.policy.device] if self.policy.device.type == "cuda" else []
        try:
            with torch.inference_mode(), torch.random.fork_rng(devices), self.autocast():
                # Ranks that sample different problems must not draw the same numbers.
                rank = dist.get_rank() if dist.is_initialized() else 0
                for start in range(0, len(problems), per_call):
                    indices = range(start, min(start + per_call, len(problems)))
                    if skip and all(index in skip for index in indices):
                        results += [()] * len(indices)
                        continue
                    # A stream of its own for each batch, which a skipped one before it must not change.
                    torch.manual_seed(call_seed(seed, rank, start))
                    results += self._generate_chunk(problems[start : start + per_call], n, sampling)
                    for index in indices:
                        if index in skip:
                            results[index] = ()
                        elif on_finished:
                            on_finished(index, results[index])
        finally:
            self.policy.train(training)
        return results

    def _generate_chunk(self, problems: Sequence[Problem], n: int, sampling: Sampling) -> list[tuple[Completion, ...]]:
        prompt_BS, mask_BS = self._left_padded([problem.prompt_ids for problem in problems])
        recorder = LogpRecorder(sampling.temperature, sampling.top_p)
        cache = self._shared_prefill(prompt_BS, mask_BS, n)
        # What follows the end of a shorter row's context is cut off below.
        room_P = [min(sampling.max_new_tokens, self.context - len(problem.prompt_ids)) for problem in problems]
        sequence_BS = self.policy.generate(  # type: ignore[operator]
            prompt_BS.repeat_interleave(n, dim=0),
            attention_mask=mask_BS.repeat_interleave(n, dim=0),
            past_key_values=cache,
            logits_processor=LogitsProcessorList([recorder]),
            max_new_tokens=max(room_P),
            eos_token_id=self._eos,
            pad_token_id=self._pad,
            **_draw_arguments(sampling),
        )
        completion_BT = sequence_BS[:, prompt_BS.shape[1] :]
        logp_BT = recorder.finish(completion_BT[:, -1])
        rollouts = self._rollouts(completion_BT, logp_BT, [room for room in room_P for _ in range(n)])
        return [tuple(rollouts[start : start + n]) for start in range(0, len(rollouts), n)]

    def _left_padded(self, prompts: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
        width = max(map(len, prompts))
        ids = [[self._pad] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        device = self.policy.device
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)

    def _shared_prefill(self, prompt_BS: Tensor, mask_BS: Tensor, n: int) -> DynamicCache:
        """Key-value cache of all prompt tokens but the last, one row for each of the B*n completions; empty where there
        is nothing to share."""
        cache = roomy_cache(self.policy.config)
        if n == 1 or prompt_BS.shape[1] < 2:
            return cache
        self.policy(
            input_ids=prompt_BS[:, :-1],
            attention_mask=mask_BS[:, :-1],
            position_ids=(mask_BS.cumsum(1) - 1).clamp(min=0)[:, :-1],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache.batch_repeat_interleave(n)
        return cache

    def _rollouts(self, completion_BT: Tensor, logp_BT: Tensor, room_B: Sequence[int]) -> list[Completion]:
        """Cut every row after its first end-of-sequence token, or where its room ends."""
        room_B1 = torch.tensor(room_B, device=completion_BT.device)[:, None]
        ended_BT = torch.isin(completion_BT, torch.tensor(self._eos, device=completion_BT.device))
        ended_BT &= torch.arange(ended_BT.shape[1], device=ended_BT.device) < room_B1
        first_B = torch.where(ended_BT.any(1), ended_BT.int().argmax(1) + 1, room_B1[:, 0])
        lengths, ended = first_B.tolist(), ended_BT.any(1).tolist()
        tokens, logps = completion_BT.tolist(), logp_BT.tolist()
        kept = [row[:length] for row, length in zip(tokens, lengths, strict=True)]
        texts = self.tokenizer.batch_decode(kept, skip_special_tokens=True)
        return [
            Completion(tuple(ids), tuple(logp[: len(ids)]), text, "stop" if stopped else "length")
            for ids, logp, text, stopped in zip(kept, logps, texts, ended, strict=True)
        ]


def nucleus(logp_BV: Tensor, top_p: float) -> Tensor:
    """The likeliest tokens that together have `top_p` of the probability, the others at minus infinity.

    Source: arXiv 1904.09751 (well known).
    """
    count = min(LIKELIEST, logp_BV.shape[1])
    while True:
        top_BK, token_BK = logp_BV.topk(count)
        mass_BK = top_BK.exp().cumsum(dim=1)
        if count == logp_BV.shape[1] or bool((mass_BK[:, -1] >= top_p).all()):
            break
        count = min(8 * count, logp_BV.shape[1])
    kept_BK = top_BK.masked_fill(mass_BK - top_BK.exp() >= top_p, -torch.inf)
    return torch.full_like(logp_BV, -torch.inf).scatter(1, token_BK, kept_BK)


def eos_ids(policy: PreTrainedModel, tokenizer: Any) -> list[int]:
    """Every token that ends a completion: the generation config's, else the tokenizer's."""
    configured = policy.generation_config.eos_token_id if policy.generation_config else None
    if configured is None:
        return [tokenizer.eos_token_id]
    return list(configured) if isinstance(configured, list | tuple) else [configured]


def _draw_arguments(sampling: Sampling) -> dict[str, Any]:
    if sampling.temperature == 0:
        return {"do_sample": False}
    # The recorder has applied temperature and nucleus already.
    return {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0}
