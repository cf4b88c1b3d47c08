"""How other loggers show tables of texts, figures and files, each by the calls of its own library."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from rlvr.tables import Grid


class Display(Protocol):
    """What one kind of logger can show."""

    def table(self, logger: Any, name: str, table: Grid, step: int) -> None:
        """A table of texts at an optimizer step."""

    def picture(self, logger: Any, name: str, path: Path, step: int) -> None:
        """A PNG file at an optimizer step."""

    def keep(self, logger: Any, name: str, paths: Sequence[Path]) -> None:
        """Files that belong to the run."""


class WandbDisplay:
    """Weights & Biases: tables, images, one artifact."""

    def table(self, logger: Any, name: str, table: Grid, step: int) -> None:
        """A table of texts at an optimizer step."""
        logger.log_table(name, columns=list(table.header), data=[list(row) for row in table.rows], step=step)

    def picture(self, logger: Any, name: str, path: Path, step: int) -> None:
        """A PNG file at an optimizer step."""
        logger.log_image(name, [str(path)], step=step)

    def keep(self, logger: Any, name: str, paths: Sequence[Path]) -> None:
        """Files that belong to the run."""
        import wandb

        artifact = wandb.Artifact(f"{name}-{logger.experiment.id}", type=name)
        for path in paths:
            artifact.add_file(str(path), name=path.name)
        logger.experiment.log_artifact(artifact)


class TensorBoardDisplay:
    """TensorBoard: Markdown and images; files that are Markdown as text, others stay where they are."""

    def table(self, logger: Any, name: str, table: Grid, step: int) -> None:
        """A table of texts at an optimizer step."""
        logger.experiment.add_text(name, table.markdown(), step)

    def picture(self, logger: Any, name: str, path: Path, step: int) -> None:
        """A PNG file at an optimizer step."""
        from matplotlib.image import imread

        logger.experiment.add_image(name, imread(path)[..., :3], step, dataformats="HWC")

    def keep(self, logger: Any, name: str, paths: Sequence[Path]) -> None:
        """Files that belong to the run."""
        for path in paths:
            if path.suffix == ".md":
                logger.experiment.add_text(f"{name}/{path.name}", path.read_text())


class MLFlowDisplay:
    """MLflow: artifacts of the run."""

    def table(self, logger: Any, name: str, table: Grid, step: int) -> None:
        """A table of texts at an optimizer step."""
        logger.experiment.log_text(logger.run_id, table.markdown(), f"{name}/step-{step}.md")

    def picture(self, logger: Any, name: str, path: Path, step: int) -> None:
        """A PNG file at an optimizer step."""
        logger.experiment.log_artifact(logger.run_id, str(path), f"{name}/step-{step}")

    def keep(self, logger: Any, name: str, paths: Sequence[Path]) -> None:
        """Files that belong to the run."""
        for path in paths:
            logger.experiment.log_artifact(logger.run_id, str(path), name)


class TrackioDisplay:
    """trackio: tables, images, one artifact."""

    def table(self, logger: Any, name: str, table: Grid, step: int) -> None:
        """A table of texts at an optimizer step."""
        import trackio

        shown = trackio.Table(columns=list(table.header), data=[list(row) for row in table.rows])
        logger.experiment.log({name: shown}, step=step)

    def picture(self, logger: Any, name: str, path: Path, step: int) -> None:
        """A PNG file at an optimizer step."""
        import trackio

        logger.experiment.log({name: trackio.Image(str(path))}, step=step)

    def keep(self, logger: Any, name: str, paths: Sequence[Path]) -> None:
        """Files that belong to the run."""
        import trackio

        artifact = trackio.Artifact(name, type=name)
        for path in paths:
            artifact.add_file(str(path), name=path.name)
        logger.experiment.log_artifact(artifact)


DISPLAYS: dict[str, Display] = {
    "WandbLogger": WandbDisplay(),
    "TensorBoardLogger": TensorBoardDisplay(),
    "MLFlowLogger": MLFlowDisplay(),
    "TrackioLogger": TrackioDisplay(),
}
