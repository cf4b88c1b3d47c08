"""Draws the base's answers before training, where a method learns from them later."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from rlvr.algo.reference import Replay
from rlvr.console import bar
from rlvr.ranks import Ranks
from rlvr.rollout import call_seed, named_weights
from rlvr.step import sample_groups
from rlvr.step.stored import StoredAnswers, answer_sample, right_answers, table_of_answers, write_answers
from rlvr.strategy import sharding_of
from rlvr.training.context import RunContext
from rlvr.training.scoring import score_samples
from rlvr.types import Problem

# Completions in one engine call. After each call the right ones are written, so that a killed run draws only the rest.
CALL = 8192


class BaseAnswers:
    """Right answers of the base to the whole pool, drawn once; runs from one base share them.

    Args:
        context: What the run's parts share.
        replay: Says how many are drawn, and which are kept.
        cache_dir: Where they lie.
        known: What they depend on in addition to weights, problems and sampling: context, engine, grading rules.
        key_of: Names all that they depend on, see `rlvr.eval.evaluation_key`.
    """

    def __init__(
        self, context: RunContext, replay: Replay, cache_dir: Path, known: tuple[Any, ...], key_of: Callable[..., str]
    ) -> None:
        self.context = context
        self.replay = replay
        self.cache_dir = cache_dir
        self.known = known
        self.key_of = key_of
        self.key: str | None = None  # of what was drawn; a resumed run has it from its checkpoint

    @property
    def folder(self) -> Path:
        """Where these answers lie."""
        return self.cache_dir / f"answers-{self.key}"

    def open(self, trainer: Any, module: Any) -> StoredAnswers:
        """The answers. Where the policy is still the base, missing ones are drawn first. This is a collective.

        Raises:
            RunError: When a resumed run's answers are gone.
        """
        if self.key is None:
            self.key = self._key(trainer, module)
            self._draw(trainer, module)
        return StoredAnswers(self.folder)

    def _key(self, trainer: Any, module: Any) -> str:
        weights = named_weights(module.policy, sharding_of(trainer.strategy).gathered)
        context, replay = self.context, self.replay
        asked = [(problem.id, problem.prompt_ids) for problem in context.problems]
        kept = [replay.samples, replay.needs_reference, *map(replay.keeps, range(replay.samples + 1))]
        sampling = replace(context.sampling, temperature=replay.temperature)
        return self.key_of(weights, context.seed, sampling, *self.known, module.temperature, kept, asked)

    def _draw(self, trainer: Any, module: Any) -> None:
        """Draw the answers that are missing on any machine."""
        ranks, problems = Ranks.of(trainer), self.context.problems
        size = max(CALL // self.replay.samples, 1)
        chunks = [problems[start : start + size] for start in range(0, len(problems), size)]
        paths = [self.folder / f"{index:05}.arrow" for index in range(len(chunks))]
        missing = sorted(set(ranks.all_gather([i for i, path in enumerate(paths) if not path.exists()])))
        there = len(problems) - sum(len(chunks[index]) for index in missing)
        with bar("The base's answers", len(problems), there) as progress:
            for index in missing:
                table = self._answers(trainer, module, chunks[index], index, ranks)
                if trainer.local_rank == 0:  # every machine may have a cache of its own
                    write_answers(paths[index], table)
                progress.advance(len(chunks[index]))
        ranks.barrier()

    def _answers(self, trainer: Any, module: Any, problems: Sequence[Problem], chunk: int, ranks: Ranks) -> pa.Table:
        """The answers of all ranks, in the order of the problems."""
        context, replay, version = self.context, self.replay, trainer.global_step
        mine: Sequence[Problem] = ranks.shard(problems)
        sampling = replace(context.sampling, temperature=replay.temperature)
        seed, services = call_seed(context.seed, "answers", chunk), (context.engine, context.verifier)
        context.engine.sync(version)
        groups = sample_groups(*services, mine, replay.samples, sampling, version, seed)
        context.engine.sleep()  # the forward pass needs the memory
        found = [right_answers(group) if replay.keeps(group.successes) else [] for group in groups]
        of_all: list[list[tuple[int, ...]]] = ranks.gather(found)
        logps = None
        if replay.needs_reference:
            samples = [answer_sample(problem, ids) for problem, some in zip(mine, found, strict=True) for ids in some]
            scored = iter(score_samples(trainer, module, samples, context.micro_batch_tokens))
            logps = list(chain.from_iterable(ranks.gather([[next(scored) for _ in some] for some in found])))
        names = [problem.id for problem, some in zip(problems, of_all, strict=True) for _ in some]
        return table_of_answers(names, list(chain.from_iterable(of_all)), logps)
