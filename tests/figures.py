"""Whether a figure shows anything: axes, ticks and texts are grey, what is drawn between them has a colour."""

from io import BytesIO
from pathlib import Path

from matplotlib.image import imread


def coloured(figure: Path | BytesIO) -> int:
    """Pixels that have a colour: those of lines, areas and points, of which empty axes have none."""
    pixels = imread(figure)[..., :3]
    return int((pixels.max(axis=-1) - pixels.min(axis=-1) > 0.15).sum())
