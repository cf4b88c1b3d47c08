"""What README and docs/ tell a reader to type, and what is wrong with it."""

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from rlvr.config import Export, Report, check_types
from rlvr.errors import ConfigError
from rlvr.preflight.settings import check, check_confirmation, check_evaluation, check_profile

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
SHELL = {"", "bash", "sh"}
PROGRAMS = ("python", "make", "pytest", "torchrun", "srun", "rlvr-", "pip")
ENTRY = re.compile(r"src/(\w+)\.py")
CHECKS: dict[str, Callable[[DictConfig], object]] = {
    "train": check,
    "eval": check_evaluation,
    "confirm": check_confirmation,
    "profile": check_profile,
    "report": lambda cfg: check_types(cfg, Report),
    "export": lambda cfg: check_types(cfg, Export),
}
FOLDER = ["paths.run_dir=logs/runs/documented"]  # which Hydra itself would give
WHERE = {name: FOLDER for name in ("train", "eval", "confirm", "profile")} | {"report": ["output_dir=out"]}
TOLD_ELSEWHERE = "--config-dir"  # with files that the page has the reader write: tests of their own follow those pages
OWN_FILE = re.compile(r"(?<==)my_\w+\.py:\w+")  # a reader's own reward; one that is there stands for it


def spans(page: str) -> list[str]:
    """Code inside sentences and tables."""
    return [" ".join(span.split()) for span in SPAN.findall(FENCE.sub("", page))]


def commands(page: str) -> Iterator[list[str]]:
    """Every command of the page, in words; one a line in a block, without comment and settings of the environment."""
    lines = [line for kind, block in FENCE.findall(page) if kind in SHELL for line in _joined(block)]
    for line in [*lines, *spans(page)]:
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue  # no command: prose or a formula with one quote
        while words and re.match(r"[A-Z_]+=", words[0]):
            words = words[1:]
        if len(words) > 1 and words[0].removeprefix(".venv/bin/").startswith(PROGRAMS):
            yield words


def _joined(block: str) -> list[str]:
    return block.replace("\\\n", " ").splitlines()


def fault(words: list[str]) -> str | None:
    """What is wrong with a command, in one sentence; None where nothing is."""
    program = words[0].removeprefix(".venv/bin/")
    if program == "make":
        return _make(words[1:])
    if program == "pip":
        return _extras(words)
    if program.startswith("rlvr-"):
        return None if program in _project()["scripts"] else f"{program}: pyproject.toml has no such command."
    entry = next((index for index, word in enumerate(words) if ENTRY.fullmatch(word)), None)
    if entry is not None:
        return _overrides(words[entry], words[entry + 1 :])
    if "-m" in words and program == "python":
        module = words[words.index("-m") + 1]
        return None if importlib.util.find_spec(module) else f"{module}: there is no such module."
    paths = [word for word in words[1:] if word.endswith(".py") or word.startswith("tests")]
    missing = [path for path in paths if not (ROOT / path.partition("::")[0]).exists()]
    return f"{missing[0]}: there is no such file." if missing else None


def _make(words: list[str]) -> str | None:
    text = (ROOT / "Makefile").read_text()
    targets = {word for line in re.findall(r"^([^\s:=][^:=]*):(?!=)", text, re.MULTILINE) for word in line.split()}
    for word in words:
        name, given, value = word.partition("=")
        if given and name == "ARGS":
            if wrong := _overrides("src/train.py", shlex.split(value)):
                return wrong
        elif given:
            if f"$({name})" not in text:
                return f"make {word}: the Makefile reads no {name}."
        elif word.replace(".venv", "$(VENV)") not in targets:
            return f"make {word}: the Makefile has no such target."
    return None


