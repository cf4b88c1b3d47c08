"""Studies why GRPO-N falls behind in the miniature: `python -m studies.grpo_n`, or `make grpo-n`.

GRPO-N gives a problem about p times the weight that GRPO gives it (docs/methods.md). The arms take that weighting away,
or give it to other methods, one change at a time. The claims below were written before any of the arms was run. When
the study is started again, it continues; at its end it writes docs/results/grpo_n.md from the numbers, whatever they
show. `python -m studies.grpo_n page` writes the page from the runs that there are.
"""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rlvr.eval import bootstrap_mean
from rlvr.report.pool import Method
from rlvr.report.study import Study
from rlvr.report.tables import with_interval
from rlvr.sweep.job import finished
from rlvr.tables import Grid
from studies.hypotheses import Estimate, difference

ROOT = Path(__file__).parents[1]
FOLDER = Path("logs/multiruns/grpo_n")
PAGE = ROOT / "docs" / "results" / "grpo_n.md"
SEEDS = "0,1,2"
KS = (1, 16, 256)
LAST = 0.25  # the last share of a run's steps, over which entropy is averaged
RATE, MISSES = (
    ["algo/filter=rate_weight", f"algo.filter.right={right}", f"algo.filter.wrong={wrong}"]
    for right, wrong in ((1, 0), (0, 1))
)
# Four optimizer steps a rollout, and a clip half as wide, so that some ratios leave it. A higher learning rate would
# have this effect, too, but 3e-4 collapses here.
NARROW = ["algo.loss.surrogate.clip_low=0.1", "algo.loss.surrogate.clip_high=0.1"]
OFF_POLICY = ["batch.minibatches_per_rollout=4", *NARROW]


@dataclass(frozen=True)
class Arm:
    """Runs of one setting.

    Attributes:
        test: Number of the question that it answers; 0: the other arms are compared with it.
        text: Its name in tables.
        overrides: Overrides for `src/train.py`.
        rollouts: Length of the run.
    """

    test: int
    text: str
    overrides: list[str] = field(default_factory=list)
    rollouts: int = 200


ARMS = {
    "grpo": Arm(0, "GRPO", ["algo=grpo"]),
    "nsr": Arm(0, "NSR", ["algo=nsr"]),
    "grpo_n": Arm(0, "GRPO-N", ["algo=grpo_n"]),
    "nsr_dynamic": Arm(1, "NSR, 0 < m < n", ["algo=nsr", "algo/filter=dynamic", "algo.filter.refill=false"]),
    "grpo_rate": Arm(2, "GRPO x m/n", ["algo=grpo", *RATE]),
    "grpo_misses": Arm(2, "GRPO x (1 - m/n)", ["algo=grpo", *MISSES]),
    **{
        f"{algo}_off_{rollouts}": Arm(3, f"{text}, 4 x {rollouts} steps", [f"algo={algo}", *OFF_POLICY], rollouts)
        for rollouts in (50, 100)
        for algo, text in (("grpo", "GRPO"), ("grpo_n", "GRPO-N"))
    },
    "nsr_misses": Arm(4, "NSR x (1 - m/n)", ["algo=nsr", *MISSES]),
    "ngrpo": Arm(4, "NGRPO", ["algo=ngrpo"]),
    "grpo_weak_positives": Arm(4, "GRPO, positives x 0.1", ["algo=grpo", "algo.loss.signs.positive=0.1"]),
    "grpo_n_entropy": Arm(5, "GRPO-N, entropy bonus 1e-3", ["algo=grpo_n", "algo/auxiliary=entropy_bonus"]),
}
QUESTIONS = {
    1: "(1) Is NSR without all-wrong groups, not refilled, between NSR and GRPO-N?",
    2: "(2) Does GRPO weighed m/n come near GRPO-N, and weighed 1 - m/n above GRPO?",
    3: "(3) Does GRPO-N catch up off-policy, where clipping binds, in few steps?",
    4: "(4) Do negatives that weigh by 1 - m/n, or weak positives, keep what GRPO-N loses?",
    5: "(5) Does an entropy bonus mend it?",
}
# (question, arm, the arm that it is compared with, claimed sign of the difference in Pass@256; 0: only shown)
CLAIMS = [
    (1, "nsr_dynamic", "grpo_n", 1),
    (1, "nsr", "nsr_dynamic", 1),
    (2, "grpo_rate", "grpo", -1),
    (2, "grpo_rate", "grpo_n", 0),
    (2, "grpo_misses", "grpo", 1),
    (3, "grpo_n_off_50", "grpo_off_50", 0),
    (3, "grpo_n_off_100", "grpo_off_100", 0),
    (4, "nsr_misses", "grpo_n", 1),
    (4, "nsr_misses", "nsr", 0),
    (4, "ngrpo", "grpo", 0),
    (4, "grpo_weak_positives", "grpo_n", 1),
    (5, "grpo_n_entropy", "grpo_n", 0),
]
HEAD = """# Why GRPO-N falls behind in the miniature

```
make grpo-n
```

writes this page. As we read it ([methods](../methods.md)), GRPO-N keeps GRPO's negative advantages over the full
group, and so weighs a problem of success rate p about p times as GRPO does: nothing where no rollout is right. Is it
that weighting which made it the worst in [the study of six methods](countdown.md)? Embedded default, seeds {seeds} from
shared bases, 200 rollouts (question 3: 50 and 100), 500 held-out problems, 256 samples each. The claims stand in
`studies/grpo_n.py`, written before the runs. Nothing was tuned.

"""
TAIL = """
Differences are in points of Pass@256; `*`: the 95 % interval over problems and seeds excludes 0. *Supported* wants
that, and the claimed sign in each seed; no claim, no decision.

Clipped: share of trained tokens whose gradient clipping took, mean over the run. Entropy: nats a token, mean over the
last quarter of the run. Only in question 3 are there several optimizer steps a rollout: only there can clipping bind.
"""


