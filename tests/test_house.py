"""The house's rules of who may import what, and how long a file may be (docs: the rooms and their order).

Imports count wherever they stand: under TYPE_CHECKING and inside functions, too.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ROOT / "src" / "rlvr"

# A room imports from rooms before it, never from one behind it: so there is no circle either.
ORDER = [
    *(
        "errors",
        "files",
        "lists",
        "plugins",
        "lazy",
        "types",
        "names",
        "speed",
        "timing",
        "memory",
        "ranks",
        "config",
        "console",
        "tables",
        "folders",
        "loggers",
    ),
    *("data", "rollout", "verify", "algo", "step", "scoring", "models", "strategy", "training", "eval"),
    *("metrics", "checkpoint", "callbacks", "preflight", "sweep", "sweep_end", "report", "build", "commands"),
]
# Who alone may import a library, by path in the house.
ONLY = {"vllm": "rollout/vllm.py", "deepspeed": "strategy/", "latex2sympy2_extended": "verify/math/reader.py"}
COLLECTIVES = {
    *("all_gather", "all_gather_object", "all_gather_into_tensor", "all_reduce", "all_to_all", "barrier", "broadcast"),
    *("broadcast_object_list", "gather", "gather_object", "monitored_barrier", "new_group", "recv", "reduce"),
    *("reduce_scatter", "reduce_scatter_tensor", "scatter", "scatter_object_list", "send"),
}
# Collectives outside ranks.py, and why.
OWN_COLLECTIVES = {
    "rollout/vllm.py": {"all_gather_object"},  # prompts among the ranks of one engine, through vLLM's own group
}
LONGEST = 260


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def test_test_files_have_names_of_their_own():
    """Pytest imports them by these, whatever folder they are in: two of a name can't run together."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Full names of the modules, and of what is taken out of them."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def libraries(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def rooms(path: Path) -> set[str]:
    """Rooms of ours that a module imports from."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("rlvr.")}


def found(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def test_every_room_has_its_place():
    """A new one needs a place in ORDER."""
    there = {room_of(path) for path in modules(HOUSE)} - {"__init__"}
    assert there <= set(ORDER), "give it a place in ORDER"
    assert len(ORDER) == len(set(ORDER))


def test_no_room_imports_from_one_behind_it():
    """Nor from itself through another: what is needed from a later stage is handed in."""
    place = {room: index for index, room in enumerate(ORDER)}
    upwards = [
        f"{path.relative_to(HOUSE)} imports {room}"
        for path in modules(HOUSE)
        if (mine := room_of(path)) != "__init__"
        for room in sorted(rooms(path))
        if place[room] > place[mine]
    ]
    assert upwards == []


def test_algo_knows_torch_and_types_alone():
    """Methods are pure functions on tensors."""
    for path in modules(HOUSE / "algo"):
        assert rooms(path) <= {"algo", "types"}, path
        assert libraries(path) - set(sys.stdlib_module_names) <= {"torch", "rlvr"}, path


def test_the_step_knows_no_framework():
    """It runs in any loop."""
    for path in modules(HOUSE / "step"):
        assert libraries(path) - set(sys.stdlib_module_names) <= {"torch", "pyarrow", "rlvr"}, path


def test_the_step_comes_without_lightning_hydra_and_transformers():
    """Nor does anything that it imports bring them. OmegaConf comes with the package itself."""
    code = (
        "import sys, rlvr.step; print(*{'lightning', 'pytorch_lightning', 'hydra', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("library", ONLY)
def test_a_library_has_one_door(library: str):
    """Elsewhere nothing depends on it."""
    importers = [path for path in modules(HOUSE) if library in libraries(path)]
    assert importers
    strangers = [path for path in importers if not str(path.relative_to(HOUSE)).startswith(ONLY[library])]
    assert found(strangers) == []


def test_collectives_go_through_ranks():
    """It puts tensors on the right device and waits long enough."""
    called: dict[str, set[str]] = {}
    for path in modules(HOUSE):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute) and node.attr in COLLECTIVES:
                base = ast.unparse(node.value)
                if base == "dist" or base.endswith(("distributed", "strategy", "comm")):
                    called.setdefault(str(path.relative_to(HOUSE)), set()).add(node.attr)
        taken = {name.rpartition(".")[2] for name in imports(path) if name.startswith("torch.distributed.")}
        assert not taken & COLLECTIVES, path
    assert called.pop("ranks.py")
    assert called == OWN_COLLECTIVES


def test_the_report_is_a_leaf():
    """Nothing that trains imports it: commands, studies and benchmarks do."""
    readers = [path for path in modules(HOUSE) if "report" in rooms(path)]
    assert {room_of(path) for path in readers} == {"report", "commands"}


def test_configuration_stops_at_the_door():
    """Objects are made of configs in `build` and `commands` only."""
    makers = [path for path in modules(HOUSE) if any(name.startswith("hydra.utils") for name in imports(path))]
    assert {room_of(path) for path in makers} <= {"build", "commands"}


@pytest.mark.parametrize(
    "folder",
    ["algo", "step", "models", "rollout", "strategy", "training", "verify", "data", "eval", "callbacks"],
)
def test_rooms_take_plain_arguments(folder: str):
    """And read no config."""
    assert found([path for path in modules(HOUSE / folder) if {"hydra", "omegaconf"} & libraries(path)]) == []


def lengths() -> dict[str, int]:
    paths = [path for top in ("src", "tests", "benchmarks", "studies", "examples") for path in modules(ROOT / top)]
    return {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in paths}


def test_files_are_short():
    """One that needs more has two ideas in it."""
    assert {name: count for name, count in lengths().items() if count > LONGEST} == {}
