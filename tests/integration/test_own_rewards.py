"""The page's commands for rewards of one's own: all compose, and those on the embedded default are whole trainings."""

import csv
import re
import shlex
from pathlib import Path

import pytest
import torch

from rlvr.build import build
from rlvr.preflight.settings import check
from tests.test_configs import CONFIGS

ROOT = CONFIGS.parent
SECTION = (ROOT / "docs" / "verification.md").read_text().partition("## Your own reward")[2].partition("\n## ")[0]
COMMANDS = [shlex.split(line) for line in re.findall(r"^python src/train\.py (.+)$", SECTION, re.MULTILINE)]
EMBEDDED = [command for command in COMMANDS if not command[0].startswith("data=")]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_passes(quick, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]):
    """Started in the repository's folder, where `my_rewards.py` stands for a file of the reader's."""
    (tmp_path / "examples").mkdir()
    own = (ROOT / "examples" / "rewards.py").read_text()
    (tmp_path / "examples" / "rewards.py").write_text(own)
    (tmp_path / "my_rewards.py").write_text(own.replace("def boxed", "def score"))
    monkeypatch.chdir(tmp_path)
    check(quick(*command))


@pytest.mark.parametrize("command", EMBEDDED, ids=" ".join)
def test_a_training_learns_from_it(quick, monkeypatch: pytest.MonkeyPatch, command: list[str]):
    """Three steps on rewards of wrong answers, which move the policy elsewhere than right and wrong alone would."""
    monkeypatch.chdir(ROOT)
    common = ["algo=grpo", "model.steps=100", "logger=csv"]
    weights, rows = trained(quick(*command, *common))
    assert all(float(row["verify/error_share"]) == float(row["verify/timeout_share"]) == 0 for row in rows)
    assert not torch.equal(weights, trained(quick(*common))[0])
    accuracy, reward = (sum(float(row[f"rollout/{name}"]) for row in rows) for name in ("accuracy", "reward"))
    assert reward < accuracy  # penalties for wrong lengths
    if "verifier=weighted" in command:
        for row in rows:
            answer, form, whole = (float(row[f"rollout/reward{name}"]) for name in ("/answer", "/format", ""))
            assert answer == pytest.approx(float(row["rollout/accuracy"]))
            assert form < answer
            assert whole == pytest.approx(answer + 0.1 * form)


def trained(cfg) -> tuple[torch.Tensor, list[dict[str, str]]]:
    """The policy's parameters after three steps, and the rollouts' metrics."""
    check(cfg)
    run = build(cfg)
    run.trainer.fit(run.module, datamodule=run.data)
    assert run.trainer.global_step == 3
    with (Path(cfg.paths.run_dir) / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("rollout/reward")]
    assert len(rows) == 3
    return torch.cat([p.detach().flatten() for p in run.module.policy.parameters()]), rows
