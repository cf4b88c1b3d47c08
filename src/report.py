"""The report: finished runs side by side, or anyone's samples; installed, the command is `rlvr-report`."""

from rlvr.commands.report import start

if __name__ == "__main__":
    start()
