"""Evaluate a policy; installed, the command is `rlvr-eval`."""

from rlvr.commands.eval import start

if __name__ == "__main__":
    start()
