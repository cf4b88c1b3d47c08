"""What a run will ask for, from its config alone: work, memory, disk."""

from rlvr.plan.activations import GIB, Step
from rlvr.plan.memory import Memory
from rlvr.plan.plan import Plan

__all__ = ["GIB", "Memory", "Plan", "Step"]
