"""Starts a sweep's jobs, some at a time, follows them to their end, and hands signals on."""

import fcntl
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from rlvr.console import PROGRESS
from rlvr.sweep.job import Job, finished, in_short, sentence, write_jobs
from rlvr.sweep.view import View

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
LOOK_S = 0.2


def run_jobs(new: Sequence[Job], jobs: Sequence[Job], at_once: int, sweep_dir: Path) -> None:
    """Run the unfinished jobs. A signal to stop is sent to the running jobs, and this process ends after them.

    Args:
        new: Jobs to run.
        jobs: All of the sweep so far, for the view and `jobs.json`.
        at_once: How many run at the same time.
        sweep_dir: The sweep's folder.
    """
    for job in new:
        if finished(job.folder):
            job.state, job.result = "skipped", in_short(job.folder)
    runner = Runner([job for job in new if job.state == "waiting"], jobs, at_once, sweep_dir)
    with runner.signals_handed_on(), runner.view:
        for job in new:
            if job.state == "skipped":
                runner.view.changed(job)
        runner.run()
    if runner.signals:
        sys.exit(128 + runner.signals[0])


class Child:
    """A job's process and what it prints.

    Its output goes to a file that is locked as long as any process of the job lives. So two processes never run in one
    folder, even when there is a second sweep, or when a killed launcher has left its job behind.

    Args:
        job: What to run.
        environment: Variables added to this process's own.
    """

    def __init__(self, job: Job, environment: dict[str, str]) -> None:
        resumed = job.folder.exists()
        job.folder.mkdir(parents=True, exist_ok=True)
        self.job = job
        self._pending = b""
        with job.log.open("ab") as log:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            command = [*job.command, *(["ckpt_path=last"] if resumed and job.resumable else [])]
            log.write(f"$ {shlex.join(command)}\n".encode())
            log.flush()
            self._start = log.tell()
            # A session of its own, so that Ctrl-C reaches it once, from here.
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1", "HYDRA_FULL_ERROR": "1", **environment},
                start_new_session=True,
            )
        self._reader = job.log.open("rb")
        self._reader.seek(self._start)

    def new_lines(self) -> list[str]:
        """What it has printed since the last call."""
        *lines, self._pending = (self._pending + self._reader.read()).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def why_failed(self) -> str:
        """One sentence."""
        self._reader.seek(self._start)
        return sentence(self._reader.read().decode(errors="replace"), self.process.returncode)

    def stop(self, signum: int) -> None:
        """Ask it to end. An interrupt or a kill goes to all its processes, as from a terminal; SIGTERM to the first."""
        with suppress(ProcessLookupError):
            if signum in (signal.SIGINT, signal.SIGKILL):
                os.killpg(self.process.pid, signum)
            else:
                self.process.terminate()


class Runner:
    """The loop over waiting and running jobs.

    Args:
        waiting: Jobs to run, in this order.
        jobs: All jobs, for the view.
        at_once: How many run at the same time.
        sweep_dir: The sweep's folder.
    """

    def __init__(self, waiting: Sequence[Job], jobs: Sequence[Job], at_once: int, sweep_dir: Path) -> None:
        self.waiting = deque(waiting)
        self.jobs = jobs
        self.sweep_dir = sweep_dir
        self.places = shares(at_once)
        self.running: dict[int, Child] = {}
        self.signals: list[int] = []
        self._handed_on = 0
        self.view = View(sweep_dir, jobs, at_once)

    def run(self) -> None:
        """Loop until the last job has ended; after a signal, until the jobs that ran at that time have ended."""
        write_jobs(self.sweep_dir, self.jobs)
        while self.running or (self.waiting and not self.signals):
            self._hand_on()
            for place in range(len(self.places)):
                if place not in self.running and self.waiting and not self.signals:
                    self._start(self.waiting.popleft(), place)
            for place, child in list(self.running.items()):
                ended = child.process.poll() is not None  # asked before reading, so that nothing is missed
                child.job.seconds = time.time() - child.job.began
                self.view.output(child.new_lines())
                if ended:
                    self._end(self.running.pop(place))
            self.view.refresh()
            time.sleep(LOOK_S)

    def _start(self, job: Job, place: int) -> None:
        job.state, job.began = "running", time.time()
        job.progress_file.unlink(missing_ok=True)
        environment = {PROGRESS: str(job.progress_file.absolute()), **self.places[place]}
        try:
            self.running[place] = Child(job, environment)
            job.pid = self.running[place].process.pid
        except BlockingIOError:
            job.state, job.error = "failed", "it still runs, started by another sweep; wait for it or end it"
        self._changed(job)

    def _end(self, child: Child) -> None:
        job = child.job
        job.progress_file.unlink(missing_ok=True)
        if self.signals and not finished(job.folder):
            job.state = "stopped"
        elif child.process.returncode == 0:
            job.state, job.result = "done", in_short(job.folder)
        else:
            job.state, job.error = "failed", child.why_failed()
        self._changed(job)

    def _changed(self, job: Job) -> None:
        write_jobs(self.sweep_dir, self.jobs)
        self.view.changed(job)

    def _hand_on(self) -> None:
        """The first signal goes to the jobs, which may save what they have; a second one kills them."""
        for signum in self.signals[self._handed_on :]:
            self._handed_on += 1
            for child in self.running.values():
                child.stop(signum if self._handed_on == 1 else signal.SIGKILL)
            if self._handed_on == 1:
                self.view.stopping(len(self.running))

    @contextmanager
    def signals_handed_on(self) -> Iterator[None]:
        """Handle the signals that ask to stop, except those that are ignored, as under nohup."""
        heard = [signum for signum in STOPPING if signal.getsignal(signum) is not signal.SIG_IGN]
        before = {signum: signal.signal(signum, lambda signum, _: self.signals.append(signum)) for signum in heard}
        try:
            yield
        finally:
            for child in self.running.values():  # none is left, unless this process has failed
                child.stop(signal.SIGTERM)
            for signum, handler in before.items():
                signal.signal(signum, handler)


def shares(at_once: int) -> list[dict[str, str]]:
    """For each of several jobs at a time, its equal part of the CPU cores and of the GPUs, as environment variables."""
    if at_once == 1:
        return [{}]
    cores = len(os.sched_getaffinity(0)) // at_once
    threads = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(max(cores, 1))}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = visible.split(",") if visible else [str(index) for index in range(torch.cuda.device_count())]
    part = len(gpus) // at_once
    if not part:  # fewer GPUs than jobs: all jobs see all of them
        return [threads for _ in range(at_once)]
    return [
        {**threads, "CUDA_VISIBLE_DEVICES": ",".join(gpus[place * part : (place + 1) * part])}
        for place in range(at_once)
    ]
