"""Make a checkpoint a Hugging Face folder; installed, the command is `rlvr-export`."""

from rlvr.commands.export import start

if __name__ == "__main__":
    start()
