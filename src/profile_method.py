"""What methods learn from; installed, the command is `rlvr-profile`."""

from rlvr.commands.profile_method import start

if __name__ == "__main__":
    start()
