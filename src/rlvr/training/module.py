"""The LightningModule: a policy, a surrogate and an optimizer. It knows nothing of filters or advantages."""

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import lightning
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel

from rlvr.algo import Correction
from rlvr.algo.correction import RatioSums
from rlvr.algo.surrogates import Surrogate
from rlvr.models.streamed import Checkpoint, fill
from rlvr.training.batch import MicroBatch
from rlvr.training.logprobs import completion_logps
from rlvr.training.precision import UpdateShare

LrSchedule = Literal["constant", "cosine"]
OptimizerFactory = Callable[[Iterable[torch.nn.Parameter]], Optimizer]


class PolicyModule(lightning.LightningModule):
    """Trains a Hugging Face causal language model on batches that carry their own advantages and weights.

    Args:
        policy: The model.
        surrogate: Loss per token, see `algo.surrogates`.
        correction: For an engine whose probabilities are not quite the trainer's; None: taken to be the same.
        optimizer: Builds the optimizer from the trainable parameters.
        warmup_steps: Optimizer steps over which the learning rate rises linearly.
        lr_schedule: What it does then: `constant`, or `cosine` down to 0 at the trainer's last step.
        temperature: The sampling temperature; the policy that is trained is the one that was sampled.
        minibatches_per_rollout: Optimizer steps on each rollout.
        checkpoint: Where the weights of a hollow policy are; None: the policy has them.
    """

    def __init__(
        self,
        policy: PreTrainedModel,
        surrogate: Surrogate,
        correction: Correction | None,
        optimizer: OptimizerFactory,
        warmup_steps: int,
        lr_schedule: LrSchedule,
        temperature: float,
        minibatches_per_rollout: int,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        self.policy = policy.train()
        self.surrogate = surrogate
        self.correction = correction
        self.make_optimizer = optimizer
        self.warmup_steps = warmup_steps
        self.lr_schedule = lr_schedule
        self.temperature = temperature
        self.minibatches_per_rollout = minibatches_per_rollout
        self._grad_norm = 0.0
        self._clipped_tokens: Tensor | int = 0
        self._entropy: Tensor | int = 0
        self._tokens: Tensor | int = 0
        self._ratios: RatioSums | None = None
        self._updates = UpdateShare([])

    @property
    def version(self) -> int:
        """Policy version: optimizer steps taken."""
        return self.global_step

    def configure_model(self) -> None:
        """Bring in weights that were left in their files, now that all ranks are there to take their parts."""
        if self.checkpoint is None:
            return
        strategy: Any = self.trainer.strategy
        fill(self.policy, self.checkpoint, strategy.partition, strategy.root_device, self.trainer.is_global_zero)
        # DeepSpeed moves no module whose parameters are partitioned: its buffers would stay where they are.
        self.to(strategy.root_device)
        self.checkpoint = None  # Lightning may call again

    def on_train_batch_start(self, batch: MicroBatch, batch_idx: int) -> None:
        """Before a step's first micro-batch: look at what it is about to change."""
        if batch_idx % self.trainer.accumulate_grad_batches == 0:
            masters = getattr(self.trainer.strategy, "masters", None)
            trained = [parameter for parameter in self.policy.parameters() if parameter.requires_grad]
            self._updates = UpdateShare(masters() if masters else trained)

    def training_step(self, batch: MicroBatch, batch_idx: int) -> Tensor:
        """Weighted sum of the surrogate; over all micro-batches and ranks of a step it is the method's mean.

        Raises:
            RuntimeError: When the batch was sampled by a policy too old for this step.
        """
        if not 0 <= self.version - batch.version < self.minibatches_per_rollout:
            raise RuntimeError(f"A batch of policy version {batch.version} reached version {self.version}.")
        logp_BT, entropy_BT = completion_logps(self.policy, batch, self.temperature)
        old_logp_BT = logp_BT.detach() if batch.old_logp_BT is None else batch.old_logp_BT
        loss_BT, clipped_BT = self.surrogate(logp_BT, old_logp_BT, batch.advantage_B, batch.mask_BT)
        if self.correction:
            # Both at sampling time; the surrogate's own ratio says how far training has moved since.
            weight_BT, sums = self.correction(old_logp_BT, batch.engine_logp_BT, batch.mask_BT)
            loss_BT = loss_BT * weight_BT
            self._ratios = self._ratios + sums if self._ratios else sums
        # Tensors, so that the device need not be waited for before the backward pass.
        self._clipped_tokens += clipped_BT.sum()
        self._entropy += entropy_BT.sum()
        self._tokens += batch.mask_BT.sum()
        # Lightning divides by the accumulation steps and data-parallel strategies average over ranks, but the
        # weights were divided by the step's global count already: undo both.
        scale = self.trainer.accumulate_grad_batches * self.trainer.world_size
        return (loss_BT.sum(dim=1) * batch.weight_B).sum() * scale

    @property
    def grad_norm(self) -> float:
        """Norm of the last step's gradient, before clipping."""
        return float(getattr(self.trainer.strategy, "grad_norm", self._grad_norm))

    def take_metrics(self) -> dict[str, float]:
        """What the trained tokens showed since the last call: share clipped, entropy, and the correction's ratios; and
        the share of the trained numbers that the last step changed."""
        tokens = max(float(self._tokens), 1.0)
        metrics = {
            "train/clipped_share": float(self._clipped_tokens) / tokens,
            "train/entropy": float(self._entropy) / tokens,
            "train/update_share": self._updates.share(),
        }
        if self._ratios:
            metrics |= self._ratios.metrics()
        self._clipped_tokens = self._entropy = self._tokens = 0
        self._ratios = None
        return metrics

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by the global norm and keep the norm from before, unless the strategy does both over its shards; a step
        whose gradient is not finite changes nothing."""
        if hasattr(self.trainer.strategy, "grad_norm"):
            return
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        limit = float("inf") if gradient_clip_val is None else float(gradient_clip_val)
        self._grad_norm = float(torch.nn.utils.clip_grad_norm_(parameters, limit))
        if not math.isfinite(self._grad_norm):
            # The optimizer leaves parameters without gradient alone, moments and all. DeepSpeed does as much by itself.
            for parameter in parameters:
                parameter.grad = None

    def configure_optimizers(self) -> Any:
        """The optimizer over what is trainable, with its schedule; the number of steps is the trainer's own setting,
        since to estimate it Lightning would ask for a data loader, and that samples."""
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
