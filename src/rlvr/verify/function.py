"""Grades by a function of a user's own file, in the worker processes."""

import inspect
import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rlvr.errors import ConfigError, cause_of
from rlvr.plugins import digest, from_file, run
from rlvr.types import Problem, Verdict
from rlvr.verify.math.extract import boxes, tagged
from rlvr.verify.pool import KillablePool
from rlvr.verify.pooled import PooledVerifier, Questions
from rlvr.verify.worker import Judge, Question, Reply

ARGUMENTS = ("problem", "completion", "answer")


class FunctionVerifier(PooledVerifier):
    """The function's value is the reward; docs/verification.md has its signature and what counts as right."""

    def __init__(
        self,
        function: str,
        workers: int,
        timeout_s: float,
        memory_gib: float,
        max_failed_share: float = 1.0,
        failed: float = 0.0,
        content: str = "",
    ) -> None:
        """Processes start at the first completion. They run the file as it is now, even if it changes later.

        Args:
            function: `FILE.py:NAME`, the file from where the command was started.
            workers: Processes that run at the same time, on each rank.
            timeout_s: Wall-clock limit for one completion; one that takes longer gets the verdict `timeout`.
            memory_gib: Memory of one process, including what the file imports.
            max_failed_share: Share of a batch that may time out or fail before the run ends.
            failed: Reward of a completion that times out or fails.
            content: Digest that the file must have, from the run's config; empty: any.

        Raises:
            ConfigError: When there is no such function, or the file has changed since the config was made.
        """
        if fault := refusal("verifier.function", function):
            raise ConfigError(fault)
        path, _, name = function.rpartition(":")
        held = Path(path).read_bytes()
        if content and content != digest(held):
            raise ConfigError(
                f"verifier.content={content}: {path} holds something else, {digest(held)}, since it has changed; leave "
                "the key out, and start again."
            )
        load = partial(load_function, path, held, name)
        super().__init__(KillablePool(load, workers, timeout_s, memory_gib), max_failed_share)
        self._failed = failed

    def questions(self, problem: Problem, text: str) -> Questions:
        """One question with the function's three arguments; what the policy wrote is the last."""
        return Questions([(problem.prompt, problem.answer, text)], formatted=True)

    def readable(self, answers: Sequence[str]) -> list[bool]:
        """True for all: only the function knows which answers it can read."""
        return [True] * len(answers)

    def answer(self, text: str) -> str:
        r"""The content of the last `<answer>`, or else of the last `\boxed{}`, or else the whole completion."""
        return tagged(text) or (boxes(text) or [text.strip()])[-1]

    def _verdict(self, asked: Questions, replies: Sequence[Reply]) -> Verdict:
        status, reward = replies[0]
        return Verdict(status, reward if status in ("right", "wrong") else self._failed)


def refusal(key: str, function: str) -> str | None:
    """One sentence on what is wrong with `FILE.py:NAME` at this key of the config, or None if nothing is."""
    fault = _fault(function)
    return fault and f"{key}={function}: must be FILE.py:NAME, a function of ({', '.join(ARGUMENTS)}), but {fault}."


def _fault(function: str) -> str | None:
    path, colon, name = function.rpartition(":")
    if not colon:
        return "it has no `:`"
    try:
        module = from_file(path, name).rpartition(".")[0]
    except ConfigError as error:
        return str(error)
    score = getattr(sys.modules[module], name)
    if not callable(score):
        return f"{name} is nothing that can be called"
    try:
        inspect.signature(score).bind(*ARGUMENTS)
    except TypeError as error:
        return f"{name} can't be called with these three ({error})"
    except ValueError:  # some callables written in C have no signature
        return None
    return None


def load_function(path: str, content: bytes, name: str) -> Judge:
    """Run the file in a worker, and return a judge that calls its function."""
    score = getattr(sys.modules[run(path, content)], name)

    told: set[type[Exception]] = set()

    def judge(question: Question) -> Reply:
        problem, answer, completion = question
        try:
            return said(score(problem, completion, answer))
        except Exception as error:  # the caller counts the failure, but does not know its cause
            if type(error) not in told:
                told.add(type(error))
                print(f"verifier.function={path}:{name} failed: {cause_of(error)}.", file=sys.stderr, flush=True)
            raise

    return judge


def said(result: object) -> Reply:
    """The status and reward in what a user's function returns.

    Raises:
        ValueError: When it is neither a finite number nor a finite number with a status.
        TypeError: Likewise.
    """
    reward, status = result if isinstance(result, tuple) else (result, None)
    if not math.isfinite(reward):
        raise ValueError(f"{reward} is no finite number")
    if status is None and not isinstance(result, tuple):
        status = "right" if reward >= 1 else "wrong"
    if status not in ("right", "wrong"):
        raise ValueError(f"{status} is neither right nor wrong")
    return status, float(reward)
