"""Rollouts by the policy's own modules on the live weights: exactly on-policy, any decoder-only model."""

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist
from transformers import PreTrainedModel

from rlvr.rollout.attention import use_grouped_attention
from rlvr.rollout.decoding import Draw, decode
from rlvr.rollout.engine import EngineError, Host, OnFinished, Sampling, call_seed, require_synced
from rlvr.rollout.weights import base_of, evaluating
from rlvr.types import Completion, Problem


class HFEngine:
    """A rollout engine that holds no weights of its own: it generates with the policy that is being trained.

    Prompts are padded on the left; see `rlvr.rollout.decoding`.

    Args:
        host: A decoder-only policy on the device where it is to generate; its weights are not copied.
        max_tokens: Tokens of prompts and completions, padding included, that are generated side by side; bounds the
            key-value cache, and how much an evaluation loses when it is killed.
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
        """Note the version. The weights are the policy's own and need no copying."""
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
        per_call = max(1, self.max_tokens // (n * min(longest + sampling.max_new_tokens, self.context)))
        results: list[tuple[Completion, ...]] = []
        devices = [self.policy.device] if self.policy.device.type == "cuda" else []
        with evaluating(self.policy), torch.inference_mode(), torch.random.fork_rng(devices), self.autocast():
            # Ranks that sample different problems must not draw the same numbers.
            rank = dist.get_rank() if dist.is_initialized() else 0
            for start in range(0, len(problems), per_call):
                indices = range(start, min(start + per_call, len(problems)))
                if skip and all(index in skip for index in indices):
                    results += [()] * len(indices)
                    continue
                # Each batch has its own random stream, so that a skipped batch does not change later ones.
                torch.manual_seed(call_seed(seed, rank, start))
                results += self._generate_chunk(problems[start : start + per_call], n, sampling)
                for index in indices:
                    if index in skip:
                        results[index] = ()
                    elif on_finished:
                        on_finished(index, results[index])
        return results

    def _generate_chunk(self, problems: Sequence[Problem], n: int, sampling: Sampling) -> list[tuple[Completion, ...]]:
        prompt_PS, mask_PS = self._left_padded([problem.prompt_ids for problem in problems])
        room_P = [min(sampling.max_new_tokens, self.context - len(problem.prompt_ids)) for problem in problems]
        draw = Draw(sampling.temperature, sampling.top_p)
        token_BT, logp_BT = decode(self.policy, prompt_PS, mask_PS, n, room_P, self._eos, draw)
        if not bool(logp_BT.isfinite().all()):
            raise EngineError(f"The policy of version {self.version} gives logits that are not finite.")
        rollouts = self._rollouts(token_BT, logp_BT, [room for room in room_P for _ in range(n)])
        return [tuple(rollouts[start : start + n]) for start in range(0, len(rollouts), n)]

    def _left_padded(self, prompts: Sequence[tuple[int, ...]]) -> tuple[Tensor, Tensor]:
        width = max(map(len, prompts))
        ids = [[self._pad] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        device = self.policy.device
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)

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


def eos_ids(policy: PreTrainedModel, tokenizer: Any) -> list[int]:
    """Every token that ends a completion: the generation config's, else the tokenizer's."""
    configured = policy.generation_config.eos_token_id if policy.generation_config else None
    if configured is None:
        return [tokenizer.eos_token_id]
    return list(configured) if isinstance(configured, list | tuple) else [configured]
