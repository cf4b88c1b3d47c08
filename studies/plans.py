"""Writes the plans of settings into tables of docs/experiments.md and docs/gpu_guide.md: `python -m studies.plans`.

The numbers are those of `preflight=only`, which loads and downloads nothing; a test holds the pages current.
"""

import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

import rlvr  # noqa: F401  sets what must be set before torch is imported
from rlvr.build import plan_of
from rlvr.preflight.plan import Plan
from rlvr.preflight.settings import check

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "docs" / "experiments.md", ROOT / "docs" / "gpu_guide.md"]
EXPERIMENTS = sorted(path.stem for path in (ROOT / "configs" / "experiment").glob("*.yaml"))
MARKED = re.compile(r"(<!-- python -m studies\.plans: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
ONE = "trainer.devices=1"
GUIDE = {
    "1 x 24 GB, 1.5B, adapters": (
        f"self_qwen1_5b trainer=gpu {ONE} lora=rank16 batch.micro_batch_tokens=8192 gpu_gib=24"
    ),
    "1 x 24 GB, 1.5B, all parameters": (
        f"self_qwen1_5b trainer=deepspeed_zero3_offload {ONE} batch.micro_batch_tokens=8192 gpu_gib=24"
    ),
    "1 x 80 GB, 1.5B, all parameters": f"self_qwen1_5b trainer=gpu {ONE} gpu_gib=80",
    "1 x 80 GB, 7B, adapters": f"self_qwen7b trainer=gpu {ONE} lora=rank16 gpu_gib=80",
    "1 x 80 GB, 7B, all parameters": f"self_qwen7b trainer=deepspeed_zero3_offload {ONE} gpu_gib=80",
    "8 x 80 GB, 7B, all parameters": "self_qwen7b trainer.devices=8 gpu_gib=80",
    "8 x 80 GB, 4B, long completions": "nsr_qwen3_4b trainer.devices=8 gpu_gib=80",
    "2 machines of 8 x 80 GB, 7B": "self_qwen7b trainer.devices=8 +trainer.num_nodes=2 gpu_gib=80",
}


def planned(overrides: Sequence[str]) -> tuple[DictConfig, Plan]:
    """The checked config and its plan.

    Raises:
        rlvr.errors.ConfigError: When the settings can't work, or do not fit.
    """
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        cfg = compose("train", [*overrides, "paths.run_dir=run"])
    check(cfg)
    plan = plan_of(cfg)
    plan.check()
    return cfg, plan


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown. The first column is text, the others are numbers."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def experiments() -> str:
    """A row for each published setting."""
    heads = ["`experiment=`", "GPUs", "rollout batches", "optimizer steps", "completions", "longest, tokens"]
    rows = []
    for name in EXPERIMENTS:
        _, plan = planned([f"experiment={name}"])
        drawn = plan.rollouts * plan.problems_per_step * plan.group_size
        counts = [plan.ranks, plan.rollouts, plan.max_steps, drawn, plan.max_new_tokens]
        peak, disk = max(plan.memory.peaks_gib.values()), plan.checkpoint_gib
        rows.append([name, *(f"{count:,}" for count in counts), f"{peak:.0f}", f"{disk:.0f}"])
    return table([*heads, "GiB a GPU", "GiB a checkpoint"], rows)


def guide() -> str:
    """A row for each machine, and below it the command that prints its plan."""
    heads = ["machine and model", "GPUs", "training", "optimizer step", "sampling", "allowed", "host", "checkpoint"]
    rows, commands = [], ""
    for name, settings in GUIDE.items():
        cfg, plan = planned(f"experiment={settings}".split())
        host = max(plan.memory.host_gib.values())
        sizes = [*plan.memory.peaks_gib.values(), 0.9 * cfg.gpu_gib, host, plan.checkpoint_gib]
        rows.append([name, str(plan.ranks), *(f"{gib:.0f}" for gib in sizes)])
        command = textwrap.wrap(f"python src/train.py experiment={settings} preflight=only", 90, break_on_hyphens=False)
        commands += f"# {name}\n" + " \\\n    ".join(command) + "\n"
    return f"{table(heads, rows)}\n```\n{commands}```\n"


TABLES: dict[str, Callable[[], str]] = {"experiments": experiments, "guide": guide}


def current(page: str) -> str:
    """The page, with every marked table replaced by a new one."""
    return MARKED.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", page)


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(current(path.read_text()))
