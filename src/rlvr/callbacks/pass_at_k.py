"""Evaluates the policy before, along and after training, and keeps the run's record."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning

from rlvr.console import console
from rlvr.eval import Evaluation, RunRecord, SplitRecord, evaluate
from rlvr.rollout import Sampling, call_seed
from rlvr.types import Problem

GuessRate = Callable[[Problem], float | None]


class PassAtKCallback(lightning.Callback):
    """Pass@k of the base, of the policy every `every_n_steps` optimizer steps, and at the end.

    Args:
        problems: Evaluation problems by split: `heldout`, and `train` for a part of the pool.
        n: Samples a problem.
        sampling: How they are drawn.
        every_n_steps: Optimizer steps between evaluations along the way.
        path_problems: Held-out problems (the first ones) in the evaluations along the way.
        seed: The run's seed.
        label: The method's name in tables and figures.
        guess_rate: Chance of a blind guess, where the task knows it.
        base_cache: File stem under which the base's results are kept, so that runs from one base share them.
        run_dir: The run's folder.
    """

    def __init__(
        self,
        problems: Mapping[str, Sequence[Problem]],
        n: int,
        sampling: Sampling,
        every_n_steps: int,
        path_problems: int,
        seed: int,
        label: str,
        guess_rate: GuessRate,
        base_cache: Path,
        run_dir: Path,
    ) -> None:
        self.problems = problems
        self.n = n
        self.sampling = sampling
        self.every_n_steps = every_n_steps
        self.path_problems = path_problems
        self.seed = seed
        self.guess_rate = guess_rate
        self.base_cache = base_cache
        self.run_dir = run_dir
        self.record = RunRecord(label, seed, {})

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Evaluate the base, or read what an earlier run from the same base left."""
        if self.record.splits:  # Resumed: the policy is no longer the base, and the checkpoint brought the record.
            return
        for split, problems in self.problems.items():
            cached = self.base_cache.with_name(f"{self.base_cache.name}-{split}.json")
            if not cached.exists():
                self._evaluate(trainer, problems, f"Base, {split} problems").write(cached)
            rates = [rate for problem in problems if (rate := self.guess_rate(problem)) is not None]
            self.record.splits[split] = SplitRecord(base=Evaluation.read(cached), guess_rate=rates or None)
        self._keep(trainer, 0, _first(self.record.splits["heldout"].base, self.path_problems))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Evaluate along the way."""
        step = trainer.global_step
        if step % self.every_n_steps == 0 and step < trainer.max_steps:
            problems = self.problems["heldout"][: self.path_problems]
            self._keep(trainer, step, self._evaluate(trainer, problems, f"Step {step}"))

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Evaluate the trained policy on all problems."""
        for split, problems in self.problems.items():
            self.record.splits[split].trained = self._evaluate(trainer, problems, f"Trained, {split} problems")
        trained = self.record.splits["heldout"].trained
        assert trained is not None
        self._keep(trainer, trainer.global_step, _first(trained, self.path_problems))

    def state_dict(self) -> dict[str, Any]:
        """The record so far, so that a resumed run, in whatever folder, knows its base and its path."""
        return asdict(self.record)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the checkpoint's record."""
        self.record = RunRecord.from_json(state_dict)

    def _evaluate(self, trainer: lightning.Trainer, problems: Sequence[Problem], title: str) -> Evaluation:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        version = trainer.global_step
        seed = call_seed(self.seed, "eval", version, title)
        with data.stopwatch.phase("eval"):
            return evaluate(data.engine, data.verifier, problems, self.n, self.sampling, version, seed, title)

    def _keep(self, trainer: lightning.Trainer, step: int, evaluation: Evaluation) -> None:
        """Add a point to the path, log it and write the record, so that a run that dies leaves what it found."""
        self.record.splits["heldout"].path[step] = evaluation
        numbers = {f"pass@{k}": evaluation.pass_at(k) for k in _shown(self.n)}
        for logger in trainer.loggers:
            logger.log_metrics({f"eval/{name}": value for name, value in numbers.items()}, step=step)
        if trainer.is_global_zero:
            shown = "  ".join(f"{name} {100 * value:5.1f}" for name, value in numbers.items())
            console.print(f"[dim]step {step:>5}[/]  {shown}  entropy {evaluation.entropy:.2f}")
            self.record.write(self.run_dir)


def _first(evaluation: Evaluation, count: int) -> Evaluation:
    """The same results on the first `count` problems."""
    return replace(evaluation, problem_ids=evaluation.problem_ids[:count], correct=evaluation.correct[:count])


def _shown(n: int) -> list[int]:
    return [k for k in (1, 4, 16, 64, 256, 1024) if k <= n]
