"""What differs between the config of a checkpoint and the present one."""

from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

# Settings that must not change within a run, or its curve would be that of two runs: its problems, its method, its
# policy, and what its base was measured with.
FIXED = (
    *("model", "lora", "data", "pool", "verifier", "algo", "seed"),
    *("batch.group_size", "batch.problems_per_step", "batch.minibatches_per_rollout"),
    *("rollout.sampling", "eval.n", "eval.temperature", "eval.top_p"),
    *("eval.max_new_tokens", "eval.train_problems", "eval.cross"),
    *("trainer.strategy", "trainer.devices", "trainer.num_nodes", "trainer.precision"),
)
# Where a run lies and how it was started says nothing about what it computes.
PLACE = (
    *("paths", "task_name", "tags", "extras", "ckpt_path", "preflight", "allow_changes", "trainer.default_root_dir"),
    *("gpu_gib", "logger"),
)


@dataclass(frozen=True)
class Change:
    """One setting.

    Attributes:
        key: Its key.
        was: Value in the checkpoint's config; None: it had no such key.
        now: Present value.
    """

    key: str
    was: Any
    now: Any

    @property
    def fixed(self) -> bool:
        """Whether it must not change within a run."""
        return _within(self.key, FIXED)

    def __str__(self) -> str:
        return f"{self.key}: {self.was} -> {self.now}"


def changes(old: DictConfig, new: DictConfig) -> list[Change]:
    """Settings that differ, in the config's order, without those that only say where things lie."""
    was, now = _flat(old), _flat(new)
    was |= {key: False for key, value in now.items() if key not in was and value is False}  # a switch that came later
    lies = {str(config.paths[key]) for config in (old, new) for key in config.paths if config.paths[key]}
    return [
        Change(key, was.get(key), now.get(key))
        for key in {**was, **now}
        if was.get(key) != now.get(key) and not _within(key, PLACE) and not _place(was.get(key), now.get(key), lies)
    ]


def _place(was: Any, now: Any, lies: set[str]) -> bool:
    """Whether both are paths inside the run's own folders."""
    return all(isinstance(value, str) and any(value.startswith(path) for path in lies) for value in (was, now))


def _within(key: str, groups: tuple[str, ...]) -> bool:
    return any(key == group or key.startswith(f"{group}.") for group in groups)


def _flat(config: DictConfig) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def walk(value: Any, key: str) -> None:
        if isinstance(value, dict) and value:
            for name, inner in value.items():
                walk(inner, f"{key}.{name}" if key else str(name))
        else:
            found[key] = value

    walk(OmegaConf.to_container(config, resolve=True), "")
    return found
