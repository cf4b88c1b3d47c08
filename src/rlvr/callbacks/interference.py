"""Measures how an update changes right answers to problems that it did not learn from: SELF's negative interference."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from rlvr.callbacks.listener import Listener
from rlvr.console import console
from rlvr.eval import Evaluation
from rlvr.eval.difficulty import BIN_NAMES, difficulty_bin
from rlvr.ranks import Ranks
from rlvr.rollout import call_seed
from rlvr.step import RolloutBatch, TrainingSample, sample_groups
from rlvr.step.stored import answer_sample, right_answers
from rlvr.training import PolicyModule, RunContext, score_samples
from rlvr.types import Problem


@dataclass(frozen=True)
class Answer:
    """A right answer of the base.

    Attributes:
        problem_id: The training problem that it solves.
        token_ids: Its tokens.
        bin: How hard the problem was for the base, see `rlvr.eval.difficulty`.
        base_logp: Log-probability of the whole answer under the base, nats.
    """

    problem_id: str
    token_ids: tuple[int, ...]
    bin: int
    base_logp: float


class Interference(Listener):
    """How one update changes the log-probability of stored right answers, for problems outside and inside the update.

    The base's right answers to the evaluated training problems are sampled once and kept as tokens, because the texts
    that evaluations keep do not determine the tokens. An update is all that is learned from one rollout batch. A
    problem is inside it when one of its rollouts had an advantage other than 0. Metrics are in docs/metrics.md.

    Source of the quantity: arXiv 2510.02230; bins and stored answers are ours.

    Args:
        context: What the run's parts share.
        samples: Completions of each problem from which right ones are taken.
        answers: Distinct right answers kept of a problem, at most.
        max_tokens: Completion tokens kept over all problems, at most.
        every_n_steps: Optimizer steps between measured updates. A measurement is one forward pass over the answers if
            this is 1, and two if it is larger.
    """

    def __init__(self, context: RunContext, samples: int, answers: int, max_tokens: int, every_n_steps: int) -> None:
        self.context = context
        self.samples = samples
        self.answers_per_problem = answers
        self.max_tokens = max_tokens
        self.every_n_steps = every_n_steps
        self.answers: list[Answer] = []
        self._fresh = True
        self._samples: list[TrainingSample] = []  # this rank's part of the answers
        self._rates: dict[str, float] = {}  # the base's, by problem
        self._inside: list[str] = []  # ids of this rank's problems that the present rollout batch learns from
        self._version = 0  # of that batch
        self._before = (0, torch.empty(0))  # the version scored last, and log p of the answers under it

    # --- Lightning's side -------------------------------------------------------------------------------------

    def on_base(self, trainer: Any, pl_module: Any, base: Mapping[str, Evaluation]) -> None:
        """Take the base's success rates, by which problems are put into bins."""
        train = base["train"]
        counted = zip(train.problem_ids, train.correct, strict=True)
        self._rates = {name: correct / train.n for name, correct in counted}

    def on_rollout(
        self, trainer: Any, pl_module: Any, batch: RolloutBatch, metrics: Mapping[str, float]
    ) -> Mapping[str, float]:
        """Note which problems the update is about."""
        self._inside, self._version = batch.learned_from(), batch.version
        return {}

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Sample and score the base's answers. A resumed run, whose policy has moved, has them from its checkpoint."""
        with self.context.clock.phase("eval"):
            if self._fresh:
                self.answers = self._from_base(trainer)
            self._samples = self._as_samples(Ranks.of(trainer).shard(self.answers))
            # Also of a resumed policy: Lightning opens no epoch for the rollout that it goes on with.
            logp_A = self._score(trainer, pl_module)
            self._before = (trainer.global_step, logp_A)
            if self._fresh:
                scored = zip(self.answers, logp_A.tolist(), strict=True)
                self.answers = [replace(answer, base_logp=logp) for answer, logp in scored]
                self._fresh = False
        if trainer.is_global_zero:
            problems = len({answer.problem_id for answer in self.answers})
            console.print(f"[dim]Interference: {len(self.answers)} right answers to {problems} problems[/]")

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Score before the update, unless the score after the last update is of the same policy version."""
        if self._measures() and self._before[0] != trainer.global_step:
            with self.context.clock.phase("eval"):
                self._before = (trainer.global_step, self._score(trainer, pl_module))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Score after the update and log the difference, in a row of its own."""
        if not self._measures():
            return
        with self.context.clock.phase("eval"):
            inside = set(Ranks.of(trainer).all_gather(self._inside))
            logp_A = self._score(trainer, pl_module)
            metrics = changes(self.answers, self._before[1], logp_A, inside)
            self._before = (trainer.global_step, logp_A)
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        """The answers with their log-probabilities under the base."""
        return {"answers": [asdict(answer) for answer in self.answers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the checkpoint's answers."""
        self.answers, self._fresh = [Answer(**answer) for answer in state_dict["answers"]], False

    # --- answers ----------------------------------------------------------------------------------------------

    def _measures(self) -> bool:
        return self._version % self.every_n_steps == 0

    def _from_base(self, trainer: Any) -> list[Answer]:
        """Sampled by the ranks together, the same on all of them."""
        context, ranks, version = self.context, Ranks.of(trainer), trainer.global_step
        problems = [problem for problem in context.problems if problem.id in self._rates]
        mine: Sequence[Problem] = ranks.shard(problems)
        context.engine.sync(version)
        seed = call_seed(context.seed, "interference", version)
        services = (context.engine, context.verifier)
        groups = sample_groups(*services, mine, self.samples, context.sampling, version, seed)
        context.engine.sleep()
        found = ranks.gather([right_answers(group)[: self.answers_per_problem] for group in groups])
        selected = within(found, self.max_tokens)
        return [
            Answer(problem.id, completion, difficulty_bin(self._rates[problem.id]), base_logp=0.0)
            for problem, completions in zip(problems, selected, strict=True)
            for completion in completions
        ]

    def _score(self, trainer: Any, module: PolicyModule) -> Tensor:
        """Log-probability of every answer under the policy as it is; each rank scores a part of them."""
        scored = score_samples(trainer, module, self._samples, self.context.micro_batch_tokens)
        logps = Ranks.of(trainer).gather([float(logp_T.double().sum()) for logp_T in scored])
        return torch.tensor(logps, dtype=torch.float64)

    def _as_samples(self, answers: Sequence[Answer]) -> list[TrainingSample]:
        problems = {problem.id: problem for problem in self.context.problems}
        return [answer_sample(problems[answer.problem_id], answer.token_ids) for answer in answers]


def changes(answers: Sequence[Answer], before_A: Tensor, after_A: Tensor, inside: set[str]) -> dict[str, float]:
    """Means over answers, in nats, by their stable names; a bin without an answer has none.

    Args:
        answers: A stored answers.
        before_A: Their log-probabilities before the update.
        after_A: And after it.
        inside: Ids of the problems that the update learned from.
    """
    inside_A = torch.tensor([answer.problem_id in inside for answer in answers], dtype=torch.bool)
    bin_A = torch.tensor([answer.bin for answer in answers], dtype=torch.long)
    drift_A = after_A - torch.tensor([answer.base_logp for answer in answers], dtype=torch.float64)
    change_A = after_A - before_A
    picked = {"interference/inside": change_A[inside_A]}
    for index in range(len(BIN_NAMES)):
        picked[f"interference/{index}"] = change_A[(bin_A == index) & ~inside_A]
        picked[f"interference/drift_{index}"] = drift_A[bin_A == index]
    return {name: float(values.mean()) for name, values in picked.items() if len(values)}


def within(completions_P: Sequence[Sequence[tuple[int, ...]]], max_tokens: int) -> list[list[tuple[int, ...]]]:
    """As many completions as fit into `max_tokens`: the first of every problem, then the second ones, and so on."""
    kept: list[list[tuple[int, ...]]] = [[] for _ in completions_P]
    for turn in range(max(map(len, completions_P), default=0)):
        for index, completions in enumerate(completions_P):
            if turn < len(completions) and len(completions[turn]) <= max_tokens:
                kept[index].append(completions[turn])
                max_tokens -= len(completions[turn])
    return kept
