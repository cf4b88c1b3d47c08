"""Room 1: problem sets, and the walk over them."""

from rlvr.data.countdown import Countdown
from rlvr.data.cursor import ProblemCursor
from rlvr.data.source import ProblemSource, Splits
from rlvr.data.text import Template, TextProblems, TextSet

__all__ = ["Countdown", "ProblemCursor", "ProblemSource", "Splits", "Template", "TextProblems", "TextSet"]
