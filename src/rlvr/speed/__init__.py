"""How much arithmetic a policy's work is, and how much a device can do at best.

Nothing is imported here: operations need no torch, which peaks do.
"""
