"""What is looked at before anything long or costly starts: settings, machine, plan.

Nothing is imported here: the settings are checked before torch, which machine and plan need.
"""
