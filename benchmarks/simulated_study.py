"""Repeats a study whose truth is known, and checks whether the report's statements on it are right.

    python -m benchmarks.simulated_study > docs/results/simulated_study.md

500 problems have set success rates under a base and two policies. Sharpened often solves what the base sometimes
solves, more rarely solves what the base rarely solves, loses 12 problems and wins 3. Careful raises what is already
within reach and loses none. Every repetition draws all samples anew, makes the report's findings and sentences, tests
the claims in fresh samples, and compares each of them with the truth.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlvr.eval import Evaluation, RunRecord, SplitRecord, powers_of_two
from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.claims import KINDS
from rlvr.eval.confirmation import Confirmation, Fresh, tails
from rlvr.eval.ledger import Kind
from rlvr.report.answer import answer
from rlvr.report.findings import Finding, findings_of
from rlvr.report.keeping import Ahead, Keeping, kept
from rlvr.report.paths import RunPath
from rlvr.report.pool import pool
from rlvr.report.runs import RunFolder
from rlvr.report.tables import shown_ks
from rlvr.tables import Grid

PROBLEMS, SAMPLES, TIMES, REPETITIONS = 500, 256, 8, 100
PATH_PROBLEMS, STEPS = 150, (0, 1, 2, 3)
LOST, WON = 12, 3
OUT_OF_REACH = 2e-4  # of half of the lost problems; the others are at 0
Rates = dict[str, FloatArray]
"""Success rate of each problem [P] by policy."""


def rates() -> Rates:
    """The true success rates, the same in all repetitions."""
    base = 0.9 * np.linspace(0, 1, PROBLEMS) ** 3
    base[:40] = 0
    base[-LOST:] = np.geomspace(0.06, 0.4, LOST)
    reach = 1 / SAMPLES
    sharpened = np.where(base >= 0.1, 1 - (1 - base) ** 3, np.maximum(base / 4, np.minimum(base, 2 * reach)))
    sharpened[-LOST:] = np.where(np.arange(LOST) % 2, OUT_OF_REACH, 0)
    sharpened[:WON] = (0.05, 0.1, 0.3)
    careful = np.where(base >= 4 * reach, 1 - (1 - base) ** 1.5, base)
    order = np.random.default_rng(0).permutation(PROBLEMS)  # those along the way are the first ones
    return {name: each[order] for name, each in (("base", base), ("Sharpened", sharpened), ("Careful", careful))}


def moved(truth: Rates, name: str, kind: Kind) -> NDArray[np.bool_]:
    """Which problems a policy truly lost or won. A problem is within reach at a rate of 1/n."""
    before, now = (truth[policy] >= 1 / SAMPLES for policy in ("base", name))
    return before & ~now if kind == "loss" else now & ~before


def on_the_way(truth: Rates, name: str, step: int) -> FloatArray:
    """The success rates at an evaluation during training, on its problems."""
    share = step / STEPS[-1]
    return ((1 - share) * truth["base"] + share * truth[name])[:PATH_PROBLEMS]


def evaluated(rate_P: FloatArray, rng: np.random.Generator) -> Evaluation:
    """An evaluation with fresh samples of every problem."""
    ids = tuple(str(index) for index in range(len(rate_P)))
    return Evaluation(SAMPLES, ids, tuple(rng.binomial(SAMPLES, rate_P).tolist()), 1.0, 0.0, 0.0)


def simulated(truth: Rates, rng: np.random.Generator) -> list[RunFolder]:
    """A run of each policy from one evaluation of the base."""
    base = evaluated(truth["base"], rng)
    start = replace(base, problem_ids=base.problem_ids[:PATH_PROBLEMS], correct=base.correct[:PATH_PROBLEMS])
    runs = []
    for name in list(truth)[1:]:
        path = {step: evaluated(on_the_way(truth, name, step), rng) for step in STEPS[1:]}
        split = SplitRecord(base, evaluated(truth[name], rng), path={0: start, **path})
        runs.append(RunFolder(Path("simulated"), RunRecord(name, 0, {"heldout": split})))
    return runs


def confirmed(one: Finding, truth: Rates, rng: np.random.Generator) -> Confirmation:
    """The claims, tested by fresh samples for exactly the claimed problems."""
    name, samples = one.method.label, TIMES * SAMPLES
    claims = [(change.problem_id, kind) for kind in KINDS for change in one.claims[0].of(kind)]
    drawn = [
        Fresh(problem, kind, *(int(rng.binomial(samples, truth[policy][int(problem)])) for policy in ("base", name)))
        for problem, kind in claims
    ]
    return Confirmation(SAMPLES, samples, tuple(drawn))


@dataclass(frozen=True)
class Repetition:
    """One study: whether each part of the answer is right, how much it decides, and its words.

    Attributes:
        right: Whether it is right, by part of the answer.
        decided: Whether it is decided, by claim that could be made.
        confirmed: True and false losses, true and false wins, of those that fresh samples confirm.
        words: The sentences.
    """

    right: dict[str, bool]
    decided: dict[str, bool]
    confirmed: tuple[int, int, int, int]
    words: list[str]


def repetition(truth: Rates, seed: int) -> Repetition:
    """Draw all samples, decide, and compare the decisions with the truth."""
    rng = np.random.default_rng(seed)
    methods = pool(simulated(truth, rng), "heldout")
    found = [replace(one, confirmations=[confirmed(one, truth, rng)]) for one in findings_of(methods)]
    ks = shown_ks(SAMPLES)
    ahead = kept({one.label: [RunPath.of(one.runs[0], "heldout", ks)] for one in methods})
    assert ahead is not None
    right = {
        "1. Pass@1: direction and interval": all(one_right(one, truth, (0,)) for one in found),
        "2. Crossing: direction and band at every k": all(one_right(one, truth, range(len(one.ks))) for one in found),
        "3. Lost and won: what is said to be sure": all(sure_right(one, truth) for one in found),
        "4. Most at equal Pass@1: order and interval": keeping_right(ahead, truth),
        "5. Losses left unseen: interval": all(unseen_right(one, truth) for one in found),
    }
    sharpened, careful = found
    decided = {
        "Pass@1 of Sharpened rose": sharpened.movement == "rose",
        "Pass@1 of Careful rose": careful.movement == "rose",
        "Sharpened crosses its base": sharpened.crossed == "crossed",
        "Careful crosses its base (false)": careful.crossed in ("crossed", "below"),
        "Careful keeps more at equal Pass@1": ahead.sure and ahead.best == "Careful",
    }
    words = [sentence.text for sentence in answer("heldout", found, Ahead(ahead, None)).sentences]
    return Repetition(right | {"All five": all(right.values())}, decided, outcome(found, truth), words)


def one_right(one: Finding, truth: Rates, places: Sequence[int]) -> bool:
    """Whether the true differences at these k are inside the band, and have the claimed sign where one is claimed."""
    base, now = truth["base"], truth[one.method.label]
    true_K = np.array([((1 - base) ** k - (1 - now) ** k).mean() for k in powers_of_two(SAMPLES)])
    inside = all(one.band[place].low <= true_K[place] <= one.band[place].high for place in places)
    return inside and all(one.signs[place] in (0, np.sign(true_K[place])) for place in places)


def sure_right(one: Finding, truth: Rates) -> bool:
    """Whether no more problems are called sure, as claimed and as confirmed, than are truly lost or won."""
    (made,), (fresh,), name = one.claims, one.confirmations, one.method.label
    assert fresh is not None
    rose = {"loss": truth[name] < truth["base"], "entry": truth[name] > truth["base"]}
    claims_right = all(
        made.surely(kind) <= sum(rose[kind][int(change.problem_id)] for change in made.of(kind)) for kind in KINDS
    )
    true, _, won, _ = judged(one, truth)
    return claims_right and fresh.surely("loss") <= true and fresh.surely("entry") <= won


def keeping_right(ahead: Keeping, truth: Rates) -> bool:
    """Whether the true difference at the true places is inside the interval, and no false order is claimed."""
    ks = shown_ks(SAMPLES)
    paths = {}
    for name in list(truth)[1:]:
        rate_TP = np.stack([on_the_way(truth, name, step) for step in STEPS])
        path = RunPath(name, 0, np.array(STEPS, dtype=float), None, {k: 1 - (1 - rate_TP) ** k for k in ks})
        paths[name] = [path]
    true = kept(paths)
    assert true is not None
    first, second = ahead.mean
    difference, interval = true.mean[first] - true.mean[second], ahead.next_best
    return interval.low <= difference <= interval.high and (not ahead.sure or difference > 0)


def unseen_right(one: Finding, truth: Rates) -> bool:
    """Whether the share of problems that the base solves too rarely, averaged over samples, is inside the interval."""
    (least,) = one.unseen.least
    chances = []
    for rate in truth["base"]:
        below, _ = tails(SAMPLES, float(rate)) if rate > 0 else (np.ones(SAMPLES + 1), None)
        chances.append(below[least - 1] - below[0])
    return one.unseen.share.low <= np.mean(chances) <= one.unseen.share.high


def judged(one: Finding, truth: Rates) -> tuple[int, int, int, int]:
    """Confirmed losses, true and false, and confirmed wins, true and false."""
    (fresh,) = one.confirmations
    assert fresh is not None
    counts = []
    for kind in KINDS:
        true_P = moved(truth, one.method.label, kind)
        those = [each for each in fresh.judged() if each.verdict == "confirmed" and each.fresh.kind == kind]
        true = sum(bool(true_P[int(each.fresh.problem_id)]) for each in those)
        counts += [true, len(those) - true]
    return counts[0], counts[1], counts[2], counts[3]


def outcome(found: Sequence[Finding], truth: Rates) -> tuple[int, int, int, int]:
    """The results over both policies."""
    lost, lost_false, won, won_false = np.sum([judged(one, truth) for one in found], axis=0).tolist()
    return lost, lost_false, won, won_false


def grids(made: Sequence[Repetition]) -> Iterator[Grid]:
    """The tables of the study."""
    count = len(made)
    head = ["", f"of {count}"]
    yield Grid(
        "Repetitions in which it is right",
        head,
        [[part, str(sum(one.right[part] for one in made))] for part in made[0].right],
    )
    yield Grid(
        "Repetitions in which it is claimed",
        head,
        [[claim, str(sum(one.decided[claim] for one in made))] for claim in made[0].decided],
    )
    numbers = np.array([one.confirmed for one in made])
    names = (f"true losses, of {LOST}", "false losses", f"true wins, of {WON}", "false wins")
    rows = [
        [name, *(f"{value:g}" for value in (column.min(), column.mean(), column.max()))]
        for name, column in zip(names, numbers.T, strict=True)
    ]
    enough, wrong = (numbers[:, 0] >= 10).sum(), (numbers[:, 1] + numbers[:, 3] <= 1).sum()
    yield Grid(f"Confirmed in {TIMES * SAMPLES:,} fresh samples", ["", "fewest", "mean", "most"], rows)
    lines = [["at least 10 of the 12 losses confirmed", str(enough)], ["at most 1 false confirmation", str(wrong)]]
    yield Grid("Repetitions with", head, lines)


def main() -> None:
    """Print the page."""
    truth = rates()
    made = [repetition(truth, seed) for seed in range(REPETITIONS)]
    print("# A study whose truth is known\n")
    print("```\npython -m benchmarks.simulated_study > docs/results/simulated_study.md\n```\n")
    print(
        f"{PROBLEMS} problems, {SAMPLES} samples each, {REPETITIONS} repetitions: what the report's sentences say is "
        "held against the success rates that the samples were drawn with (benchmarks/simulated_study.py). The problems "
        "are the same in all repetitions, and the intervals are for new ones, so that they are right more often than "
        "in 95 of 100.\n"
    )
    print("\n".join(grid.markdown() for grid in grids(made)))
    print("The first repetition's answer:\n")
    for place, text in enumerate(made[0].words, start=1):
        print(f"{place}. {text}")


if __name__ == "__main__":
    main()
