"""Tables and figures from the files of runs, and from samples that other programs have drawn."""

from typing import TYPE_CHECKING

from rlvr.lazy import on_demand

if TYPE_CHECKING:
    from rlvr.report.evaluations import report_evaluations
    from rlvr.report.setting import write_setting
    from rlvr.report.write import report_run, report_together
else:  # importing Matplotlib takes a second, and a command that is refused should end at once
    __getattr__ = on_demand(
        __name__,
        {
            "report_evaluations": "evaluations",
            "write_setting": "setting",
            "report_run": "write",
            "report_together": "write",
        },
    )

__all__ = ["report_evaluations", "report_run", "report_together", "write_setting"]
