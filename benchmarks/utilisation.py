"""Checks what the time plan assumes of CPUs, and its error: `python benchmarks/utilisation.py [OVERRIDE ...]`.

Prints utilisation on one thread for SmolLM2-135M's shapes with random weights, then trains the embedded default, or
what the overrides say, and prints the plan beside the time of each phase. All times are processor time, which other
programs disturb less than wall-clock time, so that only the work of this process is measured.
"""

import csv
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr.build import build, plan_of, time_plan_of
from rlvr.callbacks import PassAtKCallback
from rlvr.console import console
from rlvr.data.characters import character_tokenizer
from rlvr.data.countdown import CHARACTERS
from rlvr.models import WarmStartedPolicy
from rlvr.preflight.duration import TimePlan, in_words
from rlvr.rollout import Host, Sampling, named_weights
from rlvr.rollout.hf import HFEngine
from rlvr.scoring import packed
from rlvr.scoring.logprobs import completion_logps
from rlvr.speed.flops import Passed, PolicySize
from rlvr.speed.peaks import measured_flops
from rlvr.step import TrainingSample
from rlvr.tables import Grid
from rlvr.types import Problem

ROOT = Path(__file__).parents[1]
CPU, SMOLLM2 = (
    torch.device("cpu"),
    {
        "vocab_size": 49_152,
        "hidden_size": 576,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "intermediate_size": 1536,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
    },
)
PROBLEMS, GROUP, PROMPT, LONGEST = 2, 16, 120, 64
# Phases of the plan by those of metrics.csv; all else there is everything else.
NAMES = {
    "sample": "rollouts",
    "greedy": "rollouts",
    "score": "scoring",
    "forward": "forward passes",
    "backward": "backward passes",
}


def shapes_of_smollm2() -> Grid:
    """Utilisation of a rollout and of a micro-batch of it, in fp32."""
    torch.manual_seed(0)
    end = {"bos_token_id": None, "eos_token_id": 0, "pad_token_id": 0}
    policy: Any = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **SMOLLM2, **end)).train()
    engine = HFEngine(
        Host(policy, character_tokenizer(CHARACTERS), partial(named_weights, policy), CPU), max_tokens=262_144
    )
    engine.sync(0)
    prompts = torch.randint(1, 49_152, (PROBLEMS, PROMPT)).tolist()
    problems = [Problem(str(index), "", tuple(prompt), "") for index, prompt in enumerate(prompts)]
    with patch.object(engine, "tokenizer") as tokenizer:  # random tokens can't be decoded to texts
        tokenizer.batch_decode = lambda rows, **_: [""] * len(rows)
        rollouts, sampled_s = timed(lambda: engine.generate(problems, GROUP, Sampling(LONGEST), 0, 0))
    pairs = list(zip(problems, rollouts, strict=True))
    batch = packed([TrainingSample(problem, one, 1.0, 1.0) for problem, some in pairs for one in some], 0)
    scores, forward_s = timed(lambda: completion_logps(policy, batch, 1.0))
    _, backward_s = timed(lambda: scores.logp_BT.sum().backward())
    size, peak = PolicySize.of(policy.config), measured_flops(CPU, torch.float32)
    sampled = sum((Passed.of(PROMPT, [len(one.token_ids) for one in some]) for _, some in pairs), Passed())
    rows = [
        ("sampling", sampled_s, size.forward(sampled)),
        ("forward", forward_s, size.forward(batch.passed)),
        ("backward", backward_s, size.backward(batch.passed)),
    ]
    shown = [[name, f"{seconds:.1f}", f"{flops / seconds / peak:.2f}"] for name, seconds, flops in rows]
    return Grid(f"SmolLM2-135M's shapes, of {peak / 1e9:.0f} GFLOP/s", ["phase", "s", "utilisation"], shown)


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    """The result of a call, and its seconds."""
    start = time.perf_counter()
    return action(), time.perf_counter() - start


def trained(cfg: DictConfig) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds of the plan's phases, and mean utilisation of the steps."""
    seconds: dict[str, float] = defaultdict(float)
    with watching(WarmStartedPolicy, "_train", lambda *_: "warm start of the base", seconds), evaluations(seconds):
        run = build(cfg)
        run.trainer.fit(run.module, datamodule=run.data)
    with (Path(cfg.paths.run_dir) / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["time/step"]]
    for row in rows:
        for name, value in row.items():
            phase = name.removeprefix("time/")
            if phase != name and phase != "step":
                seconds[NAMES.get(phase, "everything else")] += float(value or 0)
    used = {name: [float(row[name]) for row in rows if row[name]] for name in rows[-1] if name.startswith("speed/mfu")}
    return seconds, {name: sum(values) / len(values) for name, values in used.items() if values}


def evaluations(seconds: dict[str, float]) -> Any:
    """Measure the time of evaluations, by their titles."""

    def name(callback: Any, trainer: Any, problems: Any, title: str) -> str:
        kinds = {"Base": "base's evaluation", "Trained": "last evaluation"}
        return kinds.get(title.partition(",")[0], "evaluations on the way")

    return watching(PassAtKCallback, "_evaluate", name, seconds)


@contextmanager
def watching(kind: type, method: str, name: Callable[..., str], seconds: dict[str, float]) -> Iterator[None]:
    """Add up the time that calls of a method take."""
    plain = getattr(kind, method)

    def watched(*arguments: Any) -> Any:
        result, spent = timed(lambda: plain(*arguments))
        seconds[name(*arguments)] += spent
        return result

    with patch.object(kind, method, watched):
        yield


def beside(times: TimePlan, seconds: dict[str, float]) -> Grid:
    """The plan, and what was measured."""
    planned = {name: phase.seconds for name, phase in times.phases.items()}
    names = [*planned, *(name for name in seconds if name not in planned)]
    rows = [(name, planned.get(name, 0.0), seconds.get(name, 0.0)) for name in names]
    rows.append(("all", sum(planned.values()), sum(seconds.values())))
    shown = [
        [name, in_words(plan), in_words(seen), f"{plan / seen - 1:+.0%}" if seen else ""] for name, plan, seen in rows
    ]
    return Grid("Time of a run", ["phase", "plan", "measured", "off"], shown)


def main(overrides: list[str]) -> None:
    """Print the tables."""
    console.print(shapes_of_smollm2().rich())
    with tempfile.TemporaryDirectory() as folder, initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        paths = [f"paths.{name}={folder}" for name in ("run_dir", "cache_dir", "log_dir")]
        cfg = compose("train", [*paths, *overrides])
        times = time_plan_of(cfg, plan_of(cfg))
        seconds, used = trained(cfg)
    rows = [[name, f"{share:.2f}"] for name, share in used.items()]
    console.print(Grid(f"Utilisation, of {times.training.flops / 1e9:.0f} GFLOP/s", ["", "mean"], rows).rich())
    console.print(beside(times, seconds).rich())


if __name__ == "__main__":
    time.perf_counter = time.process_time
    torch.set_num_threads(1)
    main(sys.argv[1:])
