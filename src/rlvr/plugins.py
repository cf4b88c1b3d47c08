"""Code of a user's own, named in a config by its file: `_target_: ${from_file:mine.py,my_surrogate}`.

It is run, with all that the process may do: only name files that you would run yourself.
"""

import difflib
import hashlib
import re
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

from rlvr.errors import ConfigError, cause_of
from rlvr.files import write_whole

DIGITS = 8  # of the content's hash, in the module's name
LOADED: dict[str, bytes] = {}
"""What was run, by the name of its module."""


def from_file(path: str, name: str) -> str:
    """Run a file and say where Hydra finds what it defines.

    The module's name holds a hash of the content. So a file that has changed is another setting, which a run that is
    gone on with refuses, and every process finds what it is told to.

    Args:
        path: The file, from where the command was started.
        name: What it defines.

    Returns:
        A `_target_`, `mine_1a2b3c4d.my_surrogate`.

    Raises:
        ConfigError: When there is no such file, when it can't be run, or when it does not define the name.
    """
    file = Path(path)
    if not file.is_file():
        raise ConfigError(f"there is no file {path} in {Path.cwd()}")
    content = file.read_bytes()
    module = re.sub(r"\W", "_", f"{file.stem}_{hashlib.sha256(content).hexdigest()[:DIGITS]}")
    if module not in LOADED:
        _run(file, module)
        LOADED[module] = content
    if not hasattr(sys.modules[module], name):
        near = difflib.get_close_matches(name, vars(sys.modules[module]), n=1)
        raise ConfigError(f"{path} defines no {name}{f'; did you mean {near[0]}?' if near else ''}")
    return f"{module}.{name}"


def _run(file: Path, name: str) -> None:
    loader = SourceFileLoader(name, str(file.resolve()))
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module = sys.modules[name] = module_from_spec(spec)  # before it runs: dataclasses look their module up
    try:
        loader.exec_module(module)
    except Exception as error:  # whatever the file raises
        del sys.modules[name]
        raise ConfigError(f"{file} can't be run ({cause_of(error)})") from error


def leave_copies(folder: Path) -> None:
    """Keep what was run, under the names that a run's `config.yaml` says."""
    for name, content in LOADED.items():
        write_whole(folder / f"{name}.py", content)
