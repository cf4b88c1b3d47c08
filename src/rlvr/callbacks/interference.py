"""Measures what an update does to right answers of problems that it was not about: SELF's negative interference."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any

import lightning
import torch
from torch import Tensor

from rlvr.callbacks.pass_at_k import PassAtKCallback
from rlvr.console import console
from rlvr.eval import Evaluation
from rlvr.eval.difficulty import BIN_NAMES, difficulty_bin
from rlvr.ranks import Ranks
from rlvr.rollout import call_seed
from rlvr.training import MicroBatch, PolicyModule, RolloutDataModule, Sample, packed
from rlvr.training.batch import deal, micro_batches, pieces_of
from rlvr.training.logprobs import completion_logps
from rlvr.types import Completion, Problem


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


class Interference(lightning.Callback):
    """Change of the log-probability of stored right answers by one update, for problems outside and inside of it.

    The base's right answers to the training problems that were evaluated are sampled once and kept, as tokens, which
    the texts that evaluations keep do not determine. An update is all that is learned from one rollout batch; a problem
    is inside when one of its rollouts had an advantage other than 0. Metrics are in docs/metrics.md.

    Source of the quantity: arXiv 2510.02230; bins and stored answers are ours.

    Args:
        samples: Completions of each problem from which right ones are taken.
        answers: Distinct right answers kept of a problem, at most.
        max_tokens: Completion tokens kept over all problems, at most.
        every_n_steps: Optimizer steps between measured updates; a measurement is one forward pass over the answers
            at 1 and two above.
    """

    def __init__(self, samples: int, answers: int, max_tokens: int, every_n_steps: int) -> None:
        self.samples = samples
        self.answers_per_problem = answers
        self.max_tokens = max_tokens
        self.every_n_steps = every_n_steps
        self.answers: list[Answer] = []
        self._fresh = True
        self._batches: list[tuple[list[int], MicroBatch]] = []
        self._before = (0, torch.empty(0))  # the version scored last, and log p of the answers under it

    # --- Lightning's side -------------------------------------------------------------------------------------

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Sample and score the base's answers, unless a checkpoint brought them: by then the base is gone."""
        data: RolloutDataModule = trainer.datamodule
        with data.stopwatch.phase("eval"):
            if self._fresh:
                self.answers = self._from_base(trainer)
            self._batches = self._packed(trainer, pl_module.device)
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
        """Score before the update; the last update's score may be that one already."""
        if self._measures(trainer) and self._before[0] != trainer.global_step:
            with trainer.datamodule.stopwatch.phase("eval"):
                self._before = (trainer.global_step, self._score(trainer, pl_module))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Score after the update and log the difference, in a row of its own."""
        if not self._measures(trainer):
            return
        with trainer.datamodule.stopwatch.phase("eval"):
            inside = set(Ranks.of(trainer).pool(learned_from(trainer.datamodule)))
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

    def _measures(self, trainer: Any) -> bool:
        return trainer.datamodule.last_walk.version % self.every_n_steps == 0

    def _from_base(self, trainer: Any) -> list[Answer]:
        """Sampled by the ranks together, the same on all of them."""
        data: RolloutDataModule = trainer.datamodule
        ranks, version = Ranks.of(trainer), trainer.global_step
        rates = _rates(_base_evaluation(trainer))
        problems = [problem for problem in data.problems if problem.id in rates]
        mine: Sequence[Problem] = ranks.share(problems)
        data.engine.sync(version)
        seed = call_seed(data.seed, "interference", version)
        rollouts_P = data.engine.generate(mine, self.samples, data.sampling, version, seed)
        data.engine.sleep()
        pairs = [(problem, r) for problem, rollouts in zip(mine, rollouts_P, strict=True) for r in rollouts]
        verdicts = data.verifier.grade([(problem, rollout.text) for problem, rollout in pairs])
        right: dict[str, dict[tuple[int, ...], None]] = {problem.id: {} for problem in mine}  # ordered, each once
        for (problem, rollout), verdict in zip(pairs, verdicts, strict=True):
            if verdict.status == "right":
                right[problem.id][rollout.token_ids] = None
        found = ranks.gather([list(right[problem.id])[: self.answers_per_problem] for problem in mine])
        kept = within(found, self.max_tokens)
        return [
            Answer(problem.id, completion, difficulty_bin(rates[problem.id]), base_logp=0.0)
            for problem, completions in zip(problems, kept, strict=True)
            for completion in completions
        ]

    def _packed(self, trainer: Any, device: torch.device) -> list[tuple[list[int], MicroBatch]]:
        """This rank's micro-batches and which answers are in them; as many on every rank, for the forward pass is a
        collective where parameters are sharded."""
        data: RolloutDataModule = trainer.datamodule
        ranks, budget = Ranks.of(trainer), data.micro_batch_tokens
        problems = {problem.id: problem for problem in data.problems}
        samples = [_sample(problems[answer.problem_id], answer.token_ids) for answer in self.answers]
        place = {id(sample): index for index, sample in enumerate(samples)}
        pieces = pieces_of(samples, budget)
        parts = deal(pieces, micro_batches(pieces, budget, ranks.size) * ranks.size)[ranks.rank :: ranks.size]
        mine = [list(chain.from_iterable(part)) for part in parts]
        return [([place[id(sample)] for sample in part], packed(part, version=0).to(device)) for part in mine]

    def _score(self, trainer: Any, module: PolicyModule) -> Tensor:
        """Log-probability of every answer under the policy as it is."""
        temperature = trainer.datamodule.sampling.temperature
        scored: list[tuple[int, float]] = []
        training = module.policy.training
        module.policy.eval()  # without dropout, which would also draw random numbers
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            for places, batch in self._batches:
                logp_B = completion_logps(module.policy, batch, temperature).logp_BT.double().sum(dim=1)
                scored += zip(places, logp_B.tolist(), strict=False)  # an empty part has a row of no answer
        module.policy.train(training)
        return torch.tensor([logp for _, logp in sorted(Ranks.of(trainer).pool(scored))], dtype=torch.float64)


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


def learned_from(data: RolloutDataModule) -> list[str]:
    """Ids of the problems with an advantage other than 0 in the last walk, of this rank's share."""
    walk = data.last_walk
    assert walk is not None
    live_P = (walk.advantage_PG != 0).any(dim=1).tolist()
    return [group.problem.id for group, live in zip(walk.groups, live_P, strict=True) if live]


def within(completions_P: Sequence[Sequence[tuple[int, ...]]], max_tokens: int) -> list[list[tuple[int, ...]]]:
    """As many completions as fit into `max_tokens`: the first of every problem, then the second ones, and so on."""
    kept: list[list[tuple[int, ...]]] = [[] for _ in completions_P]
    for turn in range(max(map(len, completions_P), default=0)):
        for index, completions in enumerate(completions_P):
            if turn < len(completions) and len(completions[turn]) <= max_tokens:
                kept[index].append(completions[turn])
                max_tokens -= len(completions[turn])
    return kept


def _base_evaluation(trainer: Any) -> Evaluation:
    evaluator = next(callback for callback in trainer.callbacks if isinstance(callback, PassAtKCallback))
    return evaluator.record.splits["train"].base


def _rates(base: Evaluation) -> dict[str, float]:
    return {name: correct / base.n for name, correct in zip(base.problem_ids, base.correct, strict=True)}


def _sample(problem: Problem, token_ids: tuple[int, ...]) -> Sample:
    rollout = Completion(token_ids, (0.0,) * len(token_ids), "", "stop")
    return Sample(problem, rollout, advantage=0.0, weight=0.0)
