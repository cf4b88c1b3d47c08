"""The process of the tests. It replaces the judged code's functions by stand-ins that ask that code's process.

The verdict is made here, where nothing of the judged code is ever run: its replies are plain data.
"""

import builtins
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any, BinaryIO

from rlvr.verify.python.inside.plain import dump, load
from rlvr.verify.python.inside.player import READY, module

MOST_BYTES = 16 * 2**20  # of a reply


class GoneError(Exception):
    """The code's process has died, or has sent an invalid reply."""


class Other:
    """The other process, as the tests see it."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        self._requests, self._replies = requests, replies
        self.gone = False
        self.used = 0  # how often the tests have used something of the code

    def line(self) -> bytes:
        """The next line that it sends; empty when there is none, or it is too long."""
        line = self._replies.readline(MOST_BYTES)
        return line if line.endswith(b"\n") else b""

    def reply(self) -> tuple[str, Any]:
        """Read the next reply: its kind and a value.

        Raises:
            GoneError: When there is none.
            Exception: A built-in one, when the code has raised it.
        """
        try:
            kind, value = load(self.line())
        except Exception as error:
            self.gone = True  # whatever the tests make of the exception
            raise GoneError from error
        if kind == "raised":
            raise _exception(*value)
        return kind, value

    def ask(self, name: str, arguments: tuple[Any, ...] | None, named: dict[str, Any]) -> tuple[str, Any]:
        """Ask for a call of a function or, if `arguments` is None, for what the name stands for.

        Raises:
            GoneError: When there is no reply.
            Exception: A built-in one, when the code has raised it, or an argument is not plain data.
        """
        line = dump((name, arguments, named))
        try:
            self._requests.write(line)
            self._requests.flush()
        except OSError as error:
            self.gone = True
            raise GoneError from error
        return self.reply()

    def stand_in(self, name: str) -> Any:
        """A function that has the code's own one called, or a copy of the value if the name stands for no function."""

        def function(*arguments: Any, **named: Any) -> Any:
            self.used += 1
            return self.ask(name, arguments, named)[1]

        kind, value = self.ask(name, None, {})
        if kind == "function":
            return function
        self.used += 1
        return value


def judge(program: dict[str, Any], requests: BinaryIO, replies: BinaryIO) -> str:
    """`right` when all tests ran to their end and used the code; `error` when its process did not start; else `wrong`.

    Args:
        program: `setup`, texts that are run before the tests; `tests`, a text; and `entry_point`, the one name that the
            tests take from the code, or an empty text: then all that they use and nothing else defines.
        requests: To the code's process.
        replies: From it.
    """
    other = Other(requests, replies)
    if other.line() != READY:
        return "error"
    names = module("tests")
    for text in program["setup"]:
        exec(compile(text, "setup", "exec", dont_inherit=True), names)
    code = compile(program["tests"], "tests", "exec", dont_inherit=True)
    names.pop(program["entry_point"], None)  # the function of the prompt, which has no body
    try:
        _, theirs = other.reply()
        for name in wanted(program["entry_point"], code, names).intersection(theirs):
            names[name] = other.stand_in(name)
        exec(code, names)
    except BaseException:  # tests that fail, and those that exit
        return "wrong"
    return "right" if other.used and not other.gone else "wrong"


def wanted(entry_point: str, code: CodeType, names: dict[str, Any]) -> set[str]:
    """The names that the tests take from the code: a built-in name only if it is the only one (MBPP's `sum`)."""
    if entry_point:
        return {entry_point}
    open_names = set(named_in(code)).difference(names)
    return open_names if len(open_names) == 1 else open_names.difference(dir(builtins))


def named_in(code: CodeType) -> Iterator[str]:
    """The names that some code and the functions in it look up."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from named_in(inner)


def _exception(kind: str, message: str) -> Exception:
    named = getattr(builtins, str(kind), None)
    made: Callable[[str], Exception] = RuntimeError
    # Not exceptions that need more than a message, nor those that would end a loop of the tests without an error.
    special = (UnicodeError, StopIteration, StopAsyncIteration)
    if isinstance(named, type) and issubclass(named, Exception) and not issubclass(named, special):
        made = named
    return made(str(message))
