"""Shows which kinds of problems a method loses: few right expressions, which operators, far from the pool."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import permutations, product

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from numpy.typing import NDArray

from rlvr.data.countdown import OPERATORS, evaluate
from rlvr.data.n_queens import completions
from rlvr.eval import Interval
from rlvr.eval.bootstrap import FloatArray, bootstrap_mean
from rlvr.tables import Grid
from studies.frontier.record import read
from studies.frontier.setting import COUNTDOWN, MANY, METHODS, QUEENS, ROOT, Run

IntArray = NDArray[np.int64]


@cache
def ways(digits: str) -> Mapping[int, tuple[int, float]]:
    """For each value that these digits reach: in how many ways, and the mean share of `*` among the operators."""
    order_BN = np.array(sorted(set(permutations(map(int, digits)))), dtype=np.int64)
    count: Counter[int] = Counter()
    times: Counter[int] = Counter()
    for operators in product(range(len(OPERATORS)), repeat=len(digits) - 1):
        value_B = evaluate(order_BN, np.tile(np.array(operators, dtype=np.int64), (len(order_BN), 1)))
        stars = operators.count(OPERATORS.index("*"))
        for value, number in zip(*np.unique(value_B, return_counts=True), strict=True):
            count[int(value)] += int(number)
            times[int(value)] += int(number) * stars
    return {value: (number, times[value] / number / (len(digits) - 1)) for value, number in count.items()}


def trained_on() -> list[str]:
    """Names of the study's training problems."""
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        source = instantiate(compose("train", [f"data={COUNTDOWN.task}"]).data)
    return [problem.id for problem in source.splits(source.tokenizer()).train]


def shared_digits(name: str, others: Sequence[str]) -> int:
    """The most digits that a problem has in common with any of the others."""
    digits = Counter(name.split("=")[0])
    return max((digits & Counter(other.split("=")[0])).total() for other in others)


def of_countdown(names: Sequence[str]) -> dict[str, FloatArray]:
    """Features of each problem [P], which do not depend on a policy."""
    there = [ways(name.split("=")[0])[int(name.split("=")[1])] for name in names]
    pool = trained_on()
    return {
        "right expressions": np.array([number for number, _ in there], dtype=float),
        "share of * in them": np.array([share for _, share in there]),
        "digits shared with a training problem": np.array([shared_digits(name, pool) for name in names], dtype=float),
    }


def of_queens(names: Sequence[str]) -> dict[str, FloatArray]:
    """The same for boards."""
    return {"right arrangements": np.array([len(completions(name)) for name in names], dtype=float)}


FEATURES = {COUNTDOWN.task: of_countdown, QUEENS.task: of_queens}


def parts(value_P: FloatArray) -> list[tuple[str, NDArray[np.bool_]]]:
    """The lower, middle and upper third of the problems, as far as equal values allow."""
    low, high = np.quantile(value_P, [1 / 3, 2 / 3])
    found = [
        (f"<= {low:.3g}", value_P <= low),
        (f"to {high:.3g}", (value_P > low) & (value_P <= high)),
        (f"> {high:.3g}", value_P > high),
    ]
    return [(text, inside_P) for text, inside_P in found if inside_P.any()]


def change_SP(runs: Sequence[Run]) -> FloatArray:
    """Pass@256 of the trained policy less that of its base, by seed and held-out problem."""
    splits = [read(run).splits["heldout"] for run in runs]
    return np.stack([split.trained.by_problem(MANY) - split.base.by_problem(MANY) for split in splits if split.trained])


def table(
    chosen: Mapping[str, Sequence[Run]], known: Callable[[Sequence[str]], dict[str, FloatArray]] | None = None
) -> Grid:
    """The mean change of Pass@256, with a row for each method and a column for each third of each feature.

    Args:
        chosen: The runs of one learning rate, one for each seed, by method.
        known: Computes features from problems' names; None: those of the task.
    """
    first = next(iter(chosen.values()))[0]
    names = read(first).splits["heldout"].base.problem_ids
    values = (known or FEATURES[first.task])(names)
    thirds = [(name, *part) for name, value_P in values.items() for part in parts(value_P)]
    rows = []
    for method, runs in chosen.items():
        change = change_SP(runs)
        cells = [_shown(bootstrap_mean(change[:, inside_P])) for _, _, inside_P in thirds]
        rows.append([METHODS[method].label, f"{runs[0].rate:g}", *cells])
    header = [f"{name} {text} ({inside_P.sum()})" for name, text, inside_P in thirds]
    title = "Change of Pass@256 at the last step by kind of problem (how many), points; * the 95 % interval excludes 0"
    return Grid(title, ["", "learning rate", *header], rows)


def _shown(interval: Interval) -> str:
    return f"{100 * interval.mean:+.1f}{'*' * interval.excludes_zero}"
