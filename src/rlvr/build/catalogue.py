"""Writes the catalogue in `docs/methods.md` from the heads and the choices of `configs/algo/`:
`python -m rlvr.build.catalogue`."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from rlvr.build.profiles import profile_of
from rlvr.errors import ConfigError
from rlvr.tables import Grid

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "configs"
PAGE = ROOT / "docs" / "methods.md"
MEASURED = ROOT / "docs" / "results" / "catalogue.csv"
BASE = "base"  # the name, in the table of measurements, of the policy from which all methods start
BEGIN, END = "<!-- made by python -m rlvr.build.catalogue -->\n", "<!-- end -->\n"
# A method's first line: `# GRPO (arXiv 2402.03300, code)` or `# RLOO (code)`. What is special about it may follow.
HEAD = re.compile(r"# .+? \(((?P<source>[^(),]+), )?(?P<sure>[^()]+)\)")
RATES = (0.01, 0.1, 0.9)
# Not shown: its name in tables, the keys that all methods have, and the correction, which depends on the engine.
HIDDEN = {"_target_", "_partial_", "name", "min_group", "max_rounds"}
NO_SLOT = {"filter", "loss", "correction", "name", "pair"}


def page() -> str:
    """The page with today's catalogue in it."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    table = catalogue().markdown(titled=False).replace("---:", "---")  # texts, not numbers
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def catalogue() -> Grid:
    """A row for every choice of `algo=`."""
    rows = {name: dict(_row(name)) for name in names()}
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    # Where a method comes from stands last, behind slots that only some methods have.
    found = measured()
    rows = {name: row | found.get(name, {}) for name, row in rows.items()}
    columns += next(iter(found.values()), {})
    columns.sort(key=lambda column: column in ("source", "sure"))
    cells = [[f"`{name}`", *(row.get(column, "") for column in columns)] for name, row in rows.items()]
    base = ["*base*", *(found.get(BASE, {}).get(column, "") for column in columns)]
    return Grid("Methods", ["algo=", *columns], [base, *cells])


def measured() -> dict[str, dict[str, str]]:
    """Pass@k after equal steps by method, `base` among them, from the table that `make catalogue` leaves."""
    with MEASURED.open(newline="") as file:
        return {row.pop("algo"): row for row in csv.DictReader(file)}


def names() -> list[str]:
    """Every choice of `algo=`."""
    return sorted(path.stem for path in (CONFIGS / "algo").glob("*.yaml"))


def origin(name: str) -> tuple[str, str]:
    """Where a method comes from, if its YAML names a source, and how sure that is. Both are read from the YAML's head.

    Raises:
        ConfigError: When the head does not say how sure it is.
    """
    first, _, _ = (CONFIGS / "algo" / f"{name}.yaml").read_text().partition("\n")
    if not (found := HEAD.match(first)):
        raise ConfigError(f"configs/algo/{name}.yaml: begin it with `# NAME (arXiv NUMBER, HOW SURE)`, not `{first}`.")
    return found["source"] or "", found["sure"]


def _row(name: str) -> Iterator[tuple[str, str]]:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", [f"algo={name}"])
    algo = OmegaConf.to_container(cfg.algo, resolve=True)
    assert isinstance(algo, dict)
    yield "filter", _cell({**algo["filter"], "_target_": algo["filter"]["name"]})
    yield from ((slot, _cell(choice)) for slot, choice in algo["loss"].items() if slot not in HIDDEN)
    yield from ((str(slot), _cell(choice)) for slot, choice in algo.items() if slot not in NO_SLOT and choice)
    yield from _weights(cfg)
    source, sure = origin(name)
    number = source.removeprefix("arXiv ")
    yield "source", source if number == source else f"[{number}](https://arxiv.org/abs/{number})"
    yield "sure", sure


def _weights(cfg: DictConfig) -> Iterator[tuple[str, str]]:
    """f(p)/f(.5), or a dash where a method's weight is not a function of p."""
    try:
        *weights, half = profile_of(cfg, [*RATES, 0.5]).weight_R.tolist()
    except ConfigError:
        weights, half = [], 0.0
    for index, rate in enumerate(RATES):
        shown = f"{rate:g}".lstrip("0")
        yield f"f({shown})/f(.5)", f"{weights[index] / half:.2f}" if half else "-"


def _cell(choice: Any) -> str:
    """A choice as a call: its name, and its arguments in brackets."""
    if not isinstance(choice, dict):
        return f"{choice:g}" if isinstance(choice, float) else str(choice)
    given = {key: value for key, value in choice.items() if key not in HIDDEN and value is not False}
    arguments = ", ".join(key if value is True else f"{key} {_cell(value)}" for key, value in given.items())
    called = str(choice.get("_target_", "")).rpartition(".")[2]
    return f"{called} ({arguments})" if called and arguments else called or arguments


if __name__ == "__main__":
    PAGE.write_text(page())
