"""The LightningModule: a policy, an objective and an optimizer. It knows nothing else of the method."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import lightning
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel

from rlvr.algo import Objective, Sums
from rlvr.memory import keep_freed_memory
from rlvr.models.streamed import Checkpoint, fill
from rlvr.ranks import Ranks
from rlvr.rollout import evaluating
from rlvr.scoring.logprobs import completion_logps
from rlvr.scoring.packing import MicroBatch
from rlvr.strategy import sharding_of
from rlvr.training.precision import UpdateShare

LrSchedule = Literal["constant", "cosine"]
OptimizerFactory = Callable[[Iterable[torch.nn.Parameter]], Optimizer]


class PolicyModule(lightning.LightningModule):
    """Trains a Hugging Face causal language model on batches that carry their own advantages and weights.

    Args:
        policy: The model.
        objective: What is minimised, see `algo.objective`.
        optimizer: Builds the optimizer from the trainable parameters.
        warmup_steps: Optimizer steps over which the learning rate rises linearly.
        lr_schedule: The learning rate after that: `constant`, or `cosine` down to 0 at the trainer's last step.
        temperature: The sampling temperature, so that the trained policy is the one that was sampled.
        minibatches_per_rollout: Optimizer steps on each rollout.
        checkpoint: Files with the weights of a policy whose parameters have no memory yet; None: it has its weights.
        reference: A frozen copy of the policy, where the objective holds it near one or evaluations compare it with its
            base; None: nothing asks for it, or the policy is its own reference with its adapters switched off.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        objective: Objective,
        optimizer: OptimizerFactory,
        warmup_steps: int,
        lr_schedule: LrSchedule,
        temperature: float,
        minibatches_per_rollout: int,
        checkpoint: Checkpoint | None = None,
        reference: PreTrainedModel | None = None,
    ) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        self.policy = policy.train()
        # In the same mode as the other modules, or Lightning would warn.
        self.reference = None if reference is None else reference.train()
        self.objective = objective
        self.make_optimizer = optimizer
        self.warmup_steps = warmup_steps
        self.lr_schedule = lr_schedule
        self.temperature = temperature
        self.minibatches_per_rollout = minibatches_per_rollout
        self._grad_norm = 0.0
        self._sums: Sums = {}
        self._updates = UpdateShare([])

    @property
    def version(self) -> int:
        """Policy version: optimizer steps taken."""
        return self.global_step

    def configure_model(self) -> None:
        """Load weights that were left in their files, now that all ranks are ready to take their parts."""
        if self.checkpoint is None:
            return
        strategy = self.trainer.strategy
        partition = sharding_of(strategy).partition
        for model in (self.policy, self.reference):
            if model is not None:
                fill(model, self.checkpoint, partition, strategy.root_device, self.trainer.is_global_zero)
        # DeepSpeed moves no module whose parameters are partitioned: its buffers would stay where they are.
        self.to(strategy.root_device)
        self.checkpoint = None  # Lightning may call again

    def on_fit_start(self) -> None:
        """The policy is in place. From here on each step can reuse the memory that the step before has freed."""
        keep_freed_memory()

    def on_train_batch_start(self, batch: MicroBatch, batch_idx: int) -> None:
        """Before a step's first micro-batch, note the numbers that the step will change."""
        if batch_idx % self.trainer.accumulate_grad_batches == 0:
            trained = [parameter for parameter in self.policy.parameters() if parameter.requires_grad]
            self._updates = UpdateShare(sharding_of(self.trainer.strategy).masters(trained))

    def training_step(self, batch: MicroBatch, batch_idx: int) -> Tensor:
        """The objective on one micro-batch. Over all micro-batches and ranks of a step it is the method's loss.

        Raises:
            RuntimeError: When the batch was sampled by a policy too old for this step.
        """
        if not 0 <= self.version - batch.version < self.minibatches_per_rollout:
            raise RuntimeError(f"A batch of policy version {batch.version} reached version {self.version}.")
        objective = self.objective
        wanted = [statistic for statistic in objective.statistics if statistic not in batch.statistic_BT]
        scores = completion_logps(self.policy, batch, self.temperature, objective.entropy_gradient, wanted)
        loss, sums = objective(batch.tokens(*scores))
        self._sums = {name: self._sums.get(name, 0) + value for name, value in sums.items()}
        # Lightning divides by the accumulation steps and data-parallel strategies average over ranks, but the
        # weights were divided by the step's global count already: undo both.
        return loss * (self.trainer.accumulate_grad_batches * self.trainer.world_size)

    def with_old(self, batch: MicroBatch) -> MicroBatch:
        """The batch with its log-probabilities and statistics under the present policy."""
        wanted = [statistic for statistic in self.objective.statistics if statistic.of_old]
        scores = completion_logps(self.policy, batch, self.temperature, statistics=wanted)
        return batch.with_old(scores.logp_BT, scores.statistic_BT)

    def with_reference(self, batch: MicroBatch) -> MicroBatch:
        """The batch with its log-probabilities under the reference."""
        with self.as_reference() as model:
            return batch.with_reference(completion_logps(model, batch, self.temperature).logp_BT)

    @contextmanager
    def as_reference(self) -> Iterator[Any]:
        """The reference, without dropout inside: the frozen copy, or the policy with its adapters switched off."""
        model: Any = self.policy if self.reference is None else self.reference
        with evaluating(model), model.disable_adapter() if self.reference is None else nullcontext():
            yield model

    def renew_reference(self, steps: int) -> None:
        """Make the present policy the reference, if that was due since the last rollout, `steps` steps before."""
        kl = self.objective.kl
        if kl is not None and self.reference is not None and kl.resets_at(self.version, self.version - steps):
            for copy, parameter in zip(self.reference.parameters(), self.policy.parameters(), strict=True):
                copy.data.copy_(parameter.data)

    def on_train_batch_end(self, outputs: Any, batch: MicroBatch, batch_idx: int) -> None:
        """After a step's last micro-batch, let the objective's terms update what they remember."""
        if (batch_idx + 1) % self.trainer.accumulate_grad_batches == 0:
            self.objective.after_step(Ranks.of(self.trainer).total)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save what the objective's terms remember."""
        if state := self.objective.state_dict():
            checkpoint["objective"] = state

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with it."""
        self.objective.load_state_dict(checkpoint.get("objective", {}))

    @property
    def grad_norm(self) -> float:
        """Norm of the last step's gradient, before clipping."""
        norm = sharding_of(self.trainer.strategy).gradient_norm()
        return self._grad_norm if norm is None else norm

    def take_metrics(self) -> dict[str, float]:
        """Metrics of the tokens trained on since the last call, and the share of the trained numbers that changed."""
        sums, self._sums = self._sums, {}
        return {**self.objective.metrics(sums), "train/update_share": self._updates.share()}

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by the global norm and keep the norm from before, unless the strategy does both over its shards.

        A step whose gradient is not finite changes nothing.
        """
        if sharding_of(self.trainer.strategy).gradient_norm() is not None:
            return
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        limit = float("inf") if gradient_clip_val is None else float(gradient_clip_val)
        self._grad_norm = float(torch.nn.utils.clip_grad_norm_(parameters, limit))
        if not math.isfinite(self._grad_norm):
            # The optimizer does not change parameters without gradient, nor their moments. DeepSpeed does so itself.
            for parameter in parameters:
                parameter.grad = None

    def configure_optimizers(self) -> Any:
        """The optimizer over the trainable parameters, with its schedule. The number of steps is the trainer's setting:
        to estimate it, Lightning would ask for a data loader, which samples."""
        optimizer = self.make_optimizer(p for p in self.policy.parameters() if p.requires_grad)
        schedule = LambdaLR(optimizer, self._lr_factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _lr_factor(self, step: int) -> float:
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self.lr_schedule == "constant":
            return 1.0
        done = (step - self.warmup_steps) / max(self.trainer.max_steps - self.warmup_steps, 1)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
