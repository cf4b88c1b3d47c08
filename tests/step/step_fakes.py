"""A pool, an engine, a verifier and ranks that cost nothing, for tests of the rollout step.

What a problem's completions are worth stands in its answer: `right 1|wrong 0.3` gives every completion one of these in
turn, `rate 0.4` makes each right with that probability, by problem and seed. The greedy answer is right where the
prompt says `easy`.
"""

import pickle
import random
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from rlvr.algo import Filter, Loss
from rlvr.algo.advantages import group_normalised, signed
from rlvr.algo.aggregation import token_mean
from rlvr.algo.surrogates import ppo_clip
from rlvr.ranks import Ranks
from rlvr.rollout.engine import OnFinished, Sampling, require_synced
from rlvr.step import Collector, RolloutBatch, TrainingSample, training_samples
from rlvr.timing import Stopwatch
from rlvr.types import Completion, Group, Problem, Verdict

PATIENCE_S = 10.0  # a rank that waits longer has been left alone by the others
SAMPLING = Sampling(max_new_tokens=8)
HALF, ALL = "right 1|wrong 0", "right 1"  # answers
PPO = partial(ppo_clip, clip_low=0.2, clip_high=0.2)
BOTH = {"positive": 1.0, "negative": 1.0}
GRPO = Loss("grpo", group_normalised, BOTH, PPO, partial(token_mean, over="live"))
SIGNED = Loss("signed", partial(signed, right=1.0, wrong=-1.0), BOTH, PPO, partial(token_mean, over="live"))


def pool(count: int, answer: str = "rate 0.5", prompt: str = "") -> list[Problem]:
    return [Problem(str(index), prompt, (1, 2), answer) for index in range(count)]


@dataclass
class FakeEngine:
    """Completions by (problem, seed); `calls` holds (ids, n, temperature, seed) of every call with problems."""

    trainable: Callable[[int], tuple[bool, ...]] | None = None
    dtype: torch.dtype = torch.float32
    held: int | None = None
    asleep: bool = False
    calls: list[tuple[list[str], int, float, int]] = field(default_factory=list)

    def sync(self, version: int) -> None:
        self.held, self.asleep = version, False

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
        require_synced(self.held, version)
        if problems:
            self.calls.append(([problem.id for problem in problems], n, sampling.temperature, seed))
        made = []
        for index, problem in enumerate(problems):
            skipped = index in skip
            made.append(() if skipped else tuple(self._one(problem, sampling, seed, i) for i in range(n)))
            if on_finished and not skipped:
                on_finished(index, made[-1])
        return made

    def _one(self, problem: Problem, sampling: Sampling, seed: int, index: int) -> Completion:
        draw = random.Random(f"{problem.id}/{seed}/{index}")
        tokens = draw.randint(1, sampling.max_new_tokens)
        if sampling.temperature == 0:
            text = "right 1" if "easy" in problem.prompt else "wrong 0"
        elif problem.answer.startswith("rate "):
            text = "right 1" if draw.random() < float(problem.answer[5:]) else "wrong 0"
        else:
            texts = problem.answer.split("|")
            text = texts[index % len(texts)]
        finish = "length" if tokens == sampling.max_new_tokens else "stop"
        ids, logps = (tuple(range(tokens)), (-0.5,) * tokens)
        return Completion(ids, logps, text, finish, self.trainable(tokens) if self.trainable else None)

    def sleep(self) -> None:
        self.asleep = True

    def close(self) -> None: ...


class FakeVerifier:
    """Reads the verdict off the text."""

    def grade(self, items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        return [self._verdict(*text.split()) for _, text in items]

    def _verdict(self, status: Any, reward: str, form: str = "formatted") -> Verdict:
        return Verdict(status, float(reward), form == "formatted")

    def readable(self, answers: Sequence[str]) -> list[bool]:
        return [True] * len(answers)

    def answer(self, text: str) -> str:
        return text


def standalone(groups: Sequence[Group]) -> list[list[float]]:
    """Mean log-probabilities without the prompts: the longer, the less likely."""
    return [[-float(len(one.token_ids)) for one in group.completions] for group in groups]


def collector(
    problems: Sequence[Problem],
    filter: Filter | None = None,
    loss: Loss = GRPO,
    per_step: int = 4,
    group: int = 4,
    seed: int = 0,
    ranks: Ranks | None = None,
    engine: FakeEngine | None = None,
) -> Collector:
    """With an engine of its own, `collector(...).engine`."""
    services = (engine or FakeEngine(), FakeVerifier(), filter or Filter(), loss, SAMPLING)
    place = (ranks or Ranks(0, 1), Stopwatch())
    return Collector(problems, *services, per_step, group, seed, *place, standalone=standalone)


def ids(batch: RolloutBatch) -> list[str]:
    return [group.problem.id for group in batch.groups]


def selected(batch: RolloutBatch) -> list[str]:
    return [name for name, place in zip(ids(batch), batch.place_P.tolist(), strict=True) if place >= 0]


def samples(batch: RolloutBatch, minibatches: int = 1) -> list[list[TrainingSample]]:
    return training_samples(batch, GRPO, 8, minibatches, Ranks(0, 1))


class Room:
    """Where ranks that are threads meet: all of them, at the same line of the code, or the test fails."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size, timeout=PATIENCE_S)
        self.held: list[Any] = [None] * size

    def parts(self, rank: int, line: tuple[str, int], mine: Any) -> list[Any]:
        self.held[rank] = line, pickle.dumps(mine)  # so that what can't travel shows
        self.barrier.wait()
        held = list(self.held)
        self.barrier.wait()  # nobody writes anew before everybody has read
        assert len({there for there, _ in held}) == 1, f"collectives that do not match: {[there for there, _ in held]}"
        return [pickle.loads(data) for _, data in held]


@dataclass(frozen=True)
class ThreadRanks(Ranks):
    """Ranks of one process, a thread each."""

    room: Room

    def _parts(self, mine: list[Any]) -> list[list[Any]]:
        frame: Any = sys._getframe()
        while frame.f_code.co_filename.endswith(("/ranks.py", "/step_fakes.py")):
            frame = frame.f_back
        return self.room.parts(self.rank, (frame.f_code.co_filename, frame.f_lineno), mine)

    def exchange(self, to_each: list[list[Any]]) -> list[list[Any]]:
        got = [parts[0][self.rank] for parts in self._parts([to_each])]
        return [to_each[rank] if rank == self.rank else part for rank, part in enumerate(got)]

    def meet(self) -> None:
        self._parts([])

    def first(self, mine: Any) -> Any:
        return self._parts([mine])[0][0]


def on_ranks(size: int, work: Callable[[Ranks], Any]) -> list[Any]:
    """What `work` gives on each of `size` ranks."""
    room = Room(size)

    def one(rank: int) -> Any:
        try:
            return work(ThreadRanks(rank, size, room) if size > 1 else Ranks(0, 1))
        except BaseException:
            room.barrier.abort()
            raise

    with ThreadPoolExecutor(size) as threads:
        futures = [threads.submit(one, rank) for rank in range(size)]
    errors = [error for future in futures if (error := future.exception())]
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return [future.result() for future in futures]
