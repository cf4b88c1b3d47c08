"""Writes `docs/configuration.md` from the declarations and the defaults in `configs/`: `python -m rlvr.config.docs`."""

import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from rlvr.config.groups.run import Confirm, Evaluate, Export, Profile, Report, Train
from rlvr.config.keys import Built, Group, Rule
from rlvr.config.targets import TARGETS
from rlvr.config.values import allowed, groups_of, shown

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "configs"
PAGE = ROOT / "docs" / "configuration.md"
ENTRIES: dict[str, type[Group]] = {
    "train": Train,
    "eval": Evaluate,
    "confirm": Confirm,
    "report": Report,
    "export": Export,
    "profile": Profile,
}
HEAD = """# Configuration

Every key of every group, made by `python -m rlvr.config.docs` from `src/rlvr/config/groups/` and `configs/`; a test
holds it current. A key that is misspelt, missing or out of its range ends a command at once, with one sentence and exit
code 2. *Default* is what the YAML says; several values are those of several choices, and *optional* keys are added with
`+key=value`. Where a group builds an object, its `_target_` may name a class of your own instead, by its module
or [by its file](adding_a_method.md): its keys are then checked against that class's arguments.

**Configs of your own** lie in a folder that has the groups' names: with `--config-dir mine`, `experiment=first` finds
`mine/experiment/first.yaml`, and so with `algo=`, `data=` and every other group. Several choices of `logger` and
`callbacks` are a list, `logger=[tensorboard,wandb]`. A key may hold a variable of the environment, `${oc.env:NAME}`; a
file `.env` in the folder where the command is started sets those that are not set.

**When something is wrong**, `debug=` changes a run of any other settings:

- `quick`: does every phase run? Seconds; the numbers mean nothing.
- `default`: where is the mistake? `quick` in one process on the CPU, with the composed config in the terminal, and an
  error that names the operation whose gradient is first not a number. Its runs go to `logs/debug/`.
- `limit`: does it fit, and how long does a step take? The setting's own batches, four of them, and short evaluations.
- `overfit`: does it learn at all? One batch's problems for 60 rollouts: `rollout/accuracy` should rise, or
  `eval_train/pass@1` with a filter that drops what is solved.
- `profiler`: where does the time go? `quick` under PyTorch's profiler, with a table and a trace in the run's folder.

**Many runs.** `task_name=study` keeps a study's runs together in `logs/study/`, `tags=[first,dry]` finds them in a
logger, and `extras.enforce_tags=true` refuses a run without. `python src/train.py --cfg job` prints the composed config
alone, `extras.print_config=true` as a tree before the run; `config.yaml` in the run's folder always has it.
"""
VALUES = 3  # defaults of a key that are listed at most, where its choices differ


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    told: set[type[Group]] = set()
    nodes = dict(_nodes())
    for name, entry in ENTRIES.items():
        defaults = [OmegaConf.to_container(OmegaConf.load(CONFIGS / f"{name}.yaml"), resolve=False)]
        intro = f"## {name}.yaml\n\n{_sentence(entry)}\n"
        inherited = Train.keys() if entry in (Evaluate, Confirm, Profile) else {}
        keys = {key: value for key, value in entry.keys().items() if key not in inherited}
        parts += [intro, _table("", keys, defaults)]
        parts += _sections("", keys, defaults, told, nodes)
    return "\n".join(parts)


def _sections(
    path: str, keys: Mapping[str, Any], defaults: list[Any], told: set[type[Group]], nodes: dict[str, list[Any]]
) -> Iterator[str]:
    """A section for each group below these keys. A group has only one section, where it first occurs."""
    for name, (annotation, _) in keys.items():
        for group in [*groups_of(annotation), *groups_of(_items_of(annotation))]:
            if group in told:
                continue
            told.add(group)
            here = f"{path}{name}" + (".NAME" if _items_of(annotation) else "")
            if issubclass(group, Built):
                yield from _choices(here, group, told, nodes)
            else:
                inner = [node[name] for node in defaults if isinstance(node, dict) and isinstance(node.get(name), dict)]
                inner += [] if path else _choice_files(name)
                yield f"### {here}\n\n{_sentence(group)}\n"
                yield _table(f"{here}.", group.keys(), inner)
                yield from _sections(f"{here}.", group.keys(), inner, told, nodes)


def _choices(here: str, base: type[Built], told: set[type[Group]], nodes: dict[str, list[Any]]) -> Iterator[str]:
    """A table for each class that may be built there."""
    yield f"### {here}\n\n{_sentence(base)}\n"
    for target, group in TARGETS.items():
        if issubclass(group, base):
            title = f"`{here}._target_: {target}`"
            what = "" if group is base else f": {_sentence(group)}"
            more = ", ".join(f"`{name}`" for name in group.unchecked)
            further = f" Further arguments: {more}." if more else ""
            yield f"{title}{what}{further}\n"
            if group.keys():
                yield _table(f"{here}.", group.keys(), nodes.get(target, []))
            yield from _sections(f"{here}.", group.keys(), nodes.get(target, []), told, nodes)


def _table(path: str, keys: Mapping[str, tuple[Any, Rule]], defaults: list[Any]) -> str:
    lines = ["| key | may be | default | |", "|---|---|---|---|"]
    for name, (annotation, rule) in keys.items():
        kind = "see below" if groups_of(annotation) or _items_of(annotation) else allowed(annotation, rule)
        default = "" if kind == "see below" else _default(name, rule, defaults)
        lines.append(f"| `{path}{name}` | {_cell(kind)} | {_cell(default)} | {_cell(rule.line)} |")
    return "\n".join(lines) + "\n"


def _default(name: str, rule: Rule, defaults: list[Any]) -> str:
    given = [shown(node[name]) or "''" for node in defaults if isinstance(node, dict) and name in node]
    values = list(dict.fromkeys("must be given" if value == "???" else f"`{value}`" for value in given))
    if not values:
        return "optional" if rule.optional else ""
    return ", ".join(values[:VALUES]) + (", .." if len(values) > VALUES else "")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _items_of(annotation: Any) -> Any:
    """What a `dict[str, X]` or `list[X]` of groups holds."""
    arguments = typing.get_args(annotation)
    return arguments[-1] if typing.get_origin(annotation) is dict and groups_of(arguments[-1]) else None


def _sentence(group: type[Group]) -> str:
    return (group.__doc__ or "").partition("\n")[0]


def _choice_files(group: str) -> list[Any]:
    return [_load(path) for path in sorted((CONFIGS / group).glob("*.yaml"))]


def _nodes() -> Iterator[tuple[str, list[Any]]]:
    """For each target, the mappings in `configs/` that have it."""
    found: dict[str, list[Any]] = {}
    for path in sorted(CONFIGS.rglob("*.yaml")):
        if "hydra" not in path.parts[-2:-1]:
            for node in _mappings(_load(path)):
                found.setdefault(str(node["_target_"]), []).append(node)
    yield from found.items()


def _load(path: Path) -> Any:
    """A YAML file, merged over the files of its folder that its defaults list names."""
    node: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=False) or {}
    merged: dict[str, Any] = {}
    for name in node.pop("defaults", []):
        beside = path.parent / f"{name}.yaml" if isinstance(name, str) else path
        if name != "_self_" and beside != path and beside.exists():
            merged.update(_load(beside))
    for key, value in node.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = {**merged[key], **value} if both else value
    return merged


def _mappings(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield node
        for item in node.values():
            yield from _mappings(item)


if __name__ == "__main__":
    PAGE.write_text(page())
