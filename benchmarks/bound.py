"""A lower bound of a training step's time: the matrix products of one forward and backward pass over every prompt once
and every completion token, and of generation's forward passes, at the rate that the same products reach when run alone.
"""

import json
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def bound(problems: int, group: int, precision: str, folder: Path, tokens: float) -> dict[str, float]:
    """Seconds that the matrix products of a step take alone, by phase.

    Args:
        problems: P a step.
        group: G, completions a problem.
        precision: The trainer's precision.
        folder: The folder with the policy and the prompts.
        tokens: Completion tokens a step, as measured.
    """
    dtype = torch.float32 if precision == "32-true" else torch.bfloat16
    policy = AutoModelForCausalLM.from_pretrained(folder / "policy", dtype=dtype)
    tokenizer = AutoTokenizer.from_pretrained(folder / "policy")
    prompts = json.loads((folder / "prompts.json").read_text())[:problems]
    prompt_tokens = sum(len(tokenizer(prompt)["input_ids"]) for prompt in prompts)
    sequences, length = problems * group, round(tokens / (problems * group))
    linears = [module for module in policy.modules() if isinstance(module, torch.nn.Linear)]
    head = policy.get_output_embeddings()
    body = [linear for linear in linears if linear is not head]
    forward = product_s(head, round(tokens))
    forward += sum(product_s(linear, prompt_tokens + round(tokens)) for linear in body)
    prefill = sum(product_s(linear, prompt_tokens) for linear in body)
    decoded = length * sum(product_s(linear, sequences) for linear in linears)
    return {"sample": prefill + decoded, "forward": forward, "backward": 2 * forward}


def product_s(linear: torch.nn.Linear, rows: int) -> float:
    """Seconds of a product of this layer's matrix with a matrix of so many rows, the best of three."""
    weight_T = linear.weight.T
    x = torch.randn(rows, linear.in_features, dtype=weight_T.dtype)
    best = float("inf")
    with torch.no_grad():
        for _ in range(3):
            start = time.perf_counter()
            x @ weight_T
            best = min(best, time.perf_counter() - start)
    return best
