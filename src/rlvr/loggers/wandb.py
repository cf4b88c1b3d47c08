"""Weights & Biases. A resumed run keeps its id, and the logger is offline where the server does not answer."""

import netrc
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from rlvr.console import console
from rlvr.files import write_whole

SERVER_TIMEOUT_S = 4.0


def wandb_logger(offline: bool, save_dir: str, tags: Sequence[str] = (), **settings: Any) -> Logger:
    """Lightning's logger for Weights & Biases, offline where its server does not answer or nobody is logged in.

    Args:
        offline: Ask for no server at all.
        save_dir: The run's folder; a process that goes on in it adds to the same run there.
        tags: Words by which the run is found again.
        settings: Arguments of `lightning.pytorch.loggers.WandbLogger`.
    """
    from lightning.pytorch.loggers import WandbLogger

    server = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
    if not offline and not (logged_in(server) and answers(server)):
        console.print(f"[yellow]{server} does not answer or nobody is logged in:[/] logging offline (wandb sync).")
        offline = True
    own = {"id": wandb_id(Path(save_dir)), "tags": list(tags), **settings}
    return WandbLogger(offline=offline, save_dir=save_dir, **own)


@rank_zero_only
def wandb_id(run_dir: Path) -> str:
    """What Weights & Biases calls this run, kept in its folder; None on ranks that don't speak to it."""
    path = run_dir / "wandb_id"
    if not path.exists():
        write_whole(path, secrets.token_hex(4))
    return path.read_text()


def logged_in(server: str) -> bool:
    """Whether there is a key where `wandb login` leaves it. Once wandb itself is asked, it can't go offline."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators(urlsplit(server).hostname or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def answers(server: str) -> bool:
    """Whether there is an HTTP server."""
    try:
        urllib.request.urlopen(server, timeout=SERVER_TIMEOUT_S)
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
    return True
