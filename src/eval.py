"""Evaluate a policy: sample, grade, and show Pass@k; goes on where an earlier evaluation of it stopped."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from rlvr.console import command, one_sentence_errors
from rlvr.preflight.settings import check_evaluation


@hydra.main(version_base="1.3", config_path="../configs", config_name="eval")
def main(cfg: DictConfig) -> None:
    """Check, load, sample, report."""
    with one_sentence_errors(Path(cfg.paths.run_dir) / "error.txt"):
        check_evaluation(cfg)
        from rlvr.evaluation import evaluate  # only now: torch alone takes seconds, and a refusal should not

        evaluate(cfg, Path(cfg.paths.run_dir))


if __name__ == "__main__":
    command(main)