@cache
def _project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _extras(words: list[str]) -> str | None:
    named = [extra for found in re.findall(r"(?:\.|rlvr)\[([\w,-]+)\]", " ".join(words)) for extra in found.split(",")]
    missing = [extra for extra in named if extra not in {*_project()["optional-dependencies"], "NAME"}]
    if missing:
        return f"{missing[0]}: pyproject.toml has no such extra."
    folders = [word for word in words if word.startswith("./") and not (ROOT / word / "pyproject.toml").exists()]
    return f"{folders[0]}: there is no such project." if folders else None


def _overrides(script: str, words: list[str]) -> str | None:
    """Composes what the command would, each choice of a sweep once, and checks it as the command does."""
    if not (ROOT / script).exists():
        return f"{script}: there is no such file."
    if not words or TOLD_ELSEWHERE in words or any("..." in word or word.startswith("<") for word in words):
        return None
    name = script.removeprefix("src/").removesuffix(".py").removesuffix("_method")
    sweep = [word for word in words if word in ("-m", "--multirun")]
    given = [OWN_FILE.sub("examples/rewards.py:short", word) for word in words if word not in sweep]
    parsed = OverridesParser.create().parse_overrides(given)
    choices = [list(one.sweep_string_iterator()) if one.is_sweep_override() else [] for one in parsed]
    keys = [one.get_key_element() for one in parsed]
    first = [f"{key}={found[0]}" if found else word for word, key, found in zip(given, keys, choices, strict=True)]
    runs = [first]
    for index, found in enumerate(choices):
        if found and not sweep:
            return f"{given[index]}: several values want -m."
        runs += [[*first[:index], f"{keys[index]}={one}", *first[index + 1 :]] for one in found[1:]]
    return next((wrong for run in runs if (wrong := _refused(name, tuple(run)))), None)


@cache
def _refused(name: str, overrides: tuple[str, ...]) -> str | None:
    try:
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            cfg = compose(name, [*overrides, *WHERE.get(name, [])])
        CHECKS[name](cfg)
    except (ConfigError, HydraException, OmegaConfBaseException) as error:
        return f"{name} {' '.join(overrides)}: {error}"
    return None


SETTING = re.compile(r"[+~]*([a-z][\w.]*[a-z]|[a-z_]+(?:/[a-z_]+)*(?:@[\w.]+)?)=(\S*)")


def unknown(span: str) -> str | None:
    """A setting inside a sentence whose key or choice there is not; None for all else."""
    found = SETTING.fullmatch(span)
    if not found:
        return None
    key, group = found[1], found[1].partition("@")[0]
    if (CONFIGS / group).is_dir():
        words = re.findall(r"[a-z]\w*(?![\w.*])", found[2]) if re.fullmatch(r"[\w,\[\]]*", found[2]) else []
        missing = [one for one in words if one != "null" and not (CONFIGS / group / f"{one}.yaml").exists()]
        return f"{span}: {group} has no choice {missing[0]}." if missing else None
    declared = _keys()
    top = key.partition(".")[0]
    ours = any(re.match(rf"{top}(\\|$)", name) for name in declared)
    if ours and not any(re.fullmatch(name, key) for name in declared):
        return f"{span}: there is no such key."
    return None


@cache
def _keys() -> list[str]:
    """Patterns of all keys of docs/configuration.md, which a test of its own holds to the code.

    NAME is any one name, and below "a group of keys" anything goes.
    """
    page = (ROOT / "docs" / "configuration.md").read_text()
    rows = re.findall(r"^\| `([\w.]+)` \| ([^|]*) \|", page, re.MULTILINE)
    free = {True: r"(\.[\w.]+)?", False: ""}
    return [re.escape(name).replace("NAME", r"\w+") + free["group of keys" in kind] for name, kind in rows]


METRIC = re.compile(r"(rollout|filter|loss|verify|mismatch|train|time|eval|interference)/[a-z_@\d]+")


def unmeasured(span: str) -> str | None:
    """A metric inside a sentence of which the list knows nothing; None for all else."""
    told = span in (ROOT / "docs" / "metrics.md").read_text()
    return f"{span}: docs/metrics.md has no such metric." if METRIC.fullmatch(span) and not told else None
