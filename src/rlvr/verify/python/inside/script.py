"""Makes a function of a whole program: from what it reads to what it prints."""

import io
import os
import sys
from collections.abc import Callable

from rlvr.verify.python.inside.player import module

INPUT = "input"


def script(code: str) -> Callable[[str], str]:
    """The program as a function of its standard input, each time run from its beginning.

    Raises:
        SyntaxError: When it is no Python.
    """
    compiled = compile(code, "answer", "exec", dont_inherit=True)

    def program(given: str) -> str:
        with open(INPUT, "w") as file:
            file.write(given)
        _become_input(os.open(INPUT, os.O_RDONLY))
        printed = io.BytesIO()
        sys.stdin, sys.stdout = os.fdopen(0, closefd=False), io.TextIOWrapper(printed, write_through=True)
        names = module("__main__")
        names["exit"] = names["quit"] = sys.exit  # which Python has only where it is set up with its packages
        try:
            exec(compiled, names)
        except SystemExit as end:
            if end.code:
                raise
        sys.stdout.flush()
        return printed.getvalue().decode(errors="replace")

    return program


def _become_input(file: int) -> None:
    """Whatever the program before has closed."""
    if file:
        os.dup2(file, 0)
        os.close(file)
