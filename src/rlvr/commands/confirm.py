"""Test a ledger's claims by fresh samples of base and trained policy, for exactly the problems that are claimed as lost
or won. A test that was stopped is continued."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from rlvr.commands import CONFIGS
from rlvr.console import command, one_sentence_errors
from rlvr.memory import for_good
from rlvr.preflight.settings import check_confirmation


@hydra.main(version_base="1.3", config_path=CONFIGS, config_name="confirm")
def main(cfg: DictConfig) -> None:
    """Find the claims, sample, and write the counts beside each run, where the report finds them."""
    with one_sentence_errors(Path(cfg.paths.run_dir) / "error.txt"):
        check_confirmation(cfg)
        with for_good():  # imported only now: torch takes seconds, and a refused setting should not
            from rlvr.build.confirmation import confirm
            from rlvr.report.claimed import claimed

        confirm(claimed([Path(run) for run in cfg.runs]), cfg.times, cfg.temperatures, cfg.paths)


def start() -> None:
    """The entry point of the command."""
    command(main)
