"""Sends a finished run's Pass@k curve and report to the loggers that can show them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rlvr.loggers import Tolerant

FILES = ("pass_at_k.md", "pass_at_k.json", "report.html", "figures/pass_at_k.pdf", "config.yaml")


def send_report(run_dir: Path, loggers: Iterable[Any], step: int) -> None:
    """Send the Pass@k curve as an image, and the run's tables and figures as its report."""
    figure = run_dir / "figures" / "pass_at_k.png"
    files = [path for name in FILES if (path := run_dir / name).is_file()]
    for logger in loggers:
        if isinstance(logger, Tolerant):
            if figure.is_file():
                logger.picture("pass_at_k", figure, step)
            logger.keep("report", files)
            logger.save()
