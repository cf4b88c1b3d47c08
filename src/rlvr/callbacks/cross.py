"""Scores samples of base and trained policy under both: how far the policy is from its base, and in what direction."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rlvr.callbacks.listener import Listener
from rlvr.console import console
from rlvr.errors import RunError
from rlvr.eval import Evaluation, evaluation_key, sample_file
from rlvr.eval.cross import SAMPLES, SCHEMA, SPLIT, CrossRecord, by_position, crossed_of, top_sum
from rlvr.ranks import Ranks
from rlvr.rollout import Sampling, call_seed, evaluating, named_weights
from rlvr.step import TrainingSample, sample_groups, write_table
from rlvr.strategy import sharding_of
from rlvr.training import RunContext, Scored, scored_under
from rlvr.types import Completion, Group, Problem

# The base's samples wait for the trained policy: their tokens are kept with them.
KEPT = pa.schema([*SCHEMA, ("token_ids", pa.list_(pa.int32())), ("trainable", pa.list_(pa.bool_()))])


class CrossLikelihood(Listener):
    """KL(trained || base) at every evaluation, and at the end the samples of both policies under both.

    Samples are drawn for this, `SAMPLES` of a problem, from the whole distribution at the evaluations' temperature:
    with a nucleus the mean of log p - log q is not the KL. The base's are drawn before training, and runs from one
    base share them. The module's reference is the base as long as the run lasts.

    Args:
        context: What the run's parts share.
        problems: Held-out problems.
        path_problems: How many of them, from the first on, are used in the evaluations during training.
        sampling: That of the evaluations, without a nucleus.
        cache_dir: Where the base's samples lie.
        known: What they depend on in addition to weights, problems and sampling: context, engine, grading rules.
    """

    def __init__(
        self,
        context: RunContext,
        problems: Sequence[Problem],
        path_problems: int,
        sampling: Sampling,
        cache_dir: Path,
        known: tuple[Any, ...],
    ) -> None:
        self.context = context
        self.problems = problems
        self.sampling = sampling
        self.cache_dir = cache_dir
        self.known = known
        self.key: str | None = None  # of the base's samples; a resumed run has it from its checkpoint
        self.record = CrossRecord(SAMPLES, sampling.temperature, tuple(one.id for one in problems[:path_problems]))
        self._evaluated = 0  # the step of the last evaluation

    # --- Lightning's side -------------------------------------------------------------------------------------

    def on_base(self, trainer: Any, pl_module: Any, base: Mapping[str, Evaluation]) -> None:
        """Draw and score the base's samples, unless the cache has them.

        Raises:
            RunError: When the policy is no longer the base.
        """
        if self.key is not None:
            return
        if trainer.global_step:
            raise RunError("eval.cross: the run began without it, and its base can't be sampled any more.")
        self.record.path[0] = (0.0,) * len(self.record.problem_ids)
        self.key = self._key(trainer, pl_module)
        there = Ranks.of(trainer).broadcast(self._kept.exists())
        if not there:
            table = self._drawn(trainer, pl_module, self.problems, "base")
            if trainer.is_global_zero:
                write_table(self._kept, table)

    def on_evaluation(self, trainer: Any, pl_module: Any, step: int, found: Mapping[str, Evaluation]) -> None:
        """Note the step, so that the KL is measured when the epoch ends."""
        self._evaluated = step

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """After an evaluation along the way: the KL on its problems."""
        if self._evaluated == trainer.global_step:
            problems = self.problems[: len(self.record.problem_ids)]
            self._keep(trainer, self._drawn(trainer, pl_module, problems, "trained"))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Score both policies' samples under both, on all problems, and write them beside the evaluations' samples."""
        trained = self._drawn(trainer, pl_module, self.problems, "trained")
        base = self._base_under_trained(trainer, pl_module)
        if trainer.is_global_zero:
            path = sample_file(self.context.run_dir, SPLIT, "cross")
            write_table(path, pa.concat_tables([base, trained]).select(SCHEMA.names))
        self._keep(trainer, trained)

    def state_dict(self) -> dict[str, Any]:
        """The measurements so far, and the key of the base's samples."""
        return {**asdict(self.record), "key": self.key}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the checkpoint's."""
        self.record, self.key = CrossRecord.from_json(state_dict), state_dict["key"]

    # --- samples ----------------------------------------------------------------------------------------------

    @property
    def _kept(self) -> Path:
        """The base's samples."""
        return self.cache_dir / f"cross-{self.key}.parquet"

    def _key(self, trainer: Any, module: Any) -> str:
        """The key of all that the base's samples depend on. This is a collective where weights are sharded."""
        weights = named_weights(module.policy, sharding_of(trainer.strategy).gathered)
        asked = [(problem.id, problem.prompt_ids) for problem in self.problems]
        return evaluation_key(weights, self.context.seed, self.sampling, *self.known, asked, SAMPLES, "cross")

    def _drawn(self, trainer: Any, module: Any, problems: Sequence[Problem], policy: str) -> pa.Table:
        """Samples of the present policy, scored under the base and, where the policy has been trained, under itself.

        Returns:
            The samples of all ranks in the order of the problems, the same table on each rank.
        """
        context, ranks, version = self.context, Ranks.of(trainer), trainer.global_step
        mine: Sequence[Problem] = ranks.shard(problems)
        with context.clock.phase("eval"):
            context.engine.sync(version)
            seed, services = call_seed(context.seed, "cross", version), (context.engine, context.verifier)
            groups = sample_groups(*services, mine, SAMPLES, self.sampling, version, seed)
            context.engine.sleep()  # the forward passes need the memory
            samples = [TrainingSample(group.problem, one) for group in groups for one in group.completions]
            base = own = self._under_base(trainer, module, samples)
            if policy == "trained":
                own = self._under_policy(trainer, module, samples)
        tables = [_table(policy, *of) for of in zip(groups, _by_problem(base), _by_problem(own), strict=True)]
        return pa.concat_tables([KEPT.empty_table(), *ranks.gather(tables)])

    def _base_under_trained(self, trainer: Any, module: Any) -> pa.Table:
        """The base's samples with their log-probabilities under the policy as it is.

        Raises:
            RunError: When they are gone.
        """
        ranks = Ranks.of(trainer)
        table = ranks.broadcast(pq.read_table(self._kept, schema=KEPT) if self._kept.exists() else None)
        if table is None:
            raise RunError(f"{self._kept}: the base's samples, drawn before training, are gone; start the run again.")
        asked: Sequence[Problem] = ranks.shard(self.problems)
        mine = ranks.shard(_by_problem(table.select(["token_ids", "trainable"]).to_pylist()))
        samples = [_sample(problem, row) for problem, rows in zip(asked, mine, strict=True) for row in rows]
        with self.context.clock.phase("eval"):
            scored = self._under_policy(trainer, module, samples)
        gathered = ranks.gather(_by_problem([_logp(one) for one in scored]))
        logps = pa.array(list(chain.from_iterable(gathered)))
        return table.set_column(KEPT.get_field_index("trained_logp"), KEPT.field("trained_logp"), logps)

    def _under_policy(self, trainer: Any, module: Any, samples: Sequence[TrainingSample]) -> list[Scored]:
        with evaluating(module.policy):
            return self._under(module.policy, trainer, module, samples)

    def _under_base(self, trainer: Any, module: Any, samples: Sequence[TrainingSample]) -> list[Scored]:
        with module.as_reference() as base:
            return self._under(base, trainer, module, samples)

    def _under(self, policy: Any, trainer: Any, module: Any, samples: Sequence[TrainingSample]) -> list[Scored]:
        budget = self.context.micro_batch_tokens
        return scored_under(policy, trainer, module, samples, budget, self.sampling.temperature)

    def _keep(self, trainer: Any, table: pa.Table) -> None:
        """Add a measurement, log it and write the record."""
        step, along = trainer.global_step, len(self.record.problem_ids)
        self.record.path[step] = tuple(crossed_of(table, "trained").kl_P[:along].tolist())
        kl = float(np.mean(self.record.path[step]))
        for logger in trainer.loggers:
            logger.log_metrics({"eval/kl": kl}, step=step)
        if trainer.is_global_zero:
            shown = round(kl, 2) + 0.0  # rounded first, so that no -0.0 is shown
            console.print(f"[dim]step {step:>5}[/] heldout  KL(trained || base) {shown:.2f} nats a sequence")
            self.record.write(self.context.run_dir)


