"""A pre-trained model taught on right answers of the task."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr.data import Countdown
from rlvr.errors import ConfigError
from rlvr.models import PretrainedPolicy, TaughtPolicy, WarmStartedPolicy, underway
from rlvr.models.taught import imitation_loss

TASK = Countdown(3, 10, 99, train_size=4, heldout_size=4, seed=0)
SIZE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}


def a_policy(tokenizer):
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(
        AutoConfig.for_model("qwen2", **SIZE, intermediate_size=32, vocab_size=len(tokenizer), bos_token_id=None)
    )


@pytest.fixture
def taught(tmp_path: Path) -> TaughtPolicy:
    """Of a small policy in a folder."""
    tokenizer = TASK.tokenizer()
    a_policy(tokenizer).save_pretrained(tmp_path / "before")
    tokenizer.save_pretrained(tmp_path / "before")
    base = PretrainedPolicy(str(tmp_path / "before"), None)
    numbers = {"steps": 60, "batch_size": 16, "lr": 1e-2, "warmup_steps": 2, "clip": 1.0}
    return TaughtPolicy(**numbers, base=base)


def test_the_loss_is_that_of_the_answers_alone():
    """Prompts and answers of several lengths in one batch, against each by itself with all of its logits."""
    tokenizer = TASK.tokenizer()
    policy = a_policy(tokenizer)
    pairs = [("12=3:", "1+2"), ("1=1:", "1"), ("999=27:", "9+9+9")]
    sums, tokens = 0.0, 0
    for prompt, answer in pairs:
        asked, said = (tokenizer(text)["input_ids"] for text in (prompt, answer + tokenizer.eos_token))
        logp_TV = policy(torch.tensor([asked + said])).logits[0].log_softmax(-1)
        sums -= sum(float(logp_TV[len(asked) + at - 1, token]) for at, token in enumerate(said))
        tokens += len(said)
    assert float(imitation_loss(policy, tokenizer, pairs)) == pytest.approx(sums / tokens, abs=1e-5)


def test_it_learns_is_cached_and_is_another_with_another_setting(taught: TaughtPolicy, tmp_path: Path):
    """Loss falls; a second call reads the folder; another number of steps makes another policy."""
    checkpoint = taught.checkpoint(TASK, 0, tmp_path / "cache")
    policy, tokenizer = checkpoint.load(None)
    pairs = TASK.demonstrations(np.random.default_rng(1), 32)
    before = float(imitation_loss(a_policy(tokenizer), tokenizer, pairs))
    assert float(imitation_loss(policy, tokenizer, pairs)) < before - 0.5
    made = Path(checkpoint.name).stat().st_mtime_ns
    assert taught.checkpoint(TASK, 0, tmp_path / "cache") == checkpoint
    assert Path(checkpoint.name).stat().st_mtime_ns == made
    assert replace(taught, steps=61).folder(TASK, 0, tmp_path) != taught.folder(TASK, 0, tmp_path)


@pytest.mark.parametrize("killed_at", [1, 30, 59])
def test_a_killed_teaching_goes_on_to_the_same_policy(
    taught: TaughtPolicy, tmp_path: Path, monkeypatch, killed_at: int
):
    """The weights to the digit, the remaining steps alone, and no file left behind."""
    monkeypatch.setattr(underway, "EVERY_S", 0.0)
    monkeypatch.setattr(underway, "SHARE", float("inf"))
    whole = Path(taught.checkpoint(TASK, 0, tmp_path / "whole").name)
    calls = 0

    def loss(policy, tokenizer, pairs):
        nonlocal calls
        calls += 1
        if calls == killed_at + 1:
            raise KeyboardInterrupt
        return imitation_loss(policy, tokenizer, pairs)

    monkeypatch.setattr("rlvr.models.taught.imitation_loss", loss)
    with pytest.raises(KeyboardInterrupt):
        taught.checkpoint(TASK, 0, tmp_path / "cache")
    assert [path.suffix for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock"] == [".underway"]
    again = Path(taught.checkpoint(TASK, 0, tmp_path / "cache").name)
    assert calls == taught.steps + 1
    assert (again / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock"] == [again.name]


@pytest.mark.parametrize("left", [b"", b"PK\x03\x04 half of it"])
def test_half_a_file_is_no_obstacle(taught: TaughtPolicy, tmp_path: Path, capsys, left: bytes):
    """After a power cut; it is said, and the teaching begins again."""
    folder = taught.folder(TASK, 0, tmp_path / "cache")
    folder.parent.mkdir()
    folder.with_name(f".{folder.name}.underway").write_bytes(left)
    taught.checkpoint(TASK, 0, tmp_path / "cache")
    assert "can't be read: beginning again." in capsys.readouterr().out.replace("\n", " ")
    whole = Path(taught.checkpoint(TASK, 0, tmp_path / "whole").name)
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_a_full_disk_does_not_end_it(taught: TaughtPolicy, tmp_path: Path, capsys, monkeypatch):
    """The file is for a kill; the policy itself may still find room."""
    monkeypatch.setattr(underway, "EVERY_S", 0.0)

    def full(*args):
        raise RuntimeError("PytorchStreamWriter failed writing file")

    monkeypatch.setattr(underway.torch, "save", full)
    assert Path(replace(taught, steps=2).checkpoint(TASK, 0, tmp_path / "cache").name).is_dir()
    assert "so that a kill loses more: PytorchStreamWriter" in capsys.readouterr().out.replace("\n", " ")


def test_no_file_is_written_before_it_is_due(taught: TaughtPolicy, tmp_path: Path, monkeypatch):
    """A policy that takes seconds writes nothing."""
    monkeypatch.setattr(underway.torch, "save", lambda *args: pytest.fail("written"))
    taught.checkpoint(TASK, 0, tmp_path / "cache")


def test_the_learning_rate_rises_holds_and_falls(taught: TaughtPolicy):
    """By hand: two steps up, until half of them, then to 0 at the end."""
    factors = [replace(taught, steps=10).lr_factor(step) for step in (0, 1, 2, 5, 6, 9)]
    assert factors == pytest.approx([0.5, 1, 1, 1, 0.8, 0.2])


def test_words_are_not_for_a_policy_from_scratch():
    """Its tokenizer has sixteen characters; others would all become the end of the text."""
    words = Countdown(3, 10, 99, 4, 4, 0, prompt="Reach {target} with {numbers}: ")
    numbers = {"steps": 1, "batch_size": 1, "lr": 1e-3, "warmup_steps": 1, "clip": 1.0}
    scratch = WarmStartedPolicy(**numbers, architecture="qwen2", size=SIZE, betas=(0.9, 0.98))
    with pytest.raises(ConfigError, match=r"knows the task's own characters alone, and 'Reach \d\d with \d, \d, \d: '"):
        scratch.config(words)


def test_a_prompt_with_another_placeholder_is_refused():
    """Before any policy is loaded."""
    with pytest.raises(ConfigError, match=r"data\.prompt='\{goal\}': may hold \{digits\}, \{numbers\} and \{target\}"):
        Countdown(3, 10, 99, 4, 4, 0, prompt="{goal}").prepare()
