"""Reads single cells of files from other programs, or says why a cell can't be understood."""

import hashlib
import json
import math
from typing import Any

SHORT = 60  # characters: a problem's text of at most this length is its name
WORDS = {"right": True, "correct": True, "true": True} | dict.fromkeys(
    ("wrong", "incorrect", "false", "unevaluated", "timeout", "error"), False
)


class UnfitError(ValueError):
    """A cell can't be understood. The message is the end of a sentence that begins with file, row and column."""


def is_right(value: Any, threshold: float | None) -> bool:
    """Whether a sample is right.

    Args:
        value: True or false, 0 or 1, a word such as `right`, or a score where there is a threshold.
        threshold: Scores of at least this are right; None: only 0 and 1 are allowed.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        if value.lower() in WORDS:
            return WORDS[value.lower()]
        value = _number(value)
    if not isinstance(value, int | float):
        raise UnfitError(f"is {_shown(value)}, and must say right or wrong: true or false, 0 or 1")
    if math.isnan(value):
        raise UnfitError("is NaN, and must say right or wrong; grade the sample, or leave its problem out")
    if threshold is not None:
        return value >= threshold
    if value in (0, 1):
        return bool(value)
    raise UnfitError(f"is {value:g}, neither 0 nor 1; say with threshold= from which score on a sample is right")


def problem_name(value: Any) -> str:
    """A name for the problem that is the same in all files: its text, or a hash of the text where that is long."""
    if isinstance(value, float) and value.is_integer():  # whole numbers in a column with gaps are read as floats
        value = int(value)
    if value is None or value == "" or isinstance(value, bool | float):
        raise UnfitError(f"is {_shown(value)}, and must name a problem by a text or a whole number")
    text = plain_text(value)
    return text if len(text) <= SHORT and text.isprintable() else hashlib.sha256(text.encode()).hexdigest()[:12]


def plain_text(value: Any) -> str:
    """The value as text. A value of another type, such as the messages of a conversation, becomes JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def sample_number(value: Any) -> int | str:
    """The number or name that distinguishes a sample from others of its problem."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise UnfitError(f"is {_shown(value)}, and must number the samples of a problem")
    return value


def token_count(value: Any) -> int:
    """Number of tokens of an answer, from this number or from the list of tokens."""
    if isinstance(value, list):
        return len(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value < 0 or value % 1:
        raise UnfitError(f"is {_shown(value)}, and must be a number of tokens, or a list of them")
    return int(value)


def log_probability(value: Any) -> float:
    """Log-probability of a whole answer, nats, from this number or from the list of those of its tokens."""
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, int | float) and not isinstance(part, bool) and math.isfinite(part) for part in parts):
        raise UnfitError(f"is {_shown(value)}, and must be a log-probability, or a list of them")
    if (total := math.fsum(parts)) > 1e-3 * max(1, len(parts)):  # float16 rounding errors may reach this size
        raise UnfitError(f"is {total:g}, and a log-probability is not above 0")
    return total


def _number(text: str) -> float | str:
    """The number that a text stands for, or the text itself where it is not a number."""
    try:
        return float(text)
    except ValueError:
        return text


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."
