"""The report: finished runs side by side, or anyone's samples; installed, the command is `rlvr-report`."""

from rlvr.report.command import run

if __name__ == "__main__":
    run()
