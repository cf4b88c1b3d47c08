"""Show finished runs side by side: one table, one set of figures, paired by problem and seed."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from rlvr.config import Report, check_types
from rlvr.console import command, one_sentence_errors
from rlvr.memory import for_good


@hydra.main(version_base="1.3", config_path="../configs", config_name="report")
def main(cfg: DictConfig) -> None:
    """Read the runs, write table and figures."""
    with one_sentence_errors(Path(cfg.output_dir) / "error.txt"):
        check_types(cfg, Report)
        with for_good():  # only now: it takes seconds, and a refusal should not
            from rlvr.report import report_together

        report_together([Path(run) for run in cfg.runs], Path(cfg.output_dir))


if __name__ == "__main__":
    command(main)
