"""Lightning's DeepSpeed strategy, changed to what reinforcement learning needs, on GPUs and on CPUs."""

import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.seed import reset_seed
from lightning.pytorch.plugins.precision import DeepSpeedPrecision
from lightning.pytorch.strategies import DeepSpeedStrategy
from torch import Tensor
from torch.nn import Module, Parameter

from rlvr.rollout.process import launched
from rlvr.strategy.sharding import StrategyTraits

TAG = "checkpoint"  # the folder that Lightning has DeepSpeed write its shards to


class ShardedStrategy(DeepSpeedStrategy):
    """ZeRO that divides by the batch only once, gathers whole parameters on demand, and does not need a GPU.

    Only a check of Lightning's refuses CPUs. DeepSpeed itself runs there with gloo, so the tests run the real engine,
    sharded over processes.

    Args:
        stage: ZeRO stage: 1 shards optimizer states, 2 gradients too, 3 parameters too.
        offload_optimizer: Keep optimizer states in the host's memory.
    """

    def __init__(self, stage: int, offload_optimizer: bool = False, **settings: Any) -> None:
        on_gpu = torch.cuda.is_available()
        if not on_gpu:
            os.environ.setdefault("DS_ACCELERATOR", "cpu")  # read when deepspeed is imported
            settings.setdefault("process_group_backend", "gloo")
        super().__init__(
            stage=stage,
            offload_optimizer=offload_optimizer,
            pin_memory=offload_optimizer and on_gpu,
            zero_allow_untested_optimizer=True,
            # DeepSpeed's own default. Lightning's is a thousand times larger, and ZeRO-3's optimizer step makes two
            # more copies of a group's gradients.
            sub_group_size=10**9,
            # Used only in DeepSpeed's log. Without it Lightning asks the data loader, which would sample too early.
            logging_batch_size_per_gpu=1,
            **settings,
        )
        assert isinstance(self.config, dict)
        # DeepSpeed's own Adam for offloaded states is a C++ extension that a compiler has to build; torch's runs there.
        self.config["zero_force_ds_cpu_optimizer"] = False

    @classmethod
    def traits(cls, stage: int, offload_optimizer: bool = False, **settings: Any) -> StrategyTraits:
        """Known before anything is made, from the constructor's arguments."""
        return StrategyTraits(stage, offload_optimizer, keeps_masters=True, package="deepspeed")

    # --- what this work asks of a strategy --------------------------------------------------------------------

    def gathered(self, parameters: Sequence[Parameter]) -> AbstractContextManager[Any]:
        """Whole parameters inside the context; a collective under ZeRO-3, nothing otherwise."""
        if not self.zero_stage_3:
            return nullcontext()
        import deepspeed

        return deepspeed.zero.GatheredParameters(list(parameters))

    def partition(self, module: Module) -> None:
        """Give each rank its part of the module's parameters, with rank 0's values, in the type that is trained.

        This is a collective. Parameters that are already partitioned stay as they are.

        ZeRO-3 does the same when it is set up, but only after it has moved the whole model to every GPU.
        """
        import deepspeed

        self._init_config_if_needed()
        assert isinstance(self.config, dict)
        if self.config.get("bf16", {}).get("enabled"):  # as DeepSpeed casts what comes whole; peft's adapters are fp32
            for parameter in module.parameters():
                parameter.data = parameter.data.to(torch.bfloat16)
        # Not as a context: that would change how tensors are made, and round buffers.
        with launched(self.root_device):  # it takes the GPU of LOCAL_RANK, which with trainer.devices=[2,3] is another
            deepspeed.zero.Init(module=module, config_dict_or_path=self.config)

    def gradient_norm(self) -> float:
        """Norm of the last step's whole gradient, before clipping: DeepSpeed clips by itself, over all shards."""
        norm = self.deepspeed_engine.get_global_grad_norm()
        return float(norm) if norm is not None else 0.0

    def masters(self, trained: Iterable[Parameter]) -> list[Tensor]:
        """This rank's part of the fp32 numbers that the optimizer adds to; weights in bf16 are rounded from them."""
        optimizer: Any = self.deepspeed_engine.optimizer
        return list(
            optimizer.fp32_partitioned_groups_flat if self.zero_stage_3 else optimizer.single_partition_of_fp32_groups
        )

    # --- corrections ------------------------------------------------------------------------------------------

    def setup(self, trainer: Any) -> None:
        """Let DeepSpeed cast the weights. Lightning would cast buffers, too, and with RoPE's frequencies in bfloat16
        the angle at the thousandth position is wrong by a radian."""
        self.precision_plugin = _CastByDeepSpeed(self.precision_plugin.precision)  # type: ignore[arg-type]
        super().setup(trainer)

    def backward(self, closure_loss: Tensor, optimizer: Any, *args: Any, **kwargs: Any) -> Tensor:
        """Lightning has divided by the accumulation steps already; DeepSpeed would divide once more."""
        return super().backward(closure_loss, optimizer, *args, scale_wrt_gas=False, **kwargs)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> Any:
        """Tell DeepSpeed which micro-batch is a step's last. Their number changes from rollout to rollout, but
        DeepSpeed would count to the number that it was set up with."""
        module = self.lightning_module
        last = module is None or not module.trainer.fit_loop._should_accumulate()
        self.deepspeed_engine.set_gradient_accumulation_boundary(last)
        return super().optimizer_step(*args, **kwargs)

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any | None = None) -> None:
        """Save enumerations as plain numbers: as some versions of Python pickle them, safe loading can't read them."""
        engine = self.deepspeed_engine.checkpoint_engine
        write = type(engine).save
        engine.save = lambda state_dict, path: write(engine, _plain(state_dict), path)
        super().save_checkpoint(checkpoint, filepath, storage_options)

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Unpickle only plain values and DeepSpeed's own classes; DeepSpeed would unpickle any object in the shards."""
        with plain_values():
            return super().load_checkpoint(checkpoint_path, weights_only)

    @contextmanager
    def model_sharded_context(self) -> Iterator[None]:
        """Do nothing. Lightning's own context would partition every tensor that `configure_model` makes, not only what
        is given to `partition`."""
        yield

    def setup_environment(self) -> None:
        """As for any strategy of several processes, without the check for CUDA."""
        super(DeepSpeedStrategy, self).setup_environment()

    def setup_distributed(self) -> None:
        """Lightning's, without its validation of GPU indices, which fails on CPUs."""
        reset_seed()
        self.set_world_ranks()
        if self.root_device.type == "cpu":
            _without_extension()
        self._init_deepspeed_distributed()

    @property
    def root_device(self) -> torch.device:
        """This rank's device; DeepSpeed asks for an index on CPUs too."""
        device = super().root_device
        return torch.device("cpu", self.local_rank) if device.type == "cpu" else device


