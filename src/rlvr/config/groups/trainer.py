"""`configs/trainer/`, `configs/logger/`, `configs/callbacks/` and the optimizer: everything around the step."""

from typing import Any, ClassVar, Literal

from rlvr.config.keys import Built, key


class Strategy(Built):
    """How ranks train together."""


class ShardedStrategy(Strategy):
    """DeepSpeed's ZeRO."""

    # Lightning's DeepSpeedStrategy takes forty more; these are the ones that a large model may want.
    unchecked: ClassVar[tuple[str, ...]] = (
        *("timeout", "process_group_backend", "offload_parameters", "offload_params_device", "nvme_path"),
        *("offload_optimizer_device", "allgather_bucket_size", "reduce_bucket_size", "overlap_comm"),
        *("contiguous_gradients", "sub_group_size", "loss_scale", "remote_device", "config"),
    )
    stage: Literal[1, 2, 3] = key("shards optimizer states (1), gradients too (2), parameters too (3)")
    offload_optimizer: bool = key("keep optimizer states in the host's memory", optional=True)


class Trainer(Built):
    """Lightning's Trainer; its further arguments may be added with +."""

    # All others that it takes, but for callbacks, logger and plugins, which are made elsewhere. A test compares them
    # with Lightning's own, which is too slow to import for a check.
    unchecked: ClassVar[tuple[str, ...]] = (
        *("fast_dev_run", "min_epochs", "min_steps", "max_time", "limit_train_batches", "limit_val_batches"),
        *("limit_test_batches", "limit_predict_batches", "overfit_batches", "val_check_interval"),
        *("check_val_every_n_epoch", "enable_checkpointing", "accumulate_grad_batches", "gradient_clip_algorithm"),
        *("deterministic", "benchmark", "inference_mode", "profiler", "detect_anomaly", "barebones"),
        *("sync_batchnorm", "enable_autolog_hparams", "model_registry"),
    )
    accelerator: Literal["cpu", "cuda", "mps"] = key("what a rank computes on")
    devices: Literal["auto", -1] | int | list[int] = key(
        "ranks of a machine, or the indices of its GPUs; auto or -1: all", low=0
    )
    num_nodes: int = key("machines", low=1, optional=True)
    precision: Literal["32-true", "bf16-mixed", "bf16-true"] = key("what the policy is computed and kept in")
    strategy: str | Strategy = key("how ranks train together, such as ddp", optional=True)
    max_steps: int = key("optimizer steps", low=1)
    max_epochs: Literal[-1] = key("an epoch is one rollout; steps decide")
    gradient_clip_val: float | None = key("largest gradient norm; null: no limit", above=0)
    reload_dataloaders_every_n_epochs: Literal[1] = key("a new rollout every epoch keeps training on-policy")
    use_distributed_sampler: Literal[False] = key("each rank draws its own problems")
    default_root_dir: str = key("where Lightning writes")
    log_every_n_steps: int = key("optimizer steps between rows of metrics", low=1)
    num_sanity_val_steps: int = key("Lightning's trial validation, of which there is none here", low=0)
    enable_progress_bar: bool = key("Lightning's bar, beside ours")
    enable_model_summary: bool = key("Lightning's table of layers")


class Optimizer(Built):
    """What moves the parameters; any of torch's by its path."""

    called_later: ClassVar[bool] = True


class AdamW(Optimizer):
    """torch's AdamW."""

    unchecked: ClassVar[tuple[str, ...]] = ("foreach", "maximize", "capturable", "differentiable")
    lr: float = key("learning rate: matters most", above=0)
    betas: tuple[float, float] = key("decay of the two moments", low=0, below=1)
    eps: float = key("added to the denominator", above=0, optional=True)
    weight_decay: float = key("pull towards 0", low=0)
    amsgrad: bool = key("the variant of that name", optional=True)
    fused: bool | None = key("one kernel for all parameters", optional=True)


class Callback(Built):
    """Called during the run."""


class OfTheRun(Callback):
    """A callback that gets what the run's parts share."""

    called_later: ClassVar[bool] = True


class SampleTable(OfTheRun):
    """Rollouts in samples.parquet."""

    every_n_rollouts: int = key("from one whose samples are kept to the next; 1: all are", unit="rollouts", low=1)


