"""Put a ledger's claims to the test; installed, the command is `rlvr-confirm`."""

from rlvr.commands.confirm import start

if __name__ == "__main__":
    start()
