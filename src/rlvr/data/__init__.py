"""Problem sets, and the order in which they come."""

from rlvr.data.countdown import Countdown
from rlvr.data.cursor import ProblemCursor
from rlvr.data.lengths import check_lengths, longest_sequence
from rlvr.data.n_queens import NQueens
from rlvr.data.reading import TextSet
from rlvr.data.reasoning_gym import ReasoningGym
from rlvr.data.report import write_report
from rlvr.data.source import ProblemSource, Splits
from rlvr.data.template import Template
from rlvr.data.text import Suite, TextProblems

__all__ = [
    "Countdown",
    "NQueens",
    "ProblemCursor",
    "ProblemSource",
    "ReasoningGym",
    "Splits",
    "Suite",
    "Template",
    "TextProblems",
    "TextSet",
    "check_lengths",
    "longest_sequence",
    "write_report",
]
