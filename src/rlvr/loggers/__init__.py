"""Where metrics go: a file of ours that goes on exactly, and others' loggers, which must never stop a training."""

from rlvr.loggers.metrics_csv import MetricsCsv
from rlvr.loggers.mlflow import mlflow_logger
from rlvr.loggers.tolerant import Tolerant
from rlvr.loggers.trackio import TrackioLogger
from rlvr.loggers.wandb import wandb_id, wandb_logger

__all__ = ["MetricsCsv", "Tolerant", "TrackioLogger", "mlflow_logger", "wandb_id", "wandb_logger"]
