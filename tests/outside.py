"""An engine and a strategy of somebody else's, as a config names them by `_target_`: nothing in `src` knows of them."""

import copy
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor
from torch.nn import Module, Parameter

from rlvr.rollout import EngineSettings, EngineTraits, Host, call_seed
from rlvr.strategy import StrategyTraits
from rlvr.types import Completion


@dataclass(frozen=True)
class Toy(EngineSettings):
    """Samples token by token from a copy of the weights.

    Attributes:
        name: Found in `CALLS`, so that a test sees that it was used.
    """

    name: str

    @property
    def traits(self) -> EngineTraits:
        return EngineTraits(own_weights=True, kv_cache_gib=0.0)

    def build(self, host: Host) -> "ToyEngine":
        return ToyEngine(host, self.name)


CALLS: list[str] = []


class ToyEngine:
    def __init__(self, host: Host, name: str) -> None:
        self.host, self.name = host, name
        self.model = copy.deepcopy(host.policy).eval()
        self.dtype = host.policy.dtype
        self.version: int | None = None

    def sync(self, version: int) -> None:
        CALLS.append(f"{self.name} sync {version}")
        weights = dict(self.host.weights())
        self.model.load_state_dict({name: weights[name].clone() for name in self.model.state_dict()})
        self.version = version

    def generate(self, problems, n, sampling, version, seed, on_finished=None, skip=()):
        assert version == self.version
        found = []
        for index, problem in enumerate(problems):
            draw = torch.Generator().manual_seed(call_seed(seed, problem.id))
            found.append(tuple(self._sample(problem.prompt_ids, sampling, draw) for _ in range(n)))
            if on_finished:
                on_finished(index, found[-1])
        return found

    @torch.no_grad()
    def _sample(self, prompt_ids, sampling, draw) -> Completion:
        ids, logps, end = list(prompt_ids), [], self.host.tokenizer.eos_token_id
        while len(logps) < sampling.max_new_tokens and (not logps or ids[-1] != end):
            logp_V = self.model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
            greedy = sampling.temperature == 0
            token = int(logp_V.argmax() if greedy else torch.multinomial(logp_V.exp(), 1, generator=draw))
            ids.append(token)
            logps.append(float(logp_V[token]))
        sampled = tuple(ids[len(prompt_ids) :])
        text = self.host.tokenizer.decode(sampled, skip_special_tokens=True)
        return Completion(sampled, tuple(logps), text, "stop" if ids[-1] == end else "length")

    def sleep(self) -> None:
        CALLS.append(f"{self.name} sleep")

    def close(self) -> None:
        CALLS.append(f"{self.name} close")


class ToyStrategy(SingleDeviceStrategy):
    """One device; it clips by itself, as DeepSpeed does, and counts how often it is asked for whole parameters."""

    def __init__(self, limit: float) -> None:
        super().__init__(device="cpu")
        self.limit = limit
        self.gathers = 0
        self._norm = 0.0

    @classmethod
    def traits(cls, limit: float) -> StrategyTraits:
        return StrategyTraits()

    def gathered(self, parameters: Sequence[Parameter]) -> AbstractContextManager[Any]:
        self.gathers += 1
        return nullcontext()

    def partition(self, module: Module) -> None:
        raise AssertionError("nothing is sharded here")

    def gradient_norm(self) -> float:
        return self._norm

    def masters(self, trained: Iterable[Parameter]) -> list[Tensor]:
        return list(trained)

    def optimizer_step(self, optimizer: Any, closure: Any, **settings: Any) -> Any:
        def clipped() -> Any:
            loss = closure()
            self._norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.limit))
            return loss

        return super().optimizer_step(optimizer, clipped, **settings)
