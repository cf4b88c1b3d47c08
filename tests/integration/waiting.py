"""A verifier that keeps a rollout from ending, for as long as a test wants; a config names it by `_target_`."""

import os
import time
from pathlib import Path

from rlvr.verify import CountdownVerifier


class Waits(CountdownVerifier):
    """Grades nothing while the file `hold` is there, and adds a byte to `beats` every few milliseconds meanwhile.

    Both lie in the folder that the environment variable HOLD names.
    """

    def grade(self, items):
        folder = Path(os.environ["HOLD"])
        while (folder / "hold").exists():
            with (folder / "beats").open("a") as beats:
                beats.write(".")
            time.sleep(0.02)
        return super().grade(items)