class Checkpoints(OfTheRun):
    """Saves checkpoints, from which a killed run resumes."""

    every_n_rollouts: int = key("what a killed run has to do again at most", unit="rollouts", low=1)
    keep: int = key("checkpoints kept: the newest, and some to fall back on", low=1)


class NonFiniteGuard(OfTheRun):
    """Ends a run whose gradients are not finite."""

    limit: int = key("steps in a row without a finite gradient, after which the run ends", low=1)


class StepMetrics(OfTheRun):
    """The progress bar and a row of metrics a step."""


class StalledGuard(Callback):
    """Ends a run that learns nothing."""

    limit: int = key("rollout batches in a row that no completion learned from, after which the run ends", low=1)


class CollapseGuard(Callback):
    """Ends a run whose accuracy and entropy have collapsed."""

    window: int = key("rollout batches averaged over", low=1)
    accuracy_share: float = key("part of the best accuracy so far, below which it has", low=0, high=1)
    entropy_factor: float = key("times the entropy at the best accuracy, up or down, beyond which it has", low=1)


class PassAtKStopping(OfTheRun):
    """Ends a run whose Pass@k no longer rises, and keeps the best policy."""

    k: int = key("of Pass@k; at most eval.n", low=1)
    patience: int = key("evaluations along the way in a row without a new best", low=1)


class Interference(OfTheRun):
    """Measures what updates do to the base's right answers to other problems."""

    samples: int = key("completions a problem from which right answers are taken", low=1)
    answers: int = key("right answers of a problem at most", low=1)
    max_tokens: int = key("completion tokens kept in all", unit="tokens", low=1)
    every_n_steps: int = key("optimizer steps between measured updates", low=1)


class LearningRateMonitor(Callback):
    """Lightning's: the learning rate of every group of parameters."""

    logging_interval: Literal["step", "epoch"] | None = key("when; an epoch is one rollout", optional=True)
    log_momentum: bool = key("the optimizer's momentum, too", optional=True)
    log_weight_decay: bool = key("its weight decay, too", optional=True)


class DeviceStatsMonitor(Callback):
    """Lightning's: a device's counters, before and after each micro-batch."""

    cpu_stats: bool | None = key("those of the CPU: beside a GPU's, never, or where there is no GPU", optional=True)


class RichModelSummary(Callback):
    """Lightning's: the policy's layers and their parameters."""

    max_depth: int = key("layers of layers; -1: all", low=-1, optional=True)


class Logger(Built):
    """Where metrics go."""


class MetricsCsv(Logger):
    """metrics.csv."""

    path: str = key("the file")


class TensorBoard(Logger):
    """TensorBoard."""

    unchecked: ClassVar[tuple[str, ...]] = ("log_graph", "default_hp_metric", "prefix", "sub_dir")
    save_dir: str = key("the run's folder")
    name: str | None = key("folder below it")
    version: str | int | None = key("folder below that; empty: none")


class Wandb(Logger):
    """Weights & Biases."""

    unchecked: ClassVar[tuple[str, ...]] = (
        *("entity", "group", "notes", "job_type", "id", "log_model", "prefix", "resume", "config"),
        *("mode", "checkpoint_name", "anonymous", "settings"),
    )
    save_dir: str = key("the run's folder")
    project: str = key("project there")
    name: Any = key("the run's name there")
    tags: list[str] = key("its tags there")
    offline: bool = key("ask for no server; `wandb sync` sends it later")


class MLFlow(Logger):
    """MLflow."""

    unchecked: ClassVar[tuple[str, ...]] = ("prefix", "artifact_location", "run_id", "synchronous", "log_model")
    tracking_uri: str | None = key("a server or a database; null: MLFLOW_TRACKING_URI, else files in the run's folder")
    save_dir: str = key("the run's folder")
    experiment_name: str = key("experiment there")
    tags: list[str] = key("its tags there, each with the value true")
    run_name: Any = key("the run's name there")


class Trackio(Logger):
    """trackio."""

    save_dir: str = key("where `trackio show` finds the runs")
    project: str = key("project there")
    name: Any = key("the run's name there")
