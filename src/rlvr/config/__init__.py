"""What every setting may be: declared, checked in one sentence, and documented from the declarations."""

from rlvr.config.groups.run import Evaluate, Export, Report, Train
from rlvr.config.walk import check_types

__all__ = ["Evaluate", "Export", "Report", "Train", "check_types"]
