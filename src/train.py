"""Train a policy; installed, the command is `rlvr-train`."""

from rlvr.commands.train import start

if __name__ == "__main__":
    start()