class _CastByDeepSpeed(DeepSpeedPrecision):
    def convert_module(self, module: Module) -> Module:
        return module


def whole_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The policy's weights in fp32 from a checkpoint's shards, in this process alone."""
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    with plain_values():
        return dict(get_fp32_state_dict_from_zero_checkpoint(str(checkpoint), tag=TAG))


@contextmanager
def plain_values() -> Iterator[None]:
    """Inside, loading never runs code from a file, whatever the loading library asks for."""
    from deepspeed.runtime.fp16.loss_scaler import LossScaler
    from deepspeed.runtime.zero.config import ZeroStageEnum
    from deepspeed.utils.tensor_fragment import fragment_address

    key = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(key)
    os.environ[key] = "1"
    try:
        with torch.serialization.safe_globals([LossScaler, ZeroStageEnum, fragment_address]):
            yield
    finally:
        del os.environ[key]
        if before is not None:
            os.environ[key] = before


def _plain(state: Any) -> Any:
    if type(state) in (dict, OrderedDict):
        return type(state)((key, _plain(value)) for key, value in state.items())
    return state.value if isinstance(state, Enum) else state


def _without_extension() -> None:
    """Use gloo for collectives on CPUs, since DeepSpeed's own are C++ code that needs a compiler."""
    import deepspeed.ops
    from deepspeed.ops.op_builder.cpu import ShareMemCommBuilder

    deepspeed.ops.__compatible_ops__[ShareMemCommBuilder.NAME] = False