def command(name: str, arm: Arm) -> list[str]:
    """The command of one arm's sweep."""
    place = f"hydra.sweep.dir={FOLDER / name}"
    return ["src/train.py", "-m", *arm.overrides, f"rollouts={arm.rollouts}", f"seed={SEEDS}", place]


def read() -> dict[str, Method]:
    """Held-out results of each arm whose seeds have all finished."""
    seeds = SEEDS.split(",")
    there = [name for name in ARMS if sum(map(finished, (FOLDER / name).glob("*_seed*"))) == len(seeds)]
    return {name: Study.read([FOLDER / name]).methods["heldout"][0] for name in there}


def measured(name: str, method: Method) -> list[str]:
    """A row of the table of arms."""
    passed = [with_interval(method.trained(k)) for k in KS]
    last = [run.metrics[-max(1, int(LAST * len(run.metrics))) :] for run in method.runs]
    entropy = np.mean([row["rollout/entropy"] for rows in last for row in rows])
    clipped = np.mean([row.get("train/clipped_share", 0.0) for run in method.runs for row in run.metrics])
    return [ARMS[name].text, *passed, f"{entropy:.2f}", f"{100 * clipped:.2f} %"]


def decided(claim: tuple[int, str, str, int], methods: dict[str, Method]) -> list[str]:
    """A row of a question's table."""
    _, name, other, sign = claim
    estimate: Estimate = difference(methods[name], methods[other], KS[-1])(list(range(len(methods[name].seeds))))
    seeds = ", ".join(f"{100 * value:+.1f}" for value in estimate.value_S)
    claimed = {1: "> 0", -1: "< 0", 0: ""}[sign]
    row = [f"{ARMS[name].text} - {ARMS[other].text}", claimed, with_interval(estimate.interval, signed=True), seeds]
    return [*row, estimate.decision(sign) if sign else ""]


def explained(methods: dict[str, Method]) -> str:
    """A sentence on how much of GRPO-N's distance to GRPO the weight m/n alone explains."""
    grpo, rate, grpo_n = (methods[name].trained(KS[-1]).mean for name in ("grpo", "grpo_rate", "grpo_n"))
    lost, alone = 100 * (grpo - grpo_n), 100 * (grpo - rate)
    if lost <= 0:
        return f"GRPO-N is {-lost:.1f} points of Pass@256 above GRPO here, so there is no deficit to explain."
    part = f", {alone / lost:.0%} of it" if alone > 0 else ""
    return f"GRPO-N is {lost:.1f} points of Pass@256 below GRPO; the weight m/n alone costs GRPO {alone:.1f}{part}."


def page(methods: dict[str, Method]) -> str:
    """The page: the numbers, and the decision on each claim."""
    base = next(iter(methods.values()))
    rows = [["base", *(with_interval(bootstrap_mean(base.base_SP(k))) for k in KS), "", ""]]
    rows += [measured(name, method) for name, method in methods.items()]
    header = ["held-out, %", *(f"Pass@{k}" for k in KS), "entropy", "clipped"]
    text = HEAD.format(seeds=", ".join(map(str, base.seeds)))
    text += Grid("", header, rows).markdown(titled=False)
    if {"grpo", "grpo_rate", "grpo_n"} <= set(methods):
        text += f"\n{explained(methods)}\n"
    for number, question in QUESTIONS.items():
        known = [claim for claim in CLAIMS if claim[0] == number and {claim[1], claim[2]} <= set(methods)]
        if known:
            columns = ["Pass@256", "claimed", "difference", "by seed", "decision"]
            table = Grid("", columns, [decided(claim, methods) for claim in known]).markdown(titled=False)
            text += f"\n## {question}\n\n{table}"
    missing = [arm.text for name, arm in ARMS.items() if name not in methods]
    return text + TAIL + (f"\nNot run yet: {'; '.join(missing)}.\n" if missing else "")


def main() -> None:
    """Run the arms that are missing, then write the page. It names an arm that fails; the others are still run."""
    for name, arm in ARMS.items() if "page" not in sys.argv[1:] else ():
        subprocess.run([sys.executable, *command(name, arm)], check=False)
    PAGE.write_text(page(read()))


if __name__ == "__main__":
    main()
