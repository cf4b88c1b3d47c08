"""What a problem's answer says: the tests, and what belongs to them. No line of it is run here."""

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Task:
    """The tests of one problem.

    Attributes:
        setup: Texts that are run before the code, and before the tests: imports, the prompt's beginning.
        tests: What is run with the code's functions.
        entry_point: The only name that the tests take from the code; empty: all that they use and do not define.
    """

    setup: tuple[str, ...]
    tests: str
    entry_point: str


@lru_cache(maxsize=4096)
def read(answer: str) -> Task | None:
    """The task in a reference answer, a JSON object; None where there is none that could be run.

    Its keys are `tests`, a text or a list of texts, and where they are needed `setup`, a text or a list of texts,
    `prompt`, the beginning of a program, and `entry_point`.
    """
    try:
        written = json.loads(answer)
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


def _texts(value: object) -> Sequence[str]:
    if value is None:
        return []
    texts = [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
    if len(texts) < (len(value) if isinstance(value, list) else 1):
        raise TypeError
    return texts


def _closed(prompt: str) -> str:
    """The beginning of a program, of which the last function may lack its body."""
    try:
        ast.parse(prompt)
    except SyntaxError:
        return f"{prompt.rstrip()}\n    pass\n"
    return prompt