def _by_problem(of_all: list[Any]) -> list[list[Any]]:
    """The values of all samples, split by problem."""
    return [of_all[start : start + SAMPLES] for start in range(0, len(of_all), SAMPLES)]


def _table(policy: str, group: Group, base: Sequence[Scored], own: Sequence[Scored]) -> pa.Table:
    """One problem's samples with what base and policy say of them."""
    graded = list(zip(group.completions, group.verdicts, base, own, strict=True))
    trained = [_logp(scored) if policy == "trained" else None for _, _, _, scored in graded]
    columns = [
        [policy] * len(graded),
        [group.problem.id] * len(graded),
        list(range(len(graded))),
        [verdict.status == "right" for _, verdict, _, _ in graded],
        [len(scored.logp_T) for _, _, _, scored in graded],
        [_logp(scored) for _, _, scored, _ in graded],
        trained,
        [by_position(scored.entropy_T.double().numpy()) for _, _, _, scored in graded],
        [top_sum(scored.entropy_T.double().numpy()) for _, _, _, scored in graded],
        [one.token_ids for one, *_ in graded],
        [one.trainable for one, *_ in graded],
    ]
    return pa.table(columns, schema=KEPT)


def _logp(scored: Scored) -> float:
    return float(scored.logp_T.double().sum())


def _sample(problem: Problem, row: Mapping[str, Any]) -> TrainingSample:
    ids, trainable = tuple(row["token_ids"]), row["trainable"]
    return TrainingSample(problem, Completion(ids, (0.0,) * len(ids), "", "stop", trainable and tuple(trainable)))
