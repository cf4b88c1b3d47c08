"""Evaluates the policy before, during and after training, and writes the run's record."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning

from rlvr.callbacks.listener import Listener
from rlvr.callbacks.showing import show_completions
from rlvr.console import console
from rlvr.eval import Evaluated, Evaluation, RunRecord, SplitRecord, evaluate, evaluation_key, sample_file
from rlvr.files import share_file
from rlvr.ranks import Ranks
from rlvr.rollout import Sampling, call_seed, named_weights
from rlvr.step import RolloutBatch
from rlvr.strategy import sharding_of
from rlvr.training import RunContext
from rlvr.types import Problem

SHOWN = "heldout"  # split of which loggers show completions
GuessRate = Callable[[Problem], float | None]


class PassAtKCallback(Listener):
    """Pass@k of the base, of the policy every `every_n_steps` optimizer steps, and at the end.

    Args:
        context: What the run's parts share.
        problems: Evaluation problems by split: `heldout`, and `train` for a part of the pool.
        n: Samples a problem.
        sampling: How they are drawn.
        every_n_steps: Optimizer steps between evaluations along the way.
        path_problems: Problems of each split (the first ones) in the evaluations along the way.
        label: The method's name in tables and figures.
        guess_rate: Chance of a blind guess, where the task knows it.
        cache_dir: Where the base's results and samples lie, so that runs from one base share them.
        known: What these depend on in addition to weights, problems and sampling: context, engine, grading rules.
        listeners: Told of every evaluation, in this order.
    """

    def __init__(
        self,
        context: RunContext,
        problems: Mapping[str, Sequence[Problem]],
        n: int,
        sampling: Sampling,
        every_n_steps: int,
        path_problems: int,
        label: str,
        guess_rate: GuessRate,
        cache_dir: Path,
        known: tuple[Any, ...],
        listeners: Sequence[Listener],
    ) -> None:
        self.context = context
        self.problems = problems
        self.n = n
        self.sampling = sampling
        self.every_n_steps = every_n_steps
        self.path_problems = path_problems
        self.guess_rate = guess_rate
        self.cache_dir = cache_dir
        self.known = known
        self.base_key: str | None = None
        self.listeners = listeners
        self._tokens = 0.0  # generated for the present rollout batch
        self.record = RunRecord(label, context.seed, {})

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Evaluate the base, or read what an earlier run from the same base left."""
        resumed = bool(self.record.splits)  # The policy is no longer the base, and the record is from the checkpoint.
        if self.base_key is None:
            self.base_key = self._key(trainer, pl_module)
        for split, problems in self.problems.items():
            cached = self.cache_dir / f"eval-{self.base_key}-{split}.json"
            if not resumed:
                rates = [rate for problem in problems if (rate := self.guess_rate(problem)) is not None]
                counts = self._base(trainer, problems, f"Base, {split} problems", cached)
                self.record.splits[split] = SplitRecord(counts, guess_rate=rates or None)
            samples = cached.with_suffix(".parquet")
            if split == SHOWN and not resumed:
                show_completions(trainer, problems, samples, 0)
            if trainer.is_global_zero and samples.exists():
                share_file(samples, sample_file(self.context.run_dir, split, "base"))
        base = {split: record.base for split, record in self.record.splits.items()}
        for listener in self.listeners:
            listener.on_base(trainer, pl_module, base)
        if not resumed:
            self._keep(trainer, pl_module, 0, base)

    def on_rollout(
        self, trainer: Any, pl_module: Any, batch: RolloutBatch, metrics: Mapping[str, float]
    ) -> Mapping[str, float]:
        """Count what is generated for the steps on this batch."""
        self._tokens = metrics.get("rollout/tokens", 0.0) + metrics["rollout/greedy_tokens"]
        return {}

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Note what was generated for the steps just taken, and evaluate along the way."""
        step = trainer.global_step
        self.record.generated[step] = max(self.record.generated.values(), default=0.0) + self._tokens
        if step % self.every_n_steps == 0 and step < trainer.max_steps:
            some = {split: problems[: self.path_problems] for split, problems in self.problems.items()}
            titles = {"heldout": f"Step {step}", "train": f"Step {step}, training problems"}
            found = {}
            for split, problems in some.items():
                evaluated = self._evaluate(trainer, problems, titles[split])
                found[split] = evaluated.counts()
                if split == SHOWN:
                    show_completions(trainer, problems, evaluated, step)
            self._keep(trainer, pl_module, step, found)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Evaluate the trained policy on all problems."""
        found = {}
        for split, problems in self.problems.items():
            evaluated = self._evaluate(trainer, problems, f"Trained, {split} problems")
            found[split] = self.record.splits[split].trained = evaluated.counts()
            evaluated.write(sample_file(self.context.run_dir, split, "trained"))
            if split == SHOWN:
                show_completions(trainer, problems, evaluated, trainer.global_step)
        self._keep(trainer, pl_module, trainer.global_step, found)

    def state_dict(self) -> dict[str, Any]:
        """The record so far, so that a resumed run, in whatever folder, knows its base and its path."""
        return {**asdict(self.record), "base_key": self.base_key}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the checkpoint's record."""
        self.record, self.base_key = RunRecord.from_json(state_dict), state_dict.get("base_key")

    def _key(self, trainer: Any, module: Any) -> str:
        """The key of the base as it is loaded, in the type in which it is trained. A collective where it is sharded."""
        weights = named_weights(module.policy, sharding_of(trainer.strategy).gathered)
        asked = [problem.id for problems in self.problems.values() for problem in problems]
        return evaluation_key(weights, self.context.seed, self.sampling, *self.known, asked, self.n)

    def _base(self, trainer: lightning.Trainer, problems: Sequence[Problem], title: str, cached: Path) -> Evaluation:
        """The base's counts from the cache. If they are missing, they are measured and put there with the samples."""
        samples = cached.with_suffix(".parquet")
        # Sampling needs all ranks, so the first one decides for all.
        ranks = Ranks.of(trainer)
        there = ranks.rank == 0 and cached.exists() and samples.exists()
        if found := ranks.broadcast(Evaluation.read(cached) if there else None):
            return found
        evaluated = self._evaluate(trainer, problems, title)
        evaluated.write(samples)
        counts = evaluated.counts()
        if trainer.is_global_zero:
            counts.write(cached)
        return counts

    def _evaluate(self, trainer: lightning.Trainer, problems: Sequence[Problem], title: str) -> Evaluated:
        context, version = self.context, trainer.global_step
        seed = call_seed(context.seed, "eval", version, title)
        engine, verifier, ranks = context.engine, context.verifier, Ranks.of(trainer)
        with context.clock.phase("eval"):
            return evaluate(engine, verifier, problems, self.n, self.sampling, version, seed, title, ranks)

    def _keep(self, trainer: lightning.Trainer, pl_module: Any, step: int, found: Mapping[str, Evaluation]) -> None:
        """Add points to the paths, log them and write the record, so that a run that dies leaves what it found."""
        points = {split: _first(evaluation, self.path_problems) for split, evaluation in found.items()}
        for split, point in points.items():
            self.record.splits[split].path[step] = point
            numbers = {f"pass@{k}": point.pass_at(k) for k in _shown(self.n)}
            group = "eval" if split == "heldout" else f"eval_{split}"
            for logger in trainer.loggers:
                logger.log_metrics({f"{group}/{name}": value for name, value in numbers.items()}, step=step)
            if trainer.is_global_zero:
                shown = "  ".join(f"{name} {100 * value:5.1f}" for name, value in numbers.items())
                console.print(f"[dim]step {step:>5}[/] {split:<8} {shown}  entropy {point.entropy:.2f}")
        if trainer.is_global_zero:
            self.record.write(self.context.run_dir)
        for listener in self.listeners:
            listener.on_evaluation(trainer, pl_module, step, points)


def _first(evaluation: Evaluation, count: int) -> Evaluation:
    """The same results on the first `count` problems."""
    return replace(evaluation, problem_ids=evaluation.problem_ids[:count], correct=evaluation.correct[:count])


def _shown(n: int) -> list[int]:
    return [k for k in (1, 4, 16, 64, 256, 1024) if k <= n]
