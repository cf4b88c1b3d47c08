"""Declares what every setting may be, and checks and documents settings by these declarations."""

from rlvr.config.checking import check_types
from rlvr.config.groups.run import Confirm, Evaluate, Export, Profile, Report, Train

__all__ = ["Confirm", "Evaluate", "Export", "Profile", "Report", "Train", "check_types"]
