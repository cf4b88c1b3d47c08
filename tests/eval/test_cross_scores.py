"""What is read off scored samples: against plain loops, and intervals that cover a known truth as often as they say."""

from itertools import pairwise
from math import comb
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from rlvr.eval.bands import ratios, simultaneous
from rlvr.eval.bootstrap import Interval, bootstrap_mean, draws
from rlvr.eval.cross import EDGES, SAMPLES, SCHEMA, TOP, CrossRecord, by_position, crossed_of, read_crossed, top_sum
from rlvr.report.keeping import kept_near
from rlvr.report.paths import RunPath
from rlvr.report.places import at_places, kl_places
from rlvr.step import write_table


def test_bins_of_positions():
    """The first 16 positions by themselves, then four bins to an octave, each position in one of them."""
    assert EDGES[:24].tolist() == [*range(17), 20, 24, 28, 32, 40, 48, 56]
    assert (np.diff(EDGES) > 0).all()
    entropy_T = np.random.default_rng(0).random(300)
    plain = [entropy_T[first:end].sum() for first, end in pairwise(EDGES) if first < 300]
    assert by_position(entropy_T) == pytest.approx(plain)
    assert by_position(np.array([])).tolist() == []


def test_the_top_fifth_by_hand():
    """One token of five; of seven one and four tenths."""
    assert top_sum(np.array([1.0, 5.0, 1.0, 1.0, 1.0])) == 5
    assert top_sum(np.array([3.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0])) == pytest.approx(3 + 0.4 * 2)
    assert top_sum(np.ones(9)) == pytest.approx(TOP * 9)


def rows(rng: np.random.Generator, policy: str) -> list[dict]:
    """Four problems with three samples each, some of them long."""
    found = []
    for problem in range(4):
        for sample in range(3):
            entropy_T = rng.random(int(rng.integers(1, 90)))
            row = {"policy": policy, "problem_id": f"p{problem}", "sample": sample, "right": bool(rng.random() < 0.5)}
            row |= {"tokens": len(entropy_T), "base_logp": -rng.random() * 9, "trained_logp": -rng.random() * 9}
            found.append(row | {"entropy": by_position(entropy_T), "top_entropy": top_sum(entropy_T), "all": entropy_T})
    return found


def test_a_table_by_plain_loops(tmp_path: Path):
    """Every quantity of each problem, through the file."""
    made = {policy: rows(np.random.default_rng(seed), policy) for seed, policy in enumerate(("base", "trained"))}
    columns = [[row[name] for those in made.values() for row in those] for name in SCHEMA.names]
    write_table(tmp_path / "cross.parquet", pa.table(columns, schema=SCHEMA))
    found = read_crossed(tmp_path / "cross.parquet")
    for policy, those in made.items():
        own, other = (f"{name}_logp" for name in (policy, "base" if policy == "trained" else "trained"))
        one = found[policy]
        for problem in range(4):
            mine = those[3 * problem : 3 * problem + 3]
            assert one.kl_P[problem] == pytest.approx(np.mean([row[own] - row[other] for row in mine]))
            assert one.beyond_P(32)[problem] == sum(row["right"] and row["base_logp"] < -np.log(32) for row in mine)
            assert one.top_P[problem] == pytest.approx(sum(row["top_entropy"] for row in mine))
            longest = max(len(row["all"]) for row in those)
            for index, first in enumerate(filter(lambda edge: edge < longest, EDGES)):
                parts = [row["all"][first : EDGES[index + 1]] for row in mine]
                assert one.counted_PB[problem, index] == sum(map(len, parts))
                assert one.entropy_PB[problem, index] == pytest.approx(sum(map(sum, parts)), abs=1e-4)
            assert one.counted_PB[problem].sum() == one.tokens_PN[problem].sum()


def test_no_entropy_at_all():
    """Completions of no tokens that the policy wrote are nothing, and no error."""
    row = {"policy": "base", "problem_id": "p", "sample": 0, "right": False, "tokens": 0, "base_logp": 0.0}
    row |= {"trained_logp": 0.0, "entropy": [], "top_entropy": 0.0}
    one = crossed_of(pa.Table.from_pylist([row], schema=SCHEMA), "base")
    assert one.entropy_PB.shape == one.counted_PB.shape == (1, 0)


def test_the_record_comes_back(tmp_path: Path):
    record = CrossRecord(16, 0.6, ("a", "b"), {0: (0.0, 0.0), 10: (0.5, 0.25)})
    record.write(tmp_path)
    assert CrossRecord.read(tmp_path) == record
    assert CrossRecord.read(tmp_path / "nothing") is None


