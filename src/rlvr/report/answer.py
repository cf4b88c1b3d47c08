"""Writes the answer that stands before the tables: five sentences, each of which says only what the numbers show."""

from collections.abc import Mapping, Sequence

from rlvr.eval import Interval
from rlvr.eval.claims import KINDS
from rlvr.eval.confirmation import Confirmation, Judged
from rlvr.eval.power import POWER
from rlvr.report import many
from rlvr.report.findings import FEWEST_PROBLEMS, Finding
from rlvr.report.keeping import Ahead, Keeping
from rlvr.report.page import Answer, Sentence
from rlvr.report.sections import bands, claims, curves, power
from rlvr.report.sections import keeping as keeping_section
from rlvr.report.sections.claims import SAID
from rlvr.report.study import spelled
from rlvr.report.wording import listed, per_seed, points, up

VERDICTS = {"rose": "rose under", "fell": "fell under", "open": "may have moved either way under"}


def answers(found: Mapping[str, Sequence[Finding]], ahead: Mapping[str, Ahead]) -> list[Answer]:
    """One answer for each set of problems that is not trained on, or for the training problems if there is no other.

    Args:
        found: Findings by set of problems.
        ahead: Comparisons of the methods at equal Pass@1 and equal KL, by set of problems.
    """
    heldout = [split for split in found if split != "train"] or list(found)
    return [answer(split, found[split], ahead[split]) for split in heldout]


def answer(split: str, found: Sequence[Finding], ahead: Ahead) -> Answer:
    """The five sentences on one set of problems."""
    seeds = len(found[0].method.runs)
    of = "new problems and seeds" if seeds > 1 else "new problems (of one seed: they say nothing of another)"
    note = (
        f"Intervals are 95 %, for {of}; those of the first two sentences hold for every k and every method at once. "
        f"{'A direction is said where all seeds agree. ' * (seeds > 1)}Each sentence's table says what it assumes."
    )
    sentences = [moved(split, found), crossing(found), changed(found), keeps(ahead, len(found)), missed(found)]
    return Answer(f"The answer, {spelled(split)} problems", sentences, note)


def moved(split: str, found: Sequence[Finding]) -> Sentence:
    """Says whether Pass@1 rose or fell, and by how much."""
    groups = {verdict: [one for one in found if one.movement == verdict] for verdict in VERDICTS}
    parts = [
        f"{VERDICTS[verdict]} {listed([f'{one.method.label} ({points(one.band[0])})' for one in those])}"
        for verdict, those in groups.items()
        if those
    ]
    few = ""
    if found[0].problems < FEWEST_PROBLEMS:
        few = f"; with fewer than {FEWEST_PROBLEMS} problems intervals miss too often, and no curve is said to move"
    text = f"On {found[0].problems} {spelled(split)} problems Pass@1 {'; it '.join(parts)}{few}."
    return Sentence(text, curves.TITLE if few else bands.TITLE)


def crossing(found: Sequence[Finding]) -> Sentence:
    """Says whether each method's Pass@k curve crosses that of its base, and at which k."""
    told = f"The Pass@k curve of {'; that of '.join(_crossing(one) for one in found)}."
    return Sentence(many.crossing(found) if len(found) > many.MANY else told, bands.TITLE)


def _crossing(one: Finding) -> str:
    label, largest = one.method.label, one.ks[-1]
    there = f"at k = {largest}: {points(one.band[-1])}"
    if one.between:
        first, second = one.between
        sides = ("above", "below") if one.crossed == "crossed" else ("below", "above")
        near = sides[0] == "above" and first <= one.k_star <= second
        place = f"near k = {one.k_star:.3g}" if near else f"between {first} and {second}"
        where = f"{sides[0]} its base's at k = {first} and {sides[1]} it at k = {second}"
        return f"{label} is {where}: it crosses {place} ({there})"
    if one.crossed == "above":
        return f"{label} is above its base's at every k that was looked at, 1 to {largest} ({there})"
    if one.crossed == "below":
        sure = listed([str(k) for k, sign in zip(one.ks, one.signs, strict=True) if sign == -1])
        return f"{label} is below its base's at k = {sure}, and at no k surely above it ({there})"
    share = 100 * float(one.crossed_by[-1])
    return f"{label} may or may not cross its base's ({there}; {share:.0f} % of resampled curves have by then)"


