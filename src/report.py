"""Show finished runs side by side: one table, one set of figures, paired by problem and seed."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig
from rich.markup import escape

from rlvr.console import console
from rlvr.errors import ConfigError
from rlvr.report import report_together


@hydra.main(version_base="1.3", config_path="../configs", config_name="report")
def main(cfg: DictConfig) -> None:
    """Read the runs, write table and figures."""
    try:
        report_together([Path(run) for run in cfg.runs], Path(cfg.output_dir))
    except ConfigError as error:
        console.print("[bold red]Error:[/]", escape(str(error)))
        sys.exit(2)


if __name__ == "__main__":
    main()
