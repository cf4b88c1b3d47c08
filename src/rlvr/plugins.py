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

    The module's name holds a hash of the content. So a changed file is another setting, which a resumed
    run refuses, and every process finds exactly the file that it is told to.

    Args:
        path: The file, from where the command was started.
        name: What it defines.

    Returns:
        A `_target_`, `mine_1a2b3c4d.my_surrogate`.

    Raises:
        ConfigError: When there is no such file, when it can't be run, or when it does not define the name.
    """
    if not Path(path).is_file():
        raise ConfigError(f"there is no file {path} in {Path.cwd()}")
    module = run(path, Path(path).read_bytes())
    if not hasattr(sys.modules[module], name):
        near = difflib.get_close_matches(name, vars(sys.modules[module]), n=1)
        raise ConfigError(f"{path} defines no {name}{f'; did you mean {near[0]}?' if near else ''}")
    return f"{module}.{name}"


def digest(content: bytes) -> str:
    """Names what a file holds."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def content_of(named: str) -> str:
    """The digest of the file in `FILE.py:NAME`, for a config; empty where there is none, which is refused elsewhere."""
    file = Path(str(named).rpartition(":")[0])
    return digest(file.read_bytes()) if file.is_file() else ""


def run(path: str, content: bytes) -> str:
    """Run a file as it was when its content was read, once in a process.

    Args:
        path: The file, as stack traces name it.
        content: What it held.

    Returns:
        The name of its module, which `sys.modules` has.

    Raises:
        ConfigError: When it can't be run.
    """
    file = Path(path)
    name = re.sub(r"\W", "_", f"{file.stem}_{digest(content)}")
    if name in LOADED:
        return name
    loader = SourceFileLoader(name, str(file.resolve()))
    spec = spec_from_loader(name, loader)
    assert spec is not None
    module = sys.modules[name] = module_from_spec(spec)  # before it runs: dataclasses look their module up
    try:
        # Not `exec_module`, which may take what Python has cached of a file that has changed within the second.
        exec(loader.source_to_code(content, loader.path), vars(module))
    except (Exception, SystemExit) as error:  # whatever the file raises
        del sys.modules[name]
        raise ConfigError(f"{file} can't be run ({cause_of(error)})") from error
    LOADED[name] = content
    return name


def leave_copies(folder: Path) -> None:
    """Keep what was run, under the names that a run's `config.yaml` says."""
    for name, content in LOADED.items():
        write_whole(folder / f"{name}.py", content)
