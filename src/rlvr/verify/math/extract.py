r"""Finds final answers: in the boxes of a completion, at the end of one without boxes, and in a reference."""

import re
from functools import lru_cache

from rlvr.lists import written_list
from rlvr.types import ALTERNATIVE

# Only so many characters at the end are searched, where the final answer stands. So a runaway completion costs little
# time, and a box that is never closed stays short. They are about 3,072 tokens, the published response length.
TAIL_CHARACTERS = 10_000

_TOKEN = re.compile(r"\\boxed(?:\s*(?P<open>\{)|\s+(?P<bare>-?[0-9]+(?:[./][0-9]+)?))|\\[{}]|[{}]")
_ANCHOR = re.compile(r"answer\s*(?:is|:|=)|####", re.IGNORECASE)
_MATH = re.compile(r"\$([^$]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]")
_NUMBER = re.compile(r"-?\$?[0-9][0-9,]*(?:\.[0-9]+)?(?:/[0-9]+)?\s*%?")


def boxes(text: str) -> list[str]:
    r"""The content of each `\boxed{}` or `\boxed 5`, in order. A box inside another one does not count.

    A box that is never closed comes last, as an empty text.
    """
    text = text[-TAIL_CHARACTERS:]
    if "\\boxed" not in text:
        return []
    found: list[str] = []
    starts: list[int | None] = []  # of the open braces: where a box's text begins, None for any other brace
    open_boxes = 0
    for token in _TOKEN.finditer(text, text.find("\\boxed")):
        if token["open"]:
            starts.append(token.end())
            open_boxes += 1
        elif token["bare"]:
            if not open_boxes:
                found.append(token["bare"])
        elif token[0] == "{":
            starts.append(None)
        elif token[0] == "}" and starts and (start := starts.pop()) is not None:
            open_boxes -= 1
            if not open_boxes:
                found.append(text[start : token.start()].strip())
    return [*found, ""] if open_boxes else found


def tagged(text: str) -> str:
    """The content of the last closed `<answer>`; empty where there is none."""
    text = text[-TAIL_CHARACTERS:]
    end = text.rfind("</answer>")
    start = text.rfind("<answer>", 0, max(end, 0))
    return text[start + len("<answer>") : end].strip() if start >= 0 else ""


def unboxed(text: str) -> str:
    """The final answer of a completion without a box: behind the last "answer is", else in the last line."""
    lines = text[-TAIL_CHARACTERS:].strip().splitlines()
    anchored = [line for line in lines if _ANCHOR.search(line)]
    line = _ANCHOR.split((anchored or lines or [""])[-1])[-1].strip()
    if formulas := _MATH.findall(line):
        return next(filter(None, formulas[-1])).strip()
    if numbers := _NUMBER.findall(line):
        return str(numbers[-1])
    return line.rstrip(".") if anchored else ""


def references(answer: str) -> list[str]:
    """The spellings of a data set's answer, any of which is right. Most answers have one."""
    return list(map(reference, answer.split(ALTERNATIVE)))


@lru_cache(maxsize=8192)
def reference(answer: str) -> str:
    r"""A data set's answer: its last box, what follows `####` (GSM8K), a list written out, or all of it."""
    if found := boxes(answer):
        return found[-1]
    if "####" in answer:
        return answer.rsplit("####", 1)[1].strip()
    return ", ".join(map(str, written_list(answer))) or answer  # OlympiadBench keeps its answers as a list of texts
