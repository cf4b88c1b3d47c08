"""Where metrics go: our own file, which a resumed run continues exactly, and other loggers, which never stop a run."""

from rlvr.loggers.metrics_csv import MetricsCsv
from rlvr.loggers.mlflow import mlflow_logger
from rlvr.loggers.tolerant import Tolerant
from rlvr.loggers.trackio import TrackioLogger
from rlvr.loggers.wandb import wandb_id, wandb_logger

__all__ = ["MetricsCsv", "Tolerant", "TrackioLogger", "mlflow_logger", "wandb_id", "wandb_logger"]
