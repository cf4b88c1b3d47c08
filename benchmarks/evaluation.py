"""Compares evaluation through vLLM with vLLM alone: `make bench-evaluation`.

Three ways take turns with the same engine, prompts and lengths. The first is vLLM's own offline `generate`, which gets
everything at once and returns only tokens. The second also returns log-probabilities, which an evaluation stores. The
third is what `src/eval.py` does: calls after which it can be resumed, a seed for each request, texts, grading in a
thread, a store on disk. As for hundreds of problems, a call has more completions than the engine runs at a time. The
result is completion tokens a second, the best turn of each.
"""

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from rlvr.build import quiet
from rlvr.console import console
from rlvr.eval import Job, SampleStore, sample
from rlvr.ranks import Ranks
from rlvr.rollout import VLLM, Host, Sampling, named_weights
from rlvr.tables import Grid

ROOT = Path(__file__).parents[1]
MATH = ROOT / "tests" / "data" / "math_problems.jsonl"
N, TOKENS, SLOTS, TURNS = 16, 32, 32, 2


def measure() -> dict[str, list[float]]:
    """Tokens a second of each way, one number for each turn."""
    from vllm import SamplingParams

    quiet()
    data = ["data=files", f"data.train.path={MATH}", f"data.heldout.path={MATH}", "data.contamination=report"]
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        cfg = compose("train", ["model=smollm2_135m", *data])
    source, verifier = instantiate(cfg.data), instantiate(cfg.verifier)
    policy, tokenizer = instantiate(cfg.model).load(source, 0, ROOT / "logs" / "cache", torch.float32)
    problems = source.splits(tokenizer).heldout
    host = Host(policy, tokenizer, partial(named_weights, policy), policy.device)
    engine: Any = VLLM(512, 1.0, SLOTS, 1, None, 600.0, ROOT / "logs" / "cache").build(host)
    engine.sync(0)
    prompts: Any = [{"prompt_token_ids": list(problem.prompt_ids)} for problem in problems]
    asked = {
        "vLLM alone": SamplingParams(n=N, max_tokens=TOKENS, detokenize=False, stop_token_ids=engine._eos),
        "vLLM alone, log-probabilities": SamplingParams(
            n=N, max_tokens=TOKENS, detokenize=False, stop_token_ids=engine._eos, logprobs=0, flat_logprobs=True
        ),
    }
    rates: dict[str, list[float]] = {name: [] for name in (*asked, "evaluation")}
    engine.llm.generate(prompts[:2], *list(asked.values())[:1], use_tqdm=False)  # warm-up: this is done only once
    for turn in range(TURNS):
        for name, parameters in asked.items():
            engine.llm.reset_prefix_cache()
            start = time.perf_counter()
            outputs = engine.llm.generate(prompts, parameters, use_tqdm=False)
            tokens = sum(len(one.token_ids) for output in outputs for one in output.outputs)
            rates[name].append(tokens / (time.perf_counter() - start))
        engine.llm.reset_prefix_cache()
        with tempfile.TemporaryDirectory() as folder:
            store, start = SampleStore(Path(folder)), time.perf_counter()
            sample(Job(problems, N, Sampling(TOKENS), turn, ""), engine, verifier, store, Ranks(0, 1))
            seconds = time.perf_counter() - start
            rates["evaluation"].append(sum(store.read(["tokens"])["tokens"].to_pylist()) / seconds)
    engine.close()
    return rates


def main() -> None:
    """Print the table."""
    best = {name: max(values) for name, values in measure().items()}
    rows = [[name, f"{value:,.0f}", f"{value / best['vLLM alone']:.2f}"] for name, value in best.items()]
    title = f"SmolLM2-135M, 20 problems of MATH x {N} completions of at most {TOKENS} tokens, {SLOTS} at a time"
    console.print(Grid(title, ["", "tokens/s", "of vLLM alone"], rows).rich())


if __name__ == "__main__":
    main()
