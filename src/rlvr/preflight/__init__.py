"""Checks before anything long or costly starts: of the settings, the machine and the plan.

Nothing is imported here: the settings are checked before torch is imported, which machine and plan need.
"""
