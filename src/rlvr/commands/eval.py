"""Evaluate a policy: sample, grade, and show Pass@k. An evaluation that was stopped is continued."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from rlvr.commands import CONFIGS
from rlvr.console import command, is_first_rank, one_sentence_errors
from rlvr.memory import for_good
from rlvr.preflight.settings import check_evaluation


@hydra.main(version_base="1.3", config_path=CONFIGS, config_name="eval")
def main(cfg: DictConfig) -> None:
    """Check, load, sample, report."""
    run_dir = Path(cfg.paths.run_dir)
    with one_sentence_errors(run_dir / "error.txt"):
        check_evaluation(cfg)
        with for_good():  # imported only now: torch takes seconds, and a refused setting should not
            from rlvr.build.evaluation import evaluate
            from rlvr.report import report_evaluations, write_setting

        write_setting(run_dir)
        evaluate(cfg, run_dir)
        if is_first_rank():
            report_evaluations([run_dir], run_dir)


def start() -> None:
    """The entry point of the command."""
    command(main)
