"""Makes a whole program a function from what it reads to what it prints."""

import io
import os
import sys
from collections.abc import Callable

from rlvr.verify.python.inside.player import module

INPUT = "input"


def script(code: str) -> Callable[[str], str]:
    """The program as a function of its standard input. Each call runs it from its beginning.

    Raises:
        SyntaxError: When it is not valid Python.
    """
    compiled = compile(code, "answer", "exec", dont_inherit=True)

    def program(given: str) -> str:
        with open(INPUT, "w") as file:
            file.write(given)
        _become_input(os.open(INPUT, os.O_RDONLY))
        printed = io.BytesIO()
        sys.stdin, sys.stdout = os.fdopen(0, closefd=False), io.TextIOWrapper(printed, write_through=True)
        names = module("__main__")
        names["exit"] = names["quit"] = sys.exit  # Python lacks these, since it was started without `site`
        try:
            exec(compiled, names)
        except SystemExit as end:
            if end.code:
                raise
        sys.stdout.flush()
        return printed.getvalue().decode(errors="replace")

    return program


def _become_input(file: int) -> None:
    """Make a file the standard input, whatever the program closed in an earlier run."""
    if file:
        os.dup2(file, 0)
        os.close(file)
