"""The answer's second, third and fifth sentence where there are more methods than can be told one by one."""

from collections.abc import Sequence

from rlvr.eval.claims import KINDS
from rlvr.report.findings import Crossed, Finding
from rlvr.report.wording import listed, up

MANY = 8  # methods
CURVES: dict[Crossed, str] = {
    "crossed": "crosses its base's downwards under",
    "turned": "crosses its base's upwards under",
    "above": "is above its base's at every k under",
    "below": "is below its base's, and at no k surely above it, under",
    "open": "may or may not cross its base's under",
}


def crossing(found: Sequence[Finding]) -> str:
    """Says whose Pass@k curves cross those of their bases; the intervals stand in the table."""
    groups = {crossed: [one for one in found if one.crossed == crossed] for crossed in CURVES}
    parts = [
        f"{CURVES[crossed]} {listed([f'{one.method.label} ({_at_largest(one)})' for one in those])}"
        for crossed, those in groups.items()
        if those
    ]
    return f"The Pass@k curve, with its change at k = {found[0].ks[-1]} in points, {'; it '.join(parts)}."


def _at_largest(one: Finding) -> str:
    return f"{round(100 * one.band[-1].mean, 1) + 0.0:+.1f}"


def changed(found: Sequence[Finding]) -> str:
    """Says how many problems were lost and won, all seeds together, and how many of these claims were confirmed."""
    claimed = [(one, [sum(one.counts(kind)) for kind in KINDS]) for one in found]
    some = [f"{_pair(counts)} under {_drawn(one)}" for one, counts in claimed if any(counts)]
    none = [one.method.label for one, counts in claimed if not any(counts)]
    told = [*some, f"none under {listed(none)}"] if none else some
    head = (
        f"Of {found[0].problems} problems the ledger claims as lost and won, with at most one false claim in twenty on"
    )
    return f"{head} average, all seeds together: {'; '.join(told)}."


def _drawn(one: Finding) -> str:
    drawn = [each for each in one.confirmations if each is not None]
    if len(drawn) < len(one.confirmations):
        return f"{one.method.label} (not yet drawn again)"
    judged = [each for confirmation in drawn for each in confirmation.judged() if each.verdict == "confirmed"]
    return (
        f"{one.method.label} (confirmed: {_pair([sum(each.fresh.kind == kind for each in judged) for kind in KINDS])})"
    )


def _pair(counts: Sequence[int]) -> str:
    return listed([f"{count:,}" for count in counts])


def smallest_seen(found: Sequence[Finding]) -> str:
    """The smallest changes that the study would have found, from the method where it sees most to that where least."""
    first, *_, last = sorted(found, key=lambda one: float(one.seen[-1]))
    low, high = (up(100 * float(one.seen[-1])) for one in (first, last))
    return f"{low} points under {first.method.label}, {high} under {last.method.label} and between under the others"


def hidden(found: Sequence[Finding]) -> str:
    """How many problems the bases solved too seldom for a loss to be claimed: from the fewest to the most."""
    solved = [sum(one.unseen.solved) / len(one.unseen.solved) for one in found]
    unseen = [one.problems * one.unseen.share.mean for one in found]
    few, most, all_few, all_most = (f"{end(those):.0f}" for those in (unseen, solved) for end in (min, max))
    those = few if few == most else f"{few} to {most}"
    of = all_few if all_few == all_most else f"{all_few} to {all_most}"
    return f"{those} of the {of} solved by it, by method"
