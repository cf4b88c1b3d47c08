"""Explains in one sentence why Hydra or OmegaConf refuses a command before the entry script's function runs.

It also explains why a command can't run where only the report was installed.
"""

import difflib
import re
import sys
from collections.abc import Iterator, Sequence

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from rlvr.config.groups.run import Confirm, Evaluate, Export, Profile, Report, Train
from rlvr.config.keys import Built, Group
from rlvr.config.targets import TARGETS
from rlvr.config.values import groups_of, one_of

CLOSE = 0.6
TRAINING = {"torch", "lightning", "transformers", "torchmetrics"}  # which an installation of the report alone lacks
ADVICE = re.compile(r"'(?P<key>[^']+)'")


def explanation(error: BaseException) -> str | None:
    """One sentence on an error in composing a config; None for any other error."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _choice(error.missing_cfg_file, list(error.options or ()))
    if isinstance(error, OverrideParseException):
        return f"{error.override}: can't be read as KEY=VALUE; quote what has special characters, 'key=\"a b\"' say."
    if isinstance(error, ValueError) and "Config group override" in str(error):
        return _group_value()
    if isinstance(error, ConfigCompositionException):
        return _composition(error)
    if isinstance(error, ModuleNotFoundError) and error.name in TRAINING:
        rest = "this environment has the report alone, and `pip install .` in the checkout brings the rest"
        return f"{error.name} is not installed: {rest}."
    if isinstance(error, HydraException | OmegaConfBaseException):
        return f"{_one_line(str(error))}."
    return None


def _choice(file: str, options: Sequence[str]) -> str:
    group, _, name = file.rpartition("/")
    if not group:
        return f"--config-name={name}: there is no such config."
    near = difflib.get_close_matches(name, options, n=3, cutoff=CLOSE)
    hint = f"did you mean {one_of(near)}?" if near else f"choose {one_of(list(options))}."
    if not options:
        hint = f"configs/ has no group {group}."
    return f"{group}={name}: there is no such choice; {hint}"


def _group_value() -> str:
    groups = [name for name in Train.keys() | Evaluate.keys()]
    given = [word for word in sys.argv[1:] if word.partition("=")[0].lstrip("+") in groups]
    return f"{' '.join(given)}: a group is chosen by a name, the name of a file in its folder under configs/."


def _composition(error: ConfigCompositionException) -> str:
    said = str(error)
    quoted = ADVICE.search(said)
    if "No match in the defaults list" in said and quoted:
        return f"{quoted['key']}: nothing is chosen there; + before it adds a choice."
    if said.startswith("Could not override") and quoted:
        return _unknown(quoted["key"])
    if said.startswith("Could not delete") and "does not exist" in said and quoted:
        return f"~{quoted['key']}: there is no such key to delete{_suggestion(quoted['key'])}"
    if said.startswith("Could not append") and quoted:
        return f"+{quoted['key']}: the key is there already; leave the + out."
    if said.startswith("Ambiguous value") and quoted:
        return f"{quoted['key']}: several values are a sweep, which wants -m; a list is written key=[a,b]."
    cause = f" ({_one_line(str(error.__cause__))})" if error.__cause__ else ""
    return f"{_one_line(said)}{cause}."


def _unknown(key: str) -> str:
    given = next((word for word in sys.argv[1:] if word.lstrip("+").startswith(f"{key}=")), key)
    if holders := sorted({owner for path, owner in _declared() if path == key and owner}):
        others = one_of(holders)
        return f"{given}: the chosen {key.rpartition('.')[0]} has no such key; {others} has."
    return f"{given}: there is no such key{_suggestion(key)}"


def _suggestion(key: str) -> str:
    paths = list(dict.fromkeys(path for path, _ in _declared()))
    here = [path for path in paths if path.rpartition(".")[0] == key.rpartition(".")[0]]
    near = difflib.get_close_matches(key, here, n=1, cutoff=CLOSE) or difflib.get_close_matches(
        key, paths, cutoff=CLOSE
    )
    same = [path for path in paths if path.rpartition(".")[2] == key.rpartition(".")[2]]
    found = near[:1] or same[:3]
    return f"; did you mean {one_of(found)}?" if found else "; docs/configuration.md has all keys."


def _declared() -> Iterator[tuple[str, str]]:
    """All dotted keys of all choices, each with the short name of the class that is built, or an empty text."""
    for entry in (Train, Evaluate, Confirm, Report, Export, Profile):
        yield from _below("", entry, "")


def _below(path: str, group: type[Group], owner: str) -> Iterator[tuple[str, str]]:
    for name, (annotation, _) in group.keys().items():
        yield f"{path}{name}", owner
        for inner in groups_of(annotation):
            if issubclass(inner, Built):
                for target, choice in TARGETS.items():
                    if issubclass(choice, inner):
                        yield from _below(f"{path}{name}.", choice, target.rpartition(".")[2])
            else:
                yield from _below(f"{path}{name}.", inner, "")


def _one_line(text: str) -> str:
    return " ".join(text.partition("\nConfig search path")[0].split()).rstrip(".")