def changed(found: Sequence[Finding]) -> Sentence:
    """Says how many problems were lost and won, and how many of these claims the fresh samples confirm."""
    if len(found) > many.MANY:
        return Sentence(many.changed(found), claims.TITLE)
    parts = "; ".join(_changed(one) for one in found)
    head = f"Of {found[0].problems} problems the ledger claims, with at most one false claim in twenty on average"
    return Sentence(f"{head}: {parts}.", claims.TITLE)


def _changed(one: Finding) -> str:
    claimed = f"under {one.method.label} " + " and ".join(
        f"{per_seed(one.counts(kind))} {SAID[kind]} [surely {per_seed([each.surely(kind) for each in one.claims])}]"
        for kind in KINDS
    )
    drawn = [each for each in one.confirmations if each is not None]
    if not any(one.counts("loss") + one.counts("entry")):
        return claimed
    if len(drawn) < len(one.confirmations):
        return f"{claimed}, not yet drawn again"
    return (
        f"{claimed}, of which {per_seed([each.samples for each in drawn])} fresh samples a problem {_confirmed(drawn)}"
    )


def _confirmed(drawn: Sequence[Confirmation]) -> str:
    judged = [each.judged() for each in drawn]
    sure = " and ".join(
        f"{per_seed([_count(those, 'confirmed', kind) for those in judged])} {SAID[kind]} "
        f"[surely {per_seed([each.surely(kind) for each in drawn])}]"
        for kind in KINDS
    )
    refuted, left = (per_seed([_count(those, verdict) for those in judged]) for verdict in ("refuted", "open"))
    return f"confirm {sure}, refute {refuted} and leave {left} open"


def _count(judged: Sequence[Judged], verdict: str, kind: str = "") -> int:
    return sum(one.verdict == verdict and kind in ("", one.fresh.kind) for one in judged)


def keeps(ahead: Ahead, methods: int) -> Sentence:
    """Says which method has the largest Pass@k at equal Pass@1, and at equal KL where that was measured."""
    why = "there is one method" if methods == 1 else "too few methods were seen to rise above their base on the way"
    text = f"Nothing can be compared at equal Pass@1: {why}"
    if ahead.at_gain:
        text = f"At equal Pass@1 {_keeps(ahead.at_gain)}"
    if ahead.at_kl:
        text += f"; at equal KL, {ahead.at_kl.kl:.2g} nats a sequence from the base, {_keeps(ahead.at_kl)}"
    return Sentence(f"{text}.", keeping_section.TITLE if ahead.at_gain or ahead.at_kl else curves.TITLE)


def _keeps(kept: Keeping) -> str:
    first, second, *_ = kept.mean
    far = f"{points(kept.next_best)} of Pass@{kept.k} on {kept.problems} problems"
    if kept.sure:
        return f"{first} keeps most: {far} above the next, {second}"
    return f"no method surely keeps most: {first} is ahead of {second} by {far}"


def missed(found: Sequence[Finding]) -> Sentence:
    """Says which changes this study would have missed, given its numbers of problems and samples."""
    largest = found[0].ks[-1]
    each = listed([f"{up(100 * float(one.seen[-1]))} points under {one.method.label}" for one in found])
    seen = many.smallest_seen(found) if len(found) > many.MANY else each
    change = f"In {100 * POWER:.0f} of 100 such studies a change of Pass@{largest} is found if it is as large as {seen}"
    if found[0].problems < FEWEST_PROBLEMS:
        change = "No change of a curve is claimed on so few problems, however large"
    hidden = many.hidden(found) if len(found) > many.MANY else listed([_hidden(one) for one in found])
    more = f"one more lost problem would have gone unclaimed if the base solved it too seldom: {hidden}"
    return Sentence(f"{change}; {more}.", power.TITLE)


def _hidden(one: Finding) -> str:
    """How many problems the base solved too seldom for a loss to be claimed; the counts are means over seeds."""
    unseen, problems = one.unseen, one.problems
    share = Interval(*(problems * end for end in (unseen.share.mean, unseen.share.low, unseen.share.high)))
    solved = sum(unseen.solved) / len(unseen.solved)
    counted = f"{share.mean:.0f} [{share.low:.0f}, {share.high:.0f}] of the {solved:.0f} solved by it"
    return f"{counted} under {one.method.label}"
