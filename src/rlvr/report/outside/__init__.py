"""The report over samples that other programs have drawn and graded."""

from rlvr.report.outside.reading import Wanted
from rlvr.report.outside.writing import report_samples

__all__ = ["Wanted", "report_samples"]
