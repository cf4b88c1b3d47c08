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
from rlvr.scoring.logprobs import completion_logps
from rlvr.scoring.packing import MicroBatch, packed
from rlvr.scoring.sharing import shared_out
from rlvr.step import Collector, RolloutBatch, TrainingSample, batch_metrics, training_samples
from rlvr.strategy import sharding_of
from rlvr.training.context import RolloutListener, RunContext


class RolloutDataModule(lightning.LightningDataModule):
    """Regenerates the training batch with the current policy at every Lightning epoch.

    Args:
        context: What the run's parts share.
        collector: Makes the collector, given the `ranks`, which are known only inside a trainer.
        minibatches_per_rollout: Optimizer steps on each rollout batch.
        listeners: See each batch before it is learned from, in this order.
    """

    def __init__(
        self,
        context: RunContext,
        collector: Callable[..., Collector],
        minibatches_per_rollout: int,
        listeners: Sequence[RolloutListener],
    ) -> None:
        super().__init__()
        self.context = context
        self.make_collector = collector
        self.minibatches_per_rollout = minibatches_per_rollout
        self.listeners = listeners

    def train_dataloader(self) -> DataLoader:
        """Collect a rollout batch and hand over a sized data set, so that nothing is prefetched off-policy."""
        trainer, module, clock = self._trainer, self._trainer.lightning_module, self.context.clock
        with clock.phase("collect"):
            batch = self.collector.collect(trainer.global_step)
        with clock.phase("metrics"):
            metrics = batch_metrics(batch, self._ranks)
            for listener in self.listeners:
                metrics |= listener.on_rollout(trainer, module, batch, metrics)
        with clock.phase("assemble"):
            minibatches = self._assemble(self._samples(batch), batch.version)
        if self.minibatches_per_rollout > 1:
            with clock.phase("score"):
                minibatches = self._with_old_logps(minibatches)
        return DataLoader(minibatches, batch_size=None, shuffle=False)  # type: ignore[arg-type]

    def _samples(self, batch: RolloutBatch) -> list[list[TrainingSample]]:
        collector = self.collector
        module: Any = self._trainer.lightning_module
        return training_samples(
            batch,
            collector.loss,
            collector.sampling.max_new_tokens,
            self.minibatches_per_rollout,
            self._ranks,
            every_completion=module.objective.needs_every_completion,
            choosers=module.objective.choosers,
        )

    def _assemble(self, samples: Sequence[Sequence[TrainingSample]], version: int) -> list[MicroBatch]:
        """This rank's micro-batches of every optimizer step.

        Lightning steps after a fixed number of them, so each step on this batch has as many.
        """
        steps = shared_out(samples, self.context.micro_batch_tokens, self._ranks)
        self._trainer.accumulate_grad_batches = len(steps[0])
        return [packed(part, version) for part in chain.from_iterable(steps)]

    def _with_old_logps(self, batches: Sequence[MicroBatch]) -> list[MicroBatch]:
        """Fill in the old log-probabilities, needed only where the policy moves before the batch is used up."""
        module: Any = self._trainer.lightning_module
        wanted = [statistic for statistic in module.objective.statistics if statistic.of_old]
        with torch.no_grad(), self._trainer.precision_plugin.forward_context():
            moved = [batch.to(module.device) for batch in batches]
            scored = (completion_logps(module.policy, b, module.temperature, statistics=wanted) for b in moved)
            return [batch.with_old(old.logp_BT, old.statistic_BT) for batch, old in zip(moved, scored, strict=True)]

    def setup(self, stage: str) -> None:
        """Lightning moves the policy to its device only after this, so the engine is told now and built later."""
        self.collector = self.make_collector(ranks=self._ranks)
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
        """The collector's."""
        return self.collector.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the problem that would have come next."""
        self.collector.load_state_dict(state_dict)
