"""Reads the tests, and what belongs to them, from a problem's answer. Nothing of it is run here."""

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

SCRIPT, PROGRAM = "rlvr.verify.python.inside.script", "program"
# Compares as judges of contests do: space at the ends of lines and around the whole text is ignored.
SAME = """
def lines(text):
    return [line.rstrip() for line in text.strip().splitlines()]

"""


@dataclass(frozen=True)
class Task:
    """The tests of one problem.

    Attributes:
        setup: Texts that are run before the code, and before the tests: imports, the beginning of a program.
        tests: The text that is run with the code's functions.
        entry_point: The only name that the tests take from the code; empty: all that they use and do not define.
        whole: Whether the code is a program. The tests call it as a function from what it reads to what it prints.
    """

    setup: tuple[str, ...]
    tests: str
    entry_point: str
    whole: bool = False

    def played(self, code: str) -> str:
        """The text that is run for a completion's code."""
        return f"from {SCRIPT} import script\n{PROGRAM} = script({code!r})" if self.whole else code


@lru_cache(maxsize=4096)
def read(answer: str) -> Task | None:
    """The task in a reference answer, which is a JSON object; None where it holds no tests that could be run.

    Its keys are `tests` (a text or a list of texts) and, where they are needed, `setup` (a text or a list of texts),
    `prompt` (the beginning of a program) and `entry_point`. Or it has `cases` alone: what a program reads and prints.
    """
    try:
        written = json.loads(answer)
        if "cases" in written:
            return Task((), _printing(written["cases"]), PROGRAM, whole=True)
        tests, setup = "\n".join(_texts(written["tests"])), [text for text in _texts(written.get("setup")) if text]
        entry_point = written.get("entry_point") or ""
        if prompt := written.get("prompt"):
            setup.append(_closed(prompt))
        body = ast.parse(tests).body
        for text in setup:
            ast.parse(text)
    except (ValueError, TypeError, KeyError, AttributeError, SyntaxError, RecursionError, MemoryError):
        return None
    if not body or (entry_point and not entry_point.isidentifier()):
        return None
    if any(isinstance(part, ast.FunctionDef) and part.name == "check" for part in body) and entry_point:
        tests += f"\n\ncheck({entry_point})\n"
    return Task(tuple(setup), tests, entry_point)


def _printing(cases: Any) -> str:
    """Tests of what a program prints, made from APPS's `inputs` and `outputs`, an object or its JSON text.

    Raises:
        ValueError: When there are no cases, or the numbers of inputs and outputs differ.
        TypeError: When they are not texts.
        KeyError: When one of the two is missing.
    """
    cases = json.loads(cases) if isinstance(cases, str) else cases
    pairs = list(zip(_texts(cases["inputs"]), _texts(cases["outputs"]), strict=True))
    if not pairs:
        raise ValueError("no cases")
    claims = (f"assert lines({PROGRAM}({given!r})) == lines({expected!r})" for given, expected in pairs)
    return SAME + "\n".join(claims)


def _texts(value: object) -> Sequence[str]:
    if value is None:
        return []
    texts = [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
    if len(texts) < (len(value) if isinstance(value, list) else 1):
        raise TypeError
    return texts


def _closed(prompt: str) -> str:
    """The beginning of a program, with a body for its last function where that has none."""
    try:
        ast.parse(prompt)
    except SyntaxError:
        return f"{prompt.rstrip()}\n    pass\n"
    return prompt
