"""Checks that `verifier=python` finds HumanEval's reference solutions right, and functions that do nothing wrong.

    python -m benchmarks.code HumanEval.jsonl.gz

The file is HumanEval's, with the columns task_id, prompt, canonical_solution, entry_point and test.
"""

import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

from rlvr.console import console
from rlvr.tables import Grid
from rlvr.types import Problem
from rlvr.verify import PythonVerifier


def main() -> None:
    """Print the table."""
    path = Path(sys.argv[1])
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = [json.loads(line) for line in text.splitlines()]
    verifier = PythonVerifier(workers=2, timeout_s=20.0, memory_gib=1.0)
    written = {
        "reference solutions": [row["prompt"] + row["canonical_solution"] for row in rows],
        "functions that return None": [f"def {row['entry_point']}(*_, **__):\n    return None" for row in rows],
    }
    table = []
    for name, codes in written.items():
        start = time.perf_counter()
        items = [(problem(row), f"```python\n{code}\n```") for row, code in zip(rows, codes, strict=True)]
        right = sum(verdict.status == "right" for verdict in verifier.grade(items))
        table.append([name, f"{len(rows)}", f"{right}", f"{1000 * (time.perf_counter() - start) / len(rows):.0f}"])
    console.print(Grid("HumanEval", ["", "judged", "right", "ms a completion"], table).rich())


def problem(row: dict[str, Any]) -> Problem:
    """The problem that the suite humaneval makes of a row."""
    answer = {"tests": row["test"], "prompt": row["prompt"], "entry_point": row["entry_point"]}
    return Problem(row["task_id"], row["prompt"], (0,), json.dumps(answer))


if __name__ == "__main__":
    main()
