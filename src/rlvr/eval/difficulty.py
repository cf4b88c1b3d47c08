"""How hard a problem was for the base: four bins of its success rate there, the same for every model."""

from bisect import bisect_left

# Upper ends, inclusive, of all bins but the last.
EDGES = (1 / 16, 1 / 4, 1 / 2)
BIN_NAMES = ("up to 6 %", "6 to 25 %", "25 to 50 %", "above 50 %")


def difficulty_bin(base_rate: float) -> int:
    """0 for what the base solves least often, 3 for what it solves more often than not.

    Args:
        base_rate: Share of right answers in the base's evaluation.
    """
    return bisect_left(EDGES, base_rate)
