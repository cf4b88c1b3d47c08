"""Make a checkpoint a Hugging Face folder: `rlvr-export checkpoint=logs/runs/RUN/checkpoints/step-100`."""

from pathlib import Path

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from rlvr.commands import CONFIGS
from rlvr.config import Export, check_types
from rlvr.console import command, console, one_sentence_errors
from rlvr.memory import for_good


@hydra.main(version_base="1.3", config_path=CONFIGS, config_name="export")
def main(cfg: DictConfig) -> None:
    """Verify the checkpoint, put its parts together, and write the folder."""
    with one_sentence_errors(Path("error.txt")):
        check_types(cfg, Export)
    checkpoint, output = Path(cfg.checkpoint), Path(cfg.output)
    with one_sentence_errors(output.parent / "error.txt"):
        with for_good():  # imported only now: torch takes seconds, and a refused setting should not
            from rlvr.checkpoint.export import check_export, export
            from rlvr.checkpoint.start import CONFIG

        check_export(checkpoint, output)
        trained = OmegaConf.load(checkpoint / CONFIG)
        lora = instantiate(trained.lora) if trained.lora else None
        export(checkpoint, output, lora, half=trained.trainer.precision == "bf16-true")
        console.print(f"Policy of {checkpoint}: [bold]{output}[/]")


def start() -> None:
    """The entry point of the command."""
    command(main)
