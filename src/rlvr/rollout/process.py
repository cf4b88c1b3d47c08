"""Lets an engine be built inside the trainer's process without side effects there."""

import os
import random
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import distributed as dist


@contextmanager
def undisturbed(device: torch.device) -> Iterator[None]:
    """Undo what building an engine does to the process.

    Building seeds torch, numpy and random. On CPU it also sets torch to one thread and replaces the function that could
    set more threads.
    """
    set_num_threads, threads = torch.set_num_threads, torch.get_num_threads()
    numpy_state, python_state = np.random.get_state(), random.getstate()
    devices = [device] if device.type == "cuda" else []
    try:
        with launched(device), torch.random.fork_rng(devices), _stderr_on_failure():
            yield
    finally:
        torch.set_num_threads = set_num_threads
        torch.set_num_threads(threads)
        np.random.set_state(numpy_state)
        random.setstate(python_state)


@contextmanager
def launched(device: torch.device) -> Iterator[None]:
    """Set the launcher's environment variables that an engine needs and that Lightning does not set on every rank.

    The engine takes the GPU with the number LOCAL_RANK. This must be the trainer's GPU, whose number under srun, or
    with `trainer.devices=[2,3]`, is not the process's place among those of its machine.
    """
    before = {name: os.environ.get(name) for name in ("RANK", "LOCAL_RANK")}
    os.environ["RANK"] = str(dist.get_rank())
    if device.type == "cuda" and device.index is not None:  # without an index it is already the GPU of this process
        os.environ["LOCAL_RANK"] = str(device.index)
    os.environ.setdefault("LOCAL_RANK", "0")
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def _stderr_on_failure() -> Iterator[None]:
    """Hide what libraries print below Python's level, and show it only when the code inside fails."""
    with tempfile.TemporaryFile() as notes:
        before = os.dup(2)
        os.dup2(notes.fileno(), 2)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except BaseException:
            notes.seek(0)
            os.write(before, notes.read())
            raise
        finally:
            os.dup2(before, 2)
            os.close(before)
