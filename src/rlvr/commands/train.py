"""Train a policy: compose, check, plan, build, run, report."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.markup import escape

from rlvr.commands import CONFIGS
from rlvr.commands.tree import config_tree
from rlvr.console import command, console, is_first_rank, one_sentence_errors
from rlvr.folders import check_folder
from rlvr.memory import for_good
from rlvr.names import name_of
from rlvr.preflight.settings import check

if TYPE_CHECKING:
    from rlvr.preflight.plan import Plan


@hydra.main(version_base="1.3", config_path=CONFIGS, config_name="train")
def main(cfg: DictConfig) -> float | None:
    """Do one run, or one job of a multirun, and return the value that a search maximises."""
    run_dir = Path(cfg.paths.run_dir)
    with one_sentence_errors(run_dir / "error.txt"):
        check(cfg)
        if cfg.extras.ignore_warnings:
            warnings.simplefilter("ignore")
        if cfg.extras.print_config:
            console.print(config_tree(cfg))
        if HydraConfig.get().mode == RunMode.RUN:  # a sweep gives its jobs their folders
            check_folder(HydraConfig.get().overrides.hydra)
        return train(cfg, run_dir)


def train(cfg: DictConfig, run_dir: Path) -> float | None:
    """Check whether the settings go together and this machine has what they need; then plan, or plan and run."""
    with for_good():  # only now: torch and what is built on it take seconds to import, and a refused setting should not
        from rlvr.build import engine_of, filter_of, loss_of, strategy_traits
        from rlvr.preflight.kinds import check_kinds
        from rlvr.preflight.machine import check_machine
        from rlvr.preflight.method import check_method
        from rlvr.ranks import follow_parent

    engine, strategy = engine_of(cfg).traits, strategy_traits(cfg)
    check_kinds(cfg, engine, strategy)
    for remark in check_method(cfg, loss_of(cfg), filter_of(cfg)):
        console.print(f"[yellow]{escape(remark)}[/]")
    follow_parent()
    if cfg.preflight == "only":
        show_plan(cfg)
        return None
    check_machine(cfg, [engine.package, strategy.package])
    return run(cfg, run_dir)


def show_plan(cfg: DictConfig) -> None:
    """Show the plan, and do nothing else."""
    with for_good():  # without Lightning, which a plan does not need
        from rlvr.build import plan_of, time_plan_of

    plan = plan_of(cfg)
    console.print(plan.table().rich())
    times = time_plan_of(cfg, plan)
    console.print(times.table().rich(), *times.assumptions, sep="\n")
    plan.check()


def run(cfg: DictConfig, run_dir: Path) -> float | None:
    """Plan, build, run, report."""
    with for_good():
        from rlvr.build import build, plan_of
        from rlvr.checkpoint import starting_point
        from rlvr.plugins import leave_copies
        from rlvr.preflight.machine import check_disk
        from rlvr.ranks import leave_group
        from rlvr.report import report_run, write_setting
        from rlvr.report.sending import send_report
        from rlvr.sweep import objective

    plan = plan_of(cfg)
    plan.check()
    check_disk(plan.checkpoint_gib, Path(cfg.paths.log_dir))
    start = starting_point(cfg, run_dir)
    start.show(run_dir)
    if start.finished:
        return objective(run_dir, cfg.objective)
    console.print(f"[dim]{plan}[/]")
    if is_first_rank():
        say_how_long(cfg, plan)
        OmegaConf.save(cfg, run_dir / "config.yaml", resolve=True)
        leave_copies(run_dir / "plugins")
        leave_profile(cfg, run_dir)
    write_setting(run_dir)
    made = build(cfg)
    made.trainer.fit(made.module, datamodule=made.data, ckpt_path=start.checkpoint, weights_only=True)
    leave_group()
    if not made.trainer.is_global_zero:
        return None
    report_run(run_dir)
    send_report(run_dir, made.trainer.loggers, made.trainer.global_step)
    return objective(run_dir, cfg.objective)


def say_how_long(cfg: DictConfig, plan: "Plan") -> None:
    """Show the time plan in one line."""
    from rlvr.build import time_plan_of

    try:
        console.print(f"[dim]{escape(str(time_plan_of(cfg, plan)))}[/]")
    except Exception as error:  # a user's own parts may fail on the plan's inputs; that must not stop the run
        console.print(f"[dim]No time plan of this run:[/] {escape(str(error))}")


def leave_profile(cfg: DictConfig, run_dir: Path) -> None:
    """Write f(p) of the method, which the report compares with what the run learned from."""
    from rlvr.build.profiles import profile_of
    from rlvr.report.profiles import rates, write_numbers

    try:
        write_numbers({name_of(cfg): profile_of(cfg, rates())}, run_dir)
    except Exception as error:  # a user's own method may fail on made-up outcomes; that must not stop the run
        console.print(f"[dim]No f(p) of this run:[/] {escape(str(error))}")


def start() -> None:
    """The entry point of the command."""
    command(main)
