"""How many operations a policy needs, and how many a device can do at best.

Nothing is imported here: counting operations needs no torch, but peaks do.
"""
