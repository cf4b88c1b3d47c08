"""Report on finished runs side by side, or on samples that were made elsewhere."""

from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from rlvr.commands import CONFIGS
from rlvr.config import Report, check_types
from rlvr.console import command, one_sentence_errors
from rlvr.errors import ConfigError
from rlvr.memory import for_good


@hydra.main(version_base="1.3", config_path=CONFIGS, config_name="report")
def main(cfg: DictConfig) -> None:
    """Read runs or samples, and write a table, figures and a page."""
    out = Path(cfg.output_dir)
    with one_sentence_errors(out / "error.txt"):
        check_types(cfg, Report)
        if cfg.samples is not None and cfg.runs:
            raise ConfigError("samples: a report is of runs or of samples; leave one of runs= and samples= out.")
        with for_good():  # imported only now: it takes seconds, and a refused setting should not
            from rlvr.report.outside import Wanted, report_samples
            from rlvr.report.write import report_together

        if cfg.samples is None:
            report_together([Path(run) for run in cfg.runs], out)
        else:
            plain = OmegaConf.to_container(cfg, resolve=True)
            assert isinstance(plain, dict)
            wanted = Wanted(plain["base"], plain["n"], plain["threshold"], plain["filter"], plain["columns"])
            report_samples(plain["samples"], wanted, out)


def start() -> None:
    """The entry point of the command."""
    command(main)
