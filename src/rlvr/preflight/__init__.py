"""What is looked at before anything long or costly starts: settings, machine, plan."""

from rlvr.preflight.activations import GIB, Step
from rlvr.preflight.memory import Memory
from rlvr.preflight.plan import Plan

__all__ = ["GIB", "Memory", "Plan", "Step"]
