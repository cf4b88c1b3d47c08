"""TRL's half of `vs_trl.py`, run by TRL's own Python. It takes one JSON argument and prints one JSON line."""

import json
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer


class Clock(TrainerCallback):
    """Seconds and completion tokens of every step."""

    def __init__(self) -> None:
        self.marks: list[float] = []
        self.tokens: list[int] = []

    def on_step_end(self, *args: object, **kwargs: object) -> None:
        """Record the time after an optimizer step."""
        self.marks.append(time.perf_counter())

    def reward(self, completions: list[str], completion_ids: list[list[int]], **kwargs: object) -> list[float]:
        """The same coin as on the other side. TRL passes arguments by these names."""
        self.tokens.append(sum(map(len, completion_ids)))
        return [float(sum(text.encode()) % 2) for text in completions]


def main() -> None:
    """Train, measure, print."""
    asked = json.loads(sys.argv[1])
    folder, skipped = asked["folder"], asked["skipped"]
    prompts = json.loads(Path(f"{folder}/prompts.json").read_text())
    clock = Clock()
    modes: dict[str, dict[str, Any]] = {
        "generate": {},
        "continuous batching": {"use_transformers_continuous_batching": True},
        "vllm": {"use_vllm": True, "vllm_mode": "colocate", "vllm_max_model_length": 256},
    }
    config = GRPOConfig(
        output_dir=f"{folder}/trl",
        per_device_train_batch_size=asked["problems"] * asked["group"],
        num_generations=asked["group"],
        max_completion_length=asked["tokens"],
        max_steps=asked["steps"],
        learning_rate=asked["lr"],
        lr_scheduler_type="constant",
        optim="adamw_torch_fused",
        max_grad_norm=1.0,
        beta=0.0,
        temperature=1.0,
        gradient_checkpointing=False,
        bf16=asked["bf16"],
        use_cpu=not asked.get("cuda", False),
        report_to=[],
        logging_steps=asked["steps"],
        save_strategy="no",
        disable_tqdm=True,
        **modes[asked["mode"]],
    )
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(f"{folder}/policy", dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(f"{folder}/policy", padding_side="left"),
        reward_funcs=clock.reward,
        args=config,
        train_dataset=Dataset.from_dict({"prompt": prompts}),
        callbacks=[clock],
    )
    trainer.train()
    seconds = (clock.marks[-1] - clock.marks[skipped - 1]) / (len(clock.marks) - skipped)
    tokens = statistics.fmean(clock.tokens[skipped:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"step": seconds, "rate": tokens / seconds, "tokens": tokens, "peak": peak}))


if __name__ == "__main__":
    main()
