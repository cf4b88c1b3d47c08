"""Tables and figures from what runs have written."""

from rlvr.report.evaluations import report_evaluations
from rlvr.report.setting import write_setting
from rlvr.report.write import report_run, report_together

__all__ = ["report_evaluations", "report_run", "report_together", "write_setting"]
