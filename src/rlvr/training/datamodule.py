"""The RolloutDataModule: one Lightning epoch is one rollout batch."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader

from rlvr.ranks import Ranks
from rlvr.rollout import Host, named_weights
from rlvr.rollout.hf import eos_ids
from rlvr.scoring.packing import MicroBatch, packed
from rlvr.scoring.sharing import shared_out
from rlvr.speed.flops import Passed
from rlvr.step import Collector, RolloutBatch, TrainingSample, batch_metrics, training_samples
from rlvr.step.stored import StoredAnswers, replayed
from rlvr.strategy import sharding_of
from rlvr.training.context import RolloutListener, RunContext
from rlvr.training.replay import BaseAnswers
from rlvr.training.scoring import standalone_logps
from rlvr.types import Group


class RolloutDataModule(lightning.LightningDataModule):
    """Regenerates the training batch with the current policy at every Lightning epoch.

    Args:
        context: What the run's parts share.
        collector: Makes the collector, given the `ranks`, which are known only inside a trainer.
        minibatches_per_rollout: Optimizer steps on each rollout batch.
        listeners: See each batch before it is learned from, in this order.
        answers: The base's answers that are learned from in addition; None: only fresh rollouts.
    """

    def __init__(
        self,
        context: RunContext,
        collector: Callable[..., Collector],
        minibatches_per_rollout: int,
        listeners: Sequence[RolloutListener],
        answers: BaseAnswers | None = None,
    ) -> None:
        super().__init__()
        self.context = context
        self.make_collector = collector
        self.minibatches_per_rollout = minibatches_per_rollout
        self.listeners = listeners
        self.answers = answers
        self.stored: StoredAnswers | None = None

    def train_dataloader(self) -> DataLoader:
        """Collect a rollout batch and return it as a data set of known size: nothing is prefetched off-policy."""
        trainer, clock = self._trainer, self.context.clock
        module: Any = trainer.lightning_module
        if self.answers is not None and self.stored is None:
            with clock.phase("eval"):
                self.stored = self.answers.open(trainer, module)
            self.collector.claimed = self.stored if self.answers.replay.claims else ()
        with clock.phase("collect"):
            batch = self.collector.collect(trainer.global_step)
        with clock.phase("metrics"):
            metrics = batch_metrics(batch, self._ranks)
            for listener in self.listeners:
                metrics |= listener.on_rollout(trainer, module, batch, metrics)
        with clock.phase("assemble"):
            minibatches = self._assemble(self._samples(batch), batch.version)
        if self.minibatches_per_rollout > 1:
            minibatches = self._scored(minibatches, module.with_old)
        if module.objective.kl is not None:
            module.renew_reference(self.minibatches_per_rollout)
            minibatches = self._scored(minibatches, module.with_reference)
        return DataLoader(minibatches, batch_size=None, shuffle=False)  # type: ignore[arg-type]

    def _samples(self, batch: RolloutBatch) -> list[list[TrainingSample]]:
        collector = self.collector
        module: Any = self._trainer.lightning_module
        steps = training_samples(
            batch,
            collector.loss,
            collector.sampling.max_new_tokens,
            self.minibatches_per_rollout,
            self._ranks,
            every_completion=module.objective.needs_every_completion,
            choosers=module.objective.choosers,
        )
        if self.stored is None:
            return steps
        more = replayed(batch.skipped, self.stored, self.minibatches_per_rollout, self._ranks)
        return [fresh + old for fresh, old in zip(steps, more, strict=True)]

    def _assemble(self, samples: Sequence[Sequence[TrainingSample]], version: int) -> list[MicroBatch]:
        """This rank's micro-batches of every optimizer step.

        Lightning steps after a fixed number of micro-batches, so each step on this batch has the same number of them.
        """
        steps = shared_out(samples, self.context.micro_batch_tokens, self._ranks)
        self._trainer.accumulate_grad_batches = len(steps[0])
        return [packed(part, version) for part in chain.from_iterable(steps)]

    def _scored(self, batches: Sequence[MicroBatch], filled_in: Callable[[MicroBatch], MicroBatch]) -> list[MicroBatch]:
        """The batches with the values that the objective compares with, computed before the policy moves."""
        device = self._trainer.strategy.root_device
        forward = self._trainer.precision_plugin.forward_context()
        for batch in batches:
            self.context.clock.count("score", batch.passed)
        with self.context.clock.phase("score"), torch.no_grad(), forward:
            moved = [batch.to(device) for batch in batches]
            return [filled_in(batch) for batch in moved]

    def _standalone(self, groups: Sequence[Group]) -> list[list[float]]:
        """Mean log-probabilities without the prompts: a collective."""
        trainer, context = self._trainer, self.context
        module: Any = trainer.lightning_module
        start, *_ = eos_ids(module.policy, context.tokenizer)
        for group in groups:
            for one in group.completions:
                context.clock.count("score", Passed.of(1, [len(one.token_ids)]))
        with context.clock.phase("score"):
            return standalone_logps(trainer, module, groups, start, context.micro_batch_tokens)

    def setup(self, stage: str) -> None:
        """Attach the engine, which is built later: Lightning moves the policy to its device only after this."""
        self.collector = self.make_collector(ranks=self._ranks, standalone=self._standalone)
        self.context.engine.attach(self._host)

    def teardown(self, stage: str) -> None:
        """Free the engine."""
        self.context.engine.close()

    def _host(self) -> Host:
        trainer = self._trainer
        policy: Any = trainer.lightning_module.policy
        weights = partial(named_weights, policy, sharding_of(trainer.strategy).gathered)
        device, autocast = trainer.strategy.root_device, trainer.precision_plugin.forward_context
        return Host(policy, self.context.tokenizer, weights, device, autocast)

    @property
    def _ranks(self) -> Ranks:
        return Ranks.of(self._trainer)

    @property
    def _trainer(self) -> lightning.Trainer:
        if self.trainer is None:
            raise RuntimeError("The RolloutDataModule collects only inside a Lightning Trainer.")
        return self.trainer

    def state_dict(self) -> dict[str, Any]:
        """The collector's state, and the key of the stored answers."""
        key = self.answers.key if self.answers is not None else None
        return self.collector.state_dict() | ({"answers": key} if key else {})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the problem that would have come next."""
        self.collector.load_state_dict(state_dict)
        if self.answers is not None:
            self.answers.key = state_dict.get("answers")
