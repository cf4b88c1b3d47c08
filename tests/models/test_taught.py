"""A pre-trained model taught on right answers of the task."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr.data import Countdown
from rlvr.errors import ConfigError
from rlvr.models import Checkpoint, TaughtPolicy, WarmStartedPolicy
from rlvr.models.taught import imitation_loss

TASK = Countdown(3, 10, 99, train_size=4, heldout_size=4, seed=0)
SIZE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}


def a_policy(tokenizer):
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(
        AutoConfig.for_model("qwen2", **SIZE, intermediate_size=32, vocab_size=len(tokenizer), bos_token_id=None)
    )


class Saved:
    """A base that a folder holds; how often it was read."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.reads = folder, 0
        tokenizer = TASK.tokenizer()
        a_policy(tokenizer).save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    def checkpoint(self, source, seed, cache_dir) -> Checkpoint:
        self.reads += 1
        return Checkpoint(str(self.folder))


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


def test_it_learns_is_cached_and_is_another_with_another_setting(tmp_path):
    """Loss falls; a second call reads the folder; another number of steps makes another policy."""
    base = Saved(tmp_path / "base")
    taught = TaughtPolicy(
        base, steps=60, batch_size=16, lr=1e-2, warmup_steps=2, clip=1.0, operator_shares=[0.5, 0.3, 0.2]
    )
    checkpoint = taught.checkpoint(TASK, 0, tmp_path / "cache")
    policy, tokenizer = checkpoint.load(None)
    pairs = TASK.demonstrations(np.random.default_rng(1), 32, (0.5, 0.3, 0.2))
    before = float(imitation_loss(a_policy(tokenizer), tokenizer, pairs))
    assert float(imitation_loss(policy, tokenizer, pairs)) < before - 0.5
    made = Path(checkpoint.name).stat().st_mtime_ns
    assert taught.checkpoint(TASK, 0, tmp_path / "cache") == checkpoint
    assert Path(checkpoint.name).stat().st_mtime_ns == made
    other = TaughtPolicy(base, 61, 16, 1e-2, 2, 1.0, [0.5, 0.3, 0.2])
    assert other._key(TASK, Checkpoint("base"), 0) != taught._key(TASK, Checkpoint("base"), 0)


def test_the_learning_rate_rises_holds_and_falls():
    """By hand: two steps up, until half of them, then to 0 at the end."""
    taught = TaughtPolicy(None, steps=10, batch_size=1, lr=1.0, warmup_steps=2, clip=1.0, operator_shares=[1, 0, 0])
    assert [taught._lr_factor(step) for step in (0, 1, 2, 5, 6, 9)] == pytest.approx([0.5, 1, 1, 1, 0.8, 0.2])


def test_words_are_not_for_a_policy_from_scratch():
    """Its tokenizer has sixteen characters; others would all become the end of the text."""
    words = Countdown(3, 10, 99, 4, 4, 0, prompt="Reach {target} with {numbers}: ")
    scratch = WarmStartedPolicy("qwen2", SIZE, 1, 1, 1e-3, (0.9, 0.98), 1, 1.0, (1, 0, 0))
    with pytest.raises(ConfigError, match=r"knows the task's own characters alone, and 'Reach \d\d with \d, \d, \d: '"):
        scratch.config(words)


def test_a_prompt_with_another_placeholder_is_refused():
    """Before any policy is loaded."""
    with pytest.raises(ConfigError, match=r"data\.prompt='\{goal\}': may hold \{digits\}, \{numbers\} and \{target\}"):
        Countdown(3, 10, 99, 4, 4, 0, prompt="{goal}").prepare()
