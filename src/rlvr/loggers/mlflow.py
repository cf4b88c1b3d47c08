"""MLflow. Where no server is named it writes to a folder of the run."""

import os
from collections.abc import Sequence
from typing import Any

from lightning.pytorch.loggers import Logger


def mlflow_logger(tracking_uri: str | None, save_dir: str, tags: Sequence[str] = (), **settings: Any) -> Logger:
    """Lightning's logger for MLflow.

    Args:
        tracking_uri: Address of a server or a database; None: MLFLOW_TRACKING_URI, or else files in the run's folder.
        save_dir: The run's folder.
        tags: Words by which the run is found again, `tags.WORD = "true"` there.
        settings: Arguments of `lightning.pytorch.loggers.MLFlowLogger`.
    """
    from lightning.pytorch.loggers import MLFlowLogger

    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or f"file:{save_dir}/mlflow"
    if uri.startswith("file:"):
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3.17 wants files to be allowed explicitly
    return MLFlowLogger(tracking_uri=uri, tags=dict.fromkeys(tags, "true"), **settings)
