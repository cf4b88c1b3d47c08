"""Show what methods learn from, before a GPU hour is spent: `rlvr-profile 'methods=[grpo,nsr,bbg]'`."""

from collections import Counter
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from rlvr.commands import CONFIGS
from rlvr.console import command, console, one_sentence_errors
from rlvr.errors import ConfigError
from rlvr.memory import for_good
from rlvr.names import name_of
from rlvr.preflight.settings import check_profile


@hydra.main(version_base="1.3", config_path=CONFIGS, config_name="profile")
def main(cfg: DictConfig) -> None:
    """Compose every method, check it, and show f(p)."""
    run_dir = Path(cfg.paths.run_dir)
    with one_sentence_errors(run_dir / "error.txt"):
        check_profile(cfg)
        methods = composed(cfg)
        for method in methods.values():
            check_profile(method)
        show(methods, run_dir)


def composed(cfg: DictConfig) -> dict[str, DictConfig]:
    """The methods by label: the composed one, or each that `methods` names, with the command's other overrides."""
    given = [override for override in HydraConfig.get().overrides.task if not override.startswith("methods=")]
    if not cfg.methods:
        return {name_of(cfg): cfg}
    if doubled := [override for override in given if override.startswith("algo=")]:
        raise ConfigError(f"{doubled[0]}: methods= names the methods; give one of the two.")
    configs = {method: hydra.compose("profile", [*given, *f"algo={method}".split()]) for method in cfg.methods}
    names = {method: name_of(config) for method, config in configs.items()}
    several = Counter(names.values())

    def label(method: str) -> str:
        _, *own = method.split()
        return " ".join([names[method], *(own if several[names[method]] > 1 else [])])

    return {label(method): config for method, config in configs.items()}


def show(methods: dict[str, DictConfig], run_dir: Path) -> None:
    """Show tables on the terminal, and write numbers and a figure to the folder."""
    with for_good():  # imported only now: torch takes seconds, and a refused setting should not
        from rlvr.build.profiles import notes_of, profile_of
        from rlvr.report.profiles import profile_tables, rates, write_profiles

    profiles = {label: profile_of(cfg, rates()) for label, cfg in methods.items()}
    for table in profile_tables(profiles):
        console.print(table.rich())
    for label, cfg in methods.items():
        for note in notes_of(cfg):
            console.print(f"[dim]{label}: {note}.[/]")
    write_profiles(profiles, run_dir)
    console.print(f"Figure and numbers: [bold]{run_dir}[/]", soft_wrap=True)


def start() -> None:
    """The entry point of the command."""
    command(main)
