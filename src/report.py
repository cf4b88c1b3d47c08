"""Show finished runs side by side: one table, one set of figures, paired by problem and seed."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from rlvr.console import one_sentence_errors
from rlvr.report import report_together


@hydra.main(version_base="1.3", config_path="../configs", config_name="report")
def main(cfg: DictConfig) -> None:
    """Read the runs, write table and figures."""
    with one_sentence_errors(Path(cfg.output_dir) / "error.txt"):
        report_together([Path(run) for run in cfg.runs], Path(cfg.output_dir))


if __name__ == "__main__":
    main()
