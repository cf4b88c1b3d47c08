"""Files of graded samples as other programs leave them, made by us. Their shapes: docs/report.md."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HASHED = ("doc", "prompt", "target")
Graded = Mapping[str, Sequence[bool]]
"""By question, right or wrong of each sample."""


def graded(rates: Sequence[float], n: int, seed: int) -> dict[str, list[bool]]:
    """Samples of problems that are solved at these rates."""
    rng = np.random.default_rng(seed)
    return {f"What is {i} + {i}?": (rng.random(n) < rate).tolist() for i, rate in enumerate(rates)}


def answer(question: str, right: bool, sample: int) -> str:
    return f"{question} I think {'so' if right else 'not'}, in way {sample % 3}."


def jsonl(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def ten_lines(path: Path, samples: Graded, **more: object) -> Path:
    """What a person's own script writes."""
    rows = [
        {"problem": f"p{index}", "sample": number, "correct": right, "text": answer(question, right, number), **more}
        for index, (question, those) in enumerate(samples.items())
        for number, right in enumerate(those)
    ]
    if path.suffix == ".jsonl":
        return jsonl(path, rows)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def harness(folder: Path, samples: Graded, filters: Sequence[str] = ("flexible-extract",)) -> str:
    """lm-evaluation-harness with `--log_samples`: a run a sample, told apart by its seed, all in one folder."""
    for number in range(len(next(iter(samples.values())))):
        rows = [
            {
                "doc_id": index,
                "doc": {"question": question, "answer": f"#### {2 * index}"},
                "target": str(2 * index),
                "arguments": {"gen_args_0": {"arg_0": f"Q: {question}\nA:", "arg_1": {"until": ["Q:"]}}},
                "resps": [[answer(question, those[number], number)]],
                "filtered_resps": [str(2 * index)],
                "filter": name,
                "metrics": ["exact_match"],
                **{f"{part}_hash": sha256(f"{part} {question}".encode()).hexdigest() for part in HASHED},
                "exact_match": float(those[number]),
            }
            for name in filters
            for index, (question, those) in enumerate(samples.items())
        ]
        jsonl(folder / f"samples_gsm8k_2026-11-0{1 + number // 10}T0{number % 10}-00-00.000000.jsonl", rows)
    return f"{folder}/samples_gsm8k_*.jsonl"


def verl(path: Path, samples: Graded, extra: bool = False) -> Path:
    """What verl leaves in `trainer.validation_data_dir`: `<step>.jsonl`, a row a sample."""
    return jsonl(
        path,
        [
            {
                "input": f"user\n{question}\nassistant\n",
                "output": answer(question, right, number),
                "gts": str(index),
                "score": (1.0 if right else -1.0) if extra else float(right),
                "step": int(path.stem),
                **({"acc": right, "pred": str(index)} if extra else {}),
            }
            for index, (question, those) in enumerate(samples.items())
            for number, right in enumerate(those)
        ],
    )


def lighteval(folder: Path, samples: Graded) -> str:
    """Lighteval with `--save-details`: a run a sample, each in a folder of its time."""
    for number in range(len(next(iter(samples.values())))):
        rows = [
            {
                "doc": {"query": question, "choices": [str(2 * index)], "gold_index": [0], "id": str(index)},
                "metric": {"extractive_match": float(those[number])},
                "model_response": {"text": [answer(question, those[number], number)], "output_tokens": [[1, 2, 3]]},
            }
            for index, (question, those) in enumerate(samples.items())
        ]
        path = (
            folder
            / f"2026-11-01T00-00-{number:02d}.0"
            / f"details_lighteval|gsm8k|0_2026-11-01T00-00-{number:02d}.0.parquet"
        )
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), path)
    return f"{folder}/*/details_*.parquet"


BLOCKED = """
import sys
NAMES = {"torch", "torchmetrics", "lightning", "pytorch_lightning", "transformers", "scipy", "pandas"}
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from rlvr.commands.report import start
start()
"""


def without_torch(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`rlvr-report` where torch and what stands on it can't be imported."""
    return subprocess.run([sys.executable, "-c", BLOCKED, *arguments], capture_output=True, text=True, timeout=300)
