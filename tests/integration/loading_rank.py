"""One rank that takes its parts of policies from their files, and writes what it saw.

Not a test itself: `test_sharded_loading.py` starts it, once a rank, under torch's launcher.
"""

import contextlib
import functools
import json
import os
import sys
from pathlib import Path

import lightning
import torch
from peft import LoraConfig
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM

from rlvr.algo import Objective
from rlvr.models import Checkpoint, trainable
from rlvr.ranks import leave_group
from rlvr.rollout import named_weights
from rlvr.strategy import ShardedStrategy
from rlvr.training import PolicyModule

DTYPES = {"32-true": torch.float32, "bf16-true": torch.bfloat16}


class LoadedError(Exception):
    """Ends a run whose policy is in place: nothing more is wanted of it."""


def memory(field: str) -> int:
    """Bytes of this process, `VmRSS` now or `VmHWM` at most since `reset`; pages of mapped files count."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def reset() -> int:
    """Forget the highest mark; bytes now."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


class Watched(PolicyModule):
    """Notes how the policy stands once its weights are in."""

    def configure_model(self) -> None:
        super().configure_model()
        self.peak = memory("VmHWM")
        base = self.policy
        self.state = {
            "partitioned": all(
                p.numel() == 0 and p.ds_tensor.numel() == -(-p.ds_numel // 2) for p in base.parameters()
            ),
            "dtypes": sorted({str(p.ds_tensor.dtype) for p in base.parameters()}),
            "buffers": sorted({str(b.dtype) for b in base.buffers()}),
        }
        if self.only_load:
            raise LoadedError


def load(folder: str, precision: str, lora: LoraConfig | None, only_load: bool) -> tuple[Watched, dict]:
    """Everything that a fit does before its first batch, in two processes."""
    before = reset()
    policy = Checkpoint(folder).hollow(DTYPES[precision])
    torch.manual_seed(int(os.environ["RANK"]))  # adapters must be the same although they are drawn differently
    module = Watched(
        policy=trainable(policy, lora, gradient_checkpointing=False),
        objective=Objective(lambda *_: None),
        optimizer=functools.partial(torch.optim.SGD, lr=0.1),
        warmup_steps=0,
        lr_schedule="constant",
        temperature=1.0,
        minibatches_per_rollout=1,
        checkpoint=Checkpoint(folder),
    )
    module.only_load = only_load
    quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
    trainer = lightning.Trainer(
        accelerator="cpu", devices=2, precision=precision, max_steps=0, strategy=ShardedStrategy(stage=3), **quiet
    )
    with contextlib.suppress(LoadedError):
        trainer.fit(module, DataLoader([0]))
    return module, {"peak": module.peak - before, **module.state}


def compare(folder: str, precision: str, lora: LoraConfig | None) -> dict:
    """Whether what is gathered is what is loaded whole, to the bit, and what adapters (they begin at 0) sum up to."""
    module, seen = load(folder, precision, lora, only_load=False)
    whole = AutoModelForCausalLM.from_pretrained(folder, dtype=DTYPES[precision])
    gathered = module.trainer.strategy.gathered
    weights = dict(named_weights(module.policy, gathered))
    expected = dict(named_weights(whole))
    seen["equal"] = list(weights) == list(expected) and all(torch.equal(weights[n], expected[n]) for n in expected)
    adapters = [p for n, p in module.policy.named_parameters() if ".lora_A" in n]
    with gathered(adapters):
        seen["adapters"] = [float(p.detach().double().sum()) for p in adapters]
    return seen


def compared(folders: list[str]) -> dict:
    """Every folder in fp32, the first also in bf16 and under adapters."""
    lora = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear")
    seen = {Path(folder).name: compare(folder, "32-true", None) for folder in folders}
    seen["bf16"] = compare(folders[0], "bf16-true", None)
    seen["adapters"] = compare(folders[0], "bf16-true", lora)
    return seen


def measured(small: str, large: str) -> dict:
    """The memory that loading takes, after a small policy has brought in all libraries; and that of a whole one."""
    load(small, "bf16-true", None, only_load=True)
    seen = {"sharded": load(large, "bf16-true", None, only_load=True)[1]}
    before = reset()
    if os.environ["RANK"] == "0":
        model = AutoModelForCausalLM.from_pretrained(large, dtype=torch.bfloat16)
        for parameter in model.parameters():
            parameter.sum()  # until then its pages are in the file only
        seen["whole"] = memory("VmHWM") - before
        seen["size"] = sum(parameter.nbytes for parameter in model.parameters())
    return seen


def main() -> None:
    """Do what is asked for, write what was seen."""
    out, wanted, *folders = sys.argv[1:]
    seen = compared(folders) if wanted == "compare" else measured(*folders)
    (Path(out) / f"rank{os.environ['RANK']}.json").write_text(json.dumps(seen))
    leave_group()


if __name__ == "__main__":
    main()
