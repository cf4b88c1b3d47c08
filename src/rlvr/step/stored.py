"""Right answers of the base, stored as tokens before training, and what becomes of them in a step."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import torch
from torch import Tensor

from rlvr.errors import RunError
from rlvr.files import write_whole
from rlvr.ranks import Ranks
from rlvr.step.samples import TrainingSample
from rlvr.types import Completion, Group, Problem

SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("token_ids", pa.list_(pa.int32())),
        ("reference_logps", pa.list_(pa.float32())),  # null where the loss needs none
    ]
)


class StoredAnswers:
    """Read from Arrow files without copying them: ranks of a machine share its memory.

    Args:
        folder: Where the files are.

    Raises:
        RunError: When there are none, or one can't be read.
    """

    def __init__(self, folder: Path) -> None:
        files = sorted(folder.glob("*.arrow"))
        if not files:
            raise RunError(f"{folder}: the base's answers, drawn before training, are gone; start the run again.")
        self._table = pa.concat_tables([SCHEMA.empty_table(), *map(_read, files)])
        self._rows: dict[str, list[int]] = {}
        for row, name in enumerate(self._table["problem_id"].to_pylist()):
            self._rows.setdefault(name, []).append(row)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __contains__(self, problem_id: object) -> bool:
        return problem_id in self._rows

    def of(self, problem: Problem) -> list[TrainingSample]:
        """A problem's answers; none where nothing was stored."""
        rows = self._rows.get(problem.id, [])
        return [self._sample(problem, row) for row in rows]

    def _sample(self, problem: Problem, row: int) -> TrainingSample:
        sample = answer_sample(problem, tuple(self._table["token_ids"][row].as_py()))
        logps = self._table["reference_logps"][row].as_py()
        reference_logp_T = None if logps is None else torch.tensor(logps, dtype=torch.float32)
        return replace(sample, reference_logp_T=reference_logp_T, stored=True)


def right_answers(group: Group) -> list[tuple[int, ...]]:
    """Tokens of the distinct right answers, in the order sampled."""
    graded = zip(group.completions, group.verdicts, strict=True)
    return list(dict.fromkeys(one.token_ids for one, verdict in graded if verdict.status == "right"))


def answer_sample(problem: Problem, token_ids: tuple[int, ...]) -> TrainingSample:
    """An answer as the policy reads it, without an engine's log-probabilities, which nothing needs here."""
    return TrainingSample(problem, Completion(token_ids, (0.0,) * len(token_ids), "", "stop"))


def table_of_answers(
    problem_ids: Sequence[str], token_ids: Sequence[Sequence[int]], reference_logps: Sequence[Tensor] | None
) -> pa.Table:
    """A row an answer."""
    logps = pa.nulls(len(problem_ids)) if reference_logps is None else [logp_T.tolist() for logp_T in reference_logps]
    return pa.table([problem_ids, token_ids, logps], schema=SCHEMA)


def write_answers(path: Path, table: pa.Table) -> None:
    """One Arrow file, whole or not at all."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, SCHEMA) as writer:
        writer.write_table(table)
    write_whole(path, sink.getvalue().to_pybytes())


def replayed(
    skipped: Sequence[Problem], stored: StoredAnswers, minibatches: int, ranks: Ranks
) -> list[list[TrainingSample]]:
    """This rank's stored answers in each optimizer step on a batch; a collective.

    Problems that were drawn and not sampled are split evenly over the steps; each token of a step's answers weighs 1
    over how many there are, over all of its micro-batches and ranks.

    Args:
        skipped: Those problems, the same on every rank.
        stored: Answers by problem; a problem without any is left out.
        minibatches: Optimizer steps on the batch.
        ranks: This one among all.
    """
    known = [problem for problem in skipped if problem.id in stored]
    parts = [part.tolist() for part in torch.tensor_split(torch.arange(len(known)), minibatches)]
    return [_step(stored, [known[index] for index in part], ranks) for part in parts]


def _step(stored: StoredAnswers, problems: Sequence[Problem], ranks: Ranks) -> list[TrainingSample]:
    samples = [sample for problem in ranks.shard(problems) for sample in stored.of(problem)]
    tokens = ranks.total(float(sum(sample.completion_tokens for sample in samples)))
    return [replace(sample, weight=1 / tokens) for sample in samples]


def _read(path: Path) -> pa.Table:
    try:
        with pa.memory_map(str(path)) as source:
            return pa.ipc.open_file(source).read_all()
    except (pa.ArrowException, OSError) as error:
        raise RunError(f"{path}: these answers can't be read ({error}); delete the folder and start again.") from error
