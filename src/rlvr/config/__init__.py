"""What every setting may be: declared, checked in one sentence, and documented from the declarations."""

from rlvr.config.checking import check_types
from rlvr.config.groups.run import Confirm, Evaluate, Export, Profile, Report, Train

__all__ = ["Confirm", "Evaluate", "Export", "Profile", "Report", "Train", "check_types"]
