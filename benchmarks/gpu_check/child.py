"""Runs one check in this process: `python -m benchmarks.gpu_check.child MODULE:FUNCTION DEVICE FOLDER`.

The result goes into a file, since libraries may print anything.
"""

import json
import os
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from benchmarks.gpu_check.results import Finding, SkipError, anonymous
from rlvr.files import write_whole

RESULT = "result.json"


def main() -> None:
    """Run the check, and write its finding."""
    module, _, function = sys.argv[1].partition(":")
    folder = Path(sys.argv[3])
    try:
        import torch

        found = asdict(getattr(import_module(module), function)(torch.device(sys.argv[2]), folder))
    except SkipError as reason:
        found = {"skipped": str(reason)}
    except Exception as error:
        import traceback

        traceback.print_exc()
        first = (str(error).strip().splitlines() or [""])[0][:400]
        found = asdict(Finding(False, anonymous(f"{type(error).__name__}: {first}"), {}))
    write_whole(folder / RESULT, json.dumps(found))
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads and groups that the check has left must neither keep this process alive nor make it fail now.
    os._exit(0)


if __name__ == "__main__":
    main()
