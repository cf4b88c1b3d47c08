"""Ends a process whose engine hangs: nothing inside the process could interrupt a call that never returns."""

import faulthandler
import os
import sys
import threading
import time
from types import TracebackType

HANG_EXIT = 70


class Watchdog:
    """A context in which `beat` must be called at least every `timeout_s` seconds.

    Args:
        timeout_s: Longest time without a beat, seconds.
        doing: What is going on, for the message.
    """

    def __init__(self, timeout_s: float, doing: str) -> None:
        self.timeout_s = timeout_s
        self.doing = doing
        self._over = threading.Event()
        self._last = time.monotonic()

    def __enter__(self) -> "Watchdog":
        self.beat()
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def beat(self) -> None:
        """Report progress."""
        self._last = time.monotonic()

    def _watch(self) -> None:
        while not self._over.wait(max(self._last + self.timeout_s - time.monotonic(), 0.01)):
            if time.monotonic() - self._last >= self.timeout_s:
                faulthandler.dump_traceback(2)
                print(
                    f"Error: no progress for {self.timeout_s:.0f} s in {self.doing}; the process ends here. "
                    "Checkpoints written so far are intact: go on with ckpt_path=...",
                    file=sys.__stderr__,
                    flush=True,
                )
                os._exit(HANG_EXIT)
