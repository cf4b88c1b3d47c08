"""The process of the code that is judged: it answers calls, and knows neither tests nor expected values.

Whatever that code does to this process, it can only send the other one a value in reply to a call.
"""

import builtins
import sys
from types import ModuleType
from typing import Any, BinaryIO

from rlvr.verify.python.inside.plain import dump, load

READY = b"ready\n"


def play(program: dict[str, Any], asked: BinaryIO, replies: BinaryIO) -> None:
    """Run the code, then call its functions as requested, until the requests end.

    Args:
        program: `setup`, texts that are run before the code, and `code` itself.
        asked: Lines with a name and the arguments.
        replies: Lines with a kind of reply and a value.
    """
    _say(replies, READY)
    names = module("answer")
    try:
        for text in (*program["setup"], program["code"]):
            exec(compile(text, "answer", "exec", dont_inherit=True), names)
    except BaseException as error:  # SystemExit too: code that exits has not been loaded
        _say(replies, _raised(error))
        return
    _say(replies, dump(("names", list(map(str, names)))))
    for line in asked:
        _say(replies, _reply(names, line))


def module(name: str) -> dict[str, Any]:
    """The names of a new module. It is registered, since a data class looks up its module by name."""
    sys.modules[name] = made = ModuleType(name)
    return vars(made)


def _reply(names: dict[str, Any], line: bytes) -> bytes:
    try:
        name, arguments, named = load(line)
        value = names[name]
        if arguments is None:  # only the name was asked for
            return dump(("function", None) if callable(value) else ("value", value))
        return dump(("value", value(*arguments, **named)))
    except BaseException as error:
        return _raised(error)


def _raised(error: BaseException) -> bytes:
    """A reply that names the nearest built-in exception, which the tests may catch."""
    kind = next(one.__name__ for one in type(error).__mro__ if getattr(builtins, one.__name__, None) is one)
    try:
        message = str(error)[:1000]
    except Exception:
        message = ""
    return dump(("raised", (kind, message)))


def _say(replies: BinaryIO, line: bytes) -> None:
    replies.write(line)
    replies.flush()