def test_a_ratio_by_plain_loops():
    """Its mean is the ratio of the sums, and its deviation nearly that of the same ratio in the report's draws."""
    rng = np.random.default_rng(0)
    below_SP = rng.integers(0, 5, size=(1, 200)).astype(float)
    above_SP = rng.random((1, 200)) * below_SP
    _, problem_RP = draws(1, 200)
    drawn = [(problems * above_SP[0]).sum() / (problems * below_SP[0]).sum() for problems in problem_RP]
    (found,) = ratios(above_SP[None], below_SP[None])
    assert found.mean == pytest.approx(above_SP.sum() / below_SP.sum())
    assert 1 < (found.high - found.low) / 2 / (1.96 * np.std(drawn)) < 1.1


# Problems; fewer are covered less easily.
SIZES = [30, *(pytest.param(problems, marks=pytest.mark.full) for problems in (60, 150))]

# --- coverage -------------------------------------------------------------------------------------------------------


def texts(rng: np.random.Generator, problems: int) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of 40 texts under base and trained policy [P, 40]; some problems have moved far more."""
    base_PV = rng.normal(0, 1.5, size=(problems, 40))
    moved_PV = base_PV + rng.gamma(1.0, 0.8, size=(problems, 1)) * rng.normal(size=(problems, 40))
    base_PV, moved_PV = (each - np.log(np.exp(each).sum(axis=1, keepdims=True)) for each in (base_PV, moved_PV))
    return base_PV, moved_PV


def drawn_kl(rng: np.random.Generator, own_PV: np.ndarray, other_PV: np.ndarray) -> np.ndarray:
    """Of each problem, from samples."""
    below_PNV = np.exp(own_PV).cumsum(axis=1)[:, None] < rng.random((len(own_PV), SAMPLES, 1))
    text_PN = below_PNV.sum(axis=2).clip(max=own_PV.shape[1] - 1)
    return np.take_along_axis(own_PV - other_PV, text_PN, axis=1).mean(axis=1)


@pytest.mark.parametrize("problems", SIZES)
def test_both_divergences_are_covered_at_the_nominal_rate(problems: int):
    """Problems and samples drawn anew, few of which have most of the KL: both intervals hold in 95 of 100; those of a
    percentile bootstrap, each by itself, hold less often."""
    rng, inside, alone, trials = np.random.default_rng(0), 0, 0, 400
    base_PV, moved_PV = texts(rng, 200_000)
    truth = [
        (np.exp(moved_PV) * (moved_PV - base_PV)).sum() / 2e5,
        (np.exp(base_PV) * (base_PV - moved_PV)).sum() / 2e5,
    ]
    for _ in range(trials):
        base_PV, moved_PV = texts(rng, problems)
        forth_P, back_P = drawn_kl(rng, moved_PV, base_PV), drawn_kl(rng, base_PV, moved_PV)
        band = simultaneous(np.array([forth_P, back_P])[:, None]).intervals
        inside += all(map(covered, band, truth))
        alone += all(map(covered, [bootstrap_mean(each_P[None]) for each_P in (forth_P, back_P)], truth))
    assert inside / trials >= 0.91
    assert alone < inside


def ratio_of(above_P: np.ndarray, below_P: np.ndarray) -> Interval:
    (found,) = ratios(*(each[None, None].astype(float) for each in (above_P, below_P)))
    return found


def covered(found: Interval, truth: float) -> bool:
    return found.low <= truth <= found.high


@pytest.mark.parametrize("problems", SIZES)
def test_the_share_beyond_the_budget_is_covered_at_the_nominal_rate(problems: int):
    """Right answers, and those of them that the base seldom gives: more of these where a problem is hard."""
    rng, inside, trials = np.random.default_rng(0), 0, 400

    def draw(size: int) -> tuple[np.ndarray, np.ndarray]:
        rate_P = rng.beta(0.6, 2.0, size=size)
        return rate_P, rng.beta(2 * (1 - rate_P) + 0.3, 1.5)

    rate_P, part_P = draw(400_000)
    truth = float((rate_P * part_P).sum() / rate_P.sum())
    for _ in range(trials):
        rate_P, part_P = draw(problems)
        right_P = rng.binomial(SAMPLES, rate_P)
        beyond_P = rng.binomial(right_P, part_P)
        inside += covered(ratio_of(beyond_P, right_P), truth)
    assert inside / trials >= 0.92


PLACES = 5


def token_entropies(rng: np.random.Generator, problems: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of entropies and tokens of each problem, longer where it is less sure; and sums at five positions."""
    level_P = rng.gamma(3.0, 0.2, size=problems)
    tokens_PN = 1 + rng.poisson(10 + 20 * level_P[:, None], size=(problems, SAMPLES))
    sum_P = rng.gamma(2.0 * tokens_PN, 0.5 * level_P[:, None]).sum(axis=1)  # a token's is gamma with mean `level`
    return sum_P, tokens_PN.sum(axis=1), rng.gamma(2.0 * SAMPLES, 0.5 * level_P, size=(PLACES, problems))


