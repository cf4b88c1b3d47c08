"""Tables and figures from what runs have written, and from anyone's samples."""

from typing import TYPE_CHECKING

from rlvr.lazy import on_demand

if TYPE_CHECKING:
    from rlvr.report.evaluations import report_evaluations
    from rlvr.report.setting import write_setting
    from rlvr.report.write import report_run, report_together
else:  # Matplotlib takes a second, which a refused command should not
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
