"""What a run knows about its reasoning boundary: the file `pass_at_k.json`."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rlvr.eval.bootstrap import Interval, bootstrap_mean
from rlvr.eval.evaluation import Curve, Evaluation, curves_to_json
from rlvr.eval.pass_at_k import powers_of_two
from rlvr.files import write_whole

FILE_NAME = "pass_at_k.json"


@dataclass
class SplitRecord:
    """Results on one set of problems.

    Attributes:
        base: The policy before RL.
        trained: The policy at the last step; None while the run goes on.
        guess_rate: Chance that one blind guess is right, by problem, where the task knows it.
        path: Cheaper evaluations along the way, by optimizer step; the first (step 0) is the base.
    """

    base: Evaluation
    trained: Evaluation | None = None
    guess_rate: list[float] | None = None
    path: dict[int, Evaluation] = field(default_factory=dict)

    def guess_pass_at(self, k: int) -> float:
        """Exact Pass@k of blind guessing: 1 - (1 - p)^k, mean over problems."""
        return float(np.mean(1 - (1 - np.array(self.guess_rate)) ** k))

    def difference(self, k: int) -> Interval:
        """Trained minus base, paired by problem."""
        assert self.trained is not None
        return bootstrap_mean((self.trained.by_problem(k) - self.base.by_problem(k))[None])

    def curves(self) -> dict[str, Curve]:
        """Pass@k of base, trained policy, their difference, and blind guessing (exact), as far as there are any."""
        ks = powers_of_two(self.base.n)
        curves: dict[str, Curve] = {"base": self.base.intervals()}
        if self.trained is not None:
            curves |= {"trained": self.trained.intervals(), "difference": {k: self.difference(k) for k in ks}}
        if self.guess_rate is not None:
            curves["guess"] = {k: Interval(guess, guess, guess) for k in ks for guess in [self.guess_pass_at(k)]}
        return curves


@dataclass
class RunRecord:
    """One training run.

    Attributes:
        label: What tables and figures call its method.
        seed: The run's seed.
        splits: Results by set of problems: `heldout` and `train`.
        generated: Completion tokens sampled for training up to an optimizer step, over all ranks, greedy and dropped
            completions included; by step.
    """

    label: str
    seed: int
    splits: dict[str, SplitRecord]
    generated: dict[int, float] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write `pass_at_k.json`: counts by problem, and the curves with intervals that follow from them."""
        document = asdict(self)
        for name, split in self.splits.items():
            document["splits"][name]["curves"] = curves_to_json(split.curves())
        write_whole(folder / FILE_NAME, json.dumps(document, indent=1))

    @classmethod
    def read(cls, folder: Path) -> "RunRecord":
        """Read a run's folder."""
        return cls.from_json(json.loads((folder / FILE_NAME).read_text()))

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "RunRecord":
        """Build from `asdict`'s record; further keys are left alone."""
        splits = {name: _read_split(split) for name, split in document["splits"].items()}
        generated = {int(step): tokens for step, tokens in document.get("generated", {}).items()}
        return cls(document["label"], document["seed"], splits, generated)


def _read_split(split: dict[str, Any]) -> SplitRecord:
    return SplitRecord(
        base=Evaluation.from_json(split["base"]),
        trained=Evaluation.from_json(split["trained"]) if split["trained"] else None,
        guess_rate=split["guess_rate"],
        path={int(step): Evaluation.from_json(evaluation) for step, evaluation in split["path"].items()},
    )
