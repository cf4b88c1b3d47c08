"""The checks, in the order in which they run: the cheap ones first, and what matters most before what takes longest."""

from dataclasses import dataclass
from importlib.util import find_spec

import torch

# What a check may need beyond torch, lightning and transformers, and how to get it.
PACKAGES = {
    "vllm": "vLLM is not installed: make vllm",
    "deepspeed": "DeepSpeed is not installed: pip install 'rlvr[deepspeed]'",
    "hydra": "hydra-core is not installed: make run",
    "peft": "peft is not installed: pip install 'rlvr[lora]'",
    "trl": "TRL is not installed in this environment",
}


@dataclass(frozen=True)
class Check:
    """One line of the table.

    Attributes:
        name: Short, for `--only`.
        title: What it looks at.
        function: `module:function`; called as function(device, folder) in a process of its own.
        budget_s: Seconds after which that process is ended.
        needs: Packages of `PACKAGES`, `cuda`, or `two devices` (always there on a CPU, where a device is a process).
    """

    name: str
    title: str
    function: str
    budget_s: float
    needs: tuple[str, ...] = ()

    def lack(self) -> str | None:
        """Why the check can't run here, or None if it can."""
        gpus = torch.cuda.device_count()
        if "cuda" in self.needs and not gpus:
            return "there is no GPU that torch can use"
        if "two devices" in self.needs and gpus == 1:
            return "there is one GPU only"
        return next((PACKAGES[need] for need in self.needs if need in PACKAGES and not find_spec(need)), None)


def _check(name: str, title: str, function: str, budget_s: float, *needs: str) -> Check:
    return Check(name, title, f"benchmarks.gpu_check.{function}", budget_s, needs)


CHECKS = (
    _check("device", "what runs here", "device:described", 60),
    _check("collectives", "one group for CPU and GPU tensors", "device:collectives", 60),
    _check("attention", "kernels of grouped heads; packed = padded", "kernels:attention", 90),
    _check("logprobs", "chunked log-probabilities = plain ones", "kernels:logprobs", 60),
    _check("weights", "weights move at lr 1e-6", "weights:plain", 120),
    _check("weights_zero", "they do under ZeRO-2 and ZeRO-3", "weights:sharded", 120, "deepspeed"),
    _check("memory", "plan against measured peak", "memory:peak", 90, "cuda"),
    _check("engine", "mismatch after a sync, three faults caught", "engine:faults", 150, "vllm", "peft", "hydra"),
    _check("sleep", "the engine sleeps and wakes", "engine:sleep", 150, "vllm", "cuda"),
    _check("train", "tokens a second of training", "throughput:training", 90),
    _check("train_1.5B", "tokens a second of a larger policy", "throughput:training_larger", 90, "cuda"),
    _check("sample", "tokens a second of sampling, model runner", "throughput:sampling", 150),
    _check("sample_1.5B", "tokens a second of a larger policy", "throughput:sampling_larger", 150, "cuda"),
    _check("resume", "killed and resumed", "runs:resumed", 200, "hydra"),
    _check("repeat", "two runs are equal to the bit", "runs:repeated", 240, "hydra"),
    _check("ranks", "DDP, ZeRO-2, ZeRO-3 = one process", "ranks:parity", 200, "two devices"),
    _check("run_ranks", "a whole run on two devices", "runs:two_devices", 200, "two devices", "hydra", "vllm"),
    _check("trl", "a step of TRL beside ours", "beside:trl", 120, "trl", "hydra"),
)
