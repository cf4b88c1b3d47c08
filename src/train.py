"""Train a policy: compose, check, build, run, report."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf
from rich.markup import escape

from rlvr.build import build
from rlvr.checks import check
from rlvr.console import console
from rlvr.errors import ConfigError
from rlvr.report import report_run


@hydra.main(version_base="1.3", config_path="../configs", config_name="train")
def main(cfg: DictConfig) -> None:
    """One run, or one job of a multirun."""
    try:
        check(cfg)
        run_dir = Path(cfg.paths.run_dir)
        OmegaConf.save(cfg, run_dir / "config.yaml", resolve=True)
        run = build(cfg)
        run.trainer.fit(run.module, datamodule=run.data, ckpt_path=cfg.ckpt_path, weights_only=True)
        if run.trainer.is_global_zero:
            run.module.policy.save_pretrained(run_dir / "policy")
            run.tokenizer.save_pretrained(run_dir / "policy")
            report_run(run_dir)
    except ConfigError as error:
        console.print("[bold red]Error:[/]", escape(str(error)))
        sys.exit(2)


if __name__ == "__main__":
    main()