@pytest.mark.parametrize("problems", SIZES)
def test_entropies_are_covered_at_the_nominal_rate(problems: int):
    """Over all tokens, so that long completions count for more, as branching factor; and at all positions at once."""
    rng, inside, everywhere, trials = np.random.default_rng(0), 0, 0, 400
    sum_P, tokens_P, place_BP = token_entropies(rng, 400_000)
    truth, there_B = sum_P.sum() / tokens_P.sum(), place_BP.mean(axis=1) / SAMPLES
    for _ in range(trials):
        sum_P, tokens_P, place_BP = token_entropies(rng, problems)
        found = ratio_of(sum_P, tokens_P)
        inside += np.exp(found.low) <= np.exp(truth) <= np.exp(found.high)
        curve = ratios(place_BP[:, None], np.full((PLACES, 1, problems), float(SAMPLES)))
        everywhere += all(map(covered, curve, there_B))
    assert inside / trials >= 0.91
    assert everywhere / trials >= 0.91


@pytest.mark.parametrize("problems", SIZES)
def test_the_top_share_is_covered_at_the_nominal_rate(problems: int):
    """Completions of 10 to 30 tokens with gamma entropies, by the same function as in a run."""
    rng, inside, trials = np.random.default_rng(0), 0, 300

    def draw(size: int) -> tuple[np.ndarray, np.ndarray]:
        level_P, shape_P = rng.gamma(3.0, 0.2, size=size), rng.uniform(0.3, 3, size=size)
        each = zip(shape_P, level_P, rng.integers(10, 31, size=size), strict=True)
        found = [rng.gamma(shape, level, size=(4, int(length))) for shape, level, length in each]
        return np.array([sum(map(top_sum, one)) for one in found]), np.array([one.sum() for one in found])

    top_P, sum_P = draw(20_000)
    truth = float(top_P.sum() / sum_P.sum())
    for _ in range(trials):
        top_P, sum_P = draw(problems)
        inside += covered(ratio_of(top_P, sum_P), truth)
    assert inside / trials >= 0.92


STEPS = np.arange(5.0)
N = 64
PASS = {k: np.array([1 - comb(N - c, k) / comb(N, k) for c in range(N + 1)]) for k in (1, N)}


def paths(rng: np.random.Generator, problems: int, exact: bool) -> dict[str, list[RunPath]]:
    """A goes its way faster than B, and loses more for the same KL."""
    base_P, far_P = rng.beta(0.5, 2.0, size=problems), rng.gamma(1.5, 1.0, size=problems)
    found = {}
    for label, speed, loss in (("A", 1.0, 0.9), ("B", 0.6, 0.5)):
        kl_TP = speed * STEPS[:, None] * far_P
        rate_TP = base_P ** (1 + 0.3 * loss * speed * STEPS[:, None])
        noise_TP = 0 if exact else rng.normal(size=kl_TP.shape) * np.sqrt(2 * kl_TP / SAMPLES)
        count_TP = np.zeros(1, dtype=int) if exact else rng.binomial(N, rate_TP)
        pass_KTP = {k: 1 - (1 - rate_TP) ** k if exact else PASS[k][count_TP] for k in PASS}
        found[label] = [RunPath(label, 0, STEPS, None, pass_KTP, (kl_TP + noise_TP).mean(axis=1))]
    return found


@pytest.mark.parametrize("problems", SIZES)
def test_what_is_kept_at_equal_kl_is_covered_at_the_nominal_rate(problems: int):
    """The interval keeps the places that are compared, which are themselves read off samples: it holds all the same."""
    rng, inside, wrong, trials = np.random.default_rng(0), 0, 0, 300
    population = paths(rng, 300_000, exact=True)
    places = kl_places(population, 1.0)
    assert places is not None
    true = {label: float(values[N].mean()) for label, values in at_places(population, places).items()}
    for _ in range(trials):
        found = kept_near(paths(rng, problems, exact=False))
        assert found is not None
        first, second = found.mean
        inside += covered(found.next_best, true[first] - true[second])
        wrong += found.sure and true[first] < true[second]
    assert inside / trials >= 0.92
    assert wrong / trials <= 0.025
