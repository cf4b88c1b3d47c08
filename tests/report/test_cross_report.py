"""Base and trained policy under each other, in the report over runs that are made up."""

import re
from pathlib import Path

import numpy as np
import pytest
from constructed import evaluation, record, scored, scores, written
from on_disk import rows_of

from rlvr.eval import RunRecord
from rlvr.eval.bootstrap import FloatArray
from rlvr.report import report_together
from rlvr.report.answer import keeps
from rlvr.report.keeping import Ahead, kept, kept_near
from rlvr.report.paths import RunPath

N, P, EACH = 64, 40, 4
BASE = np.full(P, 16)
UNSURE, SURE = np.array([1.0, 0.5, 0.5, 0.5, 0.5]), np.array([0.4, 0.1, 0.1, 0.1, 0.1])


def run(label: str, half: int, seed: int) -> RunRecord:
    """Pass@1 rises from a quarter; `half` is what every other problem is left with at step 20, the others gain."""
    end = np.where(np.arange(P) % 2, half, 48)
    middle = (BASE + end) // 2
    return record(label, BASE, end, N, seed, way={10: middle, 20: end})


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A goes twice as far from its base as B, and loses what B keeps; two seeds of each."""
    records = [run(label, half, seed) for label, half in (("A", 0), ("B", 12)) for seed in (0, 1)]
    places = written(tmp_path_factory.mktemp("runs"), *records)
    rng = np.random.default_rng(0)
    for one, folder in zip(records, places, strict=True):
        far = 2.0 if one.label == "A" else 1.0
        right_PN = np.arange(P * EACH).reshape(P, EACH) % 2
        near_PN = -3.0 - rng.random((P, EACH))  # above -log 64 = -4.16
        base = scores("base", near_PN, near_PN - far / 2, right_PN, UNSURE)
        theirs_PN = np.where(np.arange(P)[:, None] % 4 == 0, -9.0, near_PN)  # of a quarter of problems far beyond
        trained = scores("trained", theirs_PN, theirs_PN + far, right_PN, SURE)
        scored(folder, one, {0: 0.0, 10: far / 2, 20: far}, base, trained)
    return places


@pytest.fixture(scope="module")
def report(folders: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    report_together(folders, out)
    return out


def test_distances_and_budget(report: Path):
    """As made: KL of 2 and 1 nats one way, half of it the other; a quarter of the right answers beyond 64 samples."""
    found = {(row["policy"], row["measure"]): row for row in rows_of(report, "cross")}
    for label, far in (("A", 2.0), ("B", 1.0)):
        assert float(found[label, "KL(trained || base)"]["mean"]) == pytest.approx(far)
        assert float(found[label, "KL(base || trained)"]["mean"]) == pytest.approx(far / 2)
        assert float(found[label, "beyond the base's budget"]["mean"]) == pytest.approx(0.25)
        assert float(found[label, "tokens"]["mean"]) == 5
    assert float(found["base", "beyond the base's budget"]["mean"]) == 0
    assert ("base", "KL(trained || base)") not in found
    for row in found.values():
        assert float(row["low"]) <= float(row["mean"]) <= float(row["high"])
        if row["measure"].startswith("beyond"):
            assert 0 <= float(row["low"]) <= float(row["high"]) <= 1
    shares = {(row["policy"], float(row["nats"])): float(row["share"]) for row in rows_of(report, "budget")}
    beyond = [share for (policy, nats), share in shares.items() if policy == "A" and 4.2 < nats < 8.9]
    assert beyond == pytest.approx([0.25] * len(beyond))
    assert shares["base", 0.0] == 1


def test_entropies(report: Path):
    """As made, in every row."""
    found = {(row["policy"], row["measure"]): float(row["mean"]) for row in rows_of(report, "entropy")}
    for policy, entropy_T in (("base", UNSURE), ("A", SURE), ("B", SURE)):
        assert found[policy, "entropy"] == pytest.approx(entropy_T.mean())
        assert found[policy, "branching factor"] == pytest.approx(np.exp(entropy_T.mean()))
        assert found[policy, "share of the top tokens"] == pytest.approx(entropy_T[0] / entropy_T.sum())
        mine = [row for row in rows_of(report, "entropy_positions") if row["policy"] == policy]
        assert [float(row["mean"]) for row in mine] == pytest.approx(entropy_T.tolist())
        assert [float(row["position"]) for row in mine] == [1, 2, 3, 4, 5]
        assert {row["tokens"] for row in mine} == {str(2 * P * EACH)}


def test_methods_at_equal_kl(report: Path):
    """A's way is read off at step 10, where it is as far as B at its end; both tables and the sentence say so."""
    rows = [row for row in rows_of(report, "equal_kl") if row["share_of_kl"] == "1.0"]
    steps = {row["policy"]: float(row["step"]) for row in rows if row["step"]}
    assert steps == {"A": 10, "B": 20}
    assert {float(row["kl"]) for row in rows} == {1.0}
    value = {(row["policy"], row["minus"], row["k"]): float(row["mean"]) for row in rows}
    middle = evaluation((BASE + np.where(np.arange(P) % 2, 0, 48)) // 2, N)
    assert value["A", "", "1"] == pytest.approx(middle.pass_at(1))
    assert value["B", "", "64"] == 1
    half = {(row["policy"], row["step"]) for row in rows_of(report, "equal_kl") if row["share_of_kl"] == "0.5"}
    assert {one for one in half if one[1]} == {("A", "5.0"), ("B", "10.0")}
    paths = {(row["method"], row["step"]): row["kl"] for row in rows_of(report, "paths") if row["seed"] == "0"}
    assert paths["A", "20"] == "2.0"
    kept_rows = {row["at"]: row for row in rows_of(report, "keeping")}
    assert kept_rows["kl"]["kl"] == "1.0"
    assert kept_rows["pass@1"]["kl"] == ""
    page = (report / "report.md").read_text()
    assert re.search(r"\n4\. At equal Pass@1 .*; at equal KL, 1 nats a sequence from the base, ", page)
    assert "Equal KL is not measured" not in page
    for title in ("Distance from the base", "Entropy where it is"):
        assert f"\n## {title}\n" in page
    for figure in ("kl", "budget", "entropy"):
        assert (report / "figures" / f"{figure}.pdf").is_file()


@pytest.mark.full
def test_what_was_not_measured_is_not_compared(folders: list[Path], tmp_path: Path):
    """One method of two without scores: the other's are shown, and nothing at equal KL; none: no section."""
    places = written(tmp_path, *(run("C", 8, seed) for seed in (0, 1)))
    report_together([*folders[:2], *places], tmp_path / "some")
    found = {row["policy"] for row in rows_of(tmp_path / "some", "cross")}
    assert found == {"base", "A"}
    rows_of(tmp_path / "some", "equal_kl", empty=True)
    report_together(places, tmp_path / "none")
    for name in ("some", "none"):
        assert "at equal KL," not in (tmp_path / name / "report.md").read_text()
    assert "## Distance from the base" not in (tmp_path / "none" / "report.md").read_text()
    report_together(folders[:2], tmp_path / "alone")
    assert (tmp_path / "alone" / "figures" / "kl.png").is_file()


# --- the fourth sentence ----------------------------------------------------------------------------------------------


def way(label: str, ends: FloatArray, kl: float) -> list[RunPath]:
    """From a base that solves all of 40 problems half of the time, in one step; Pass@1 rises with the mean."""
    one_TP, many_TP = np.stack([np.full(P, 0.5), np.full(P, 0.6)]), np.stack([np.full(P, 1.0), ends])
    return [RunPath(label, 0, np.array([0.0, 1.0]), None, {1: one_TP, N: many_TP}, np.array([0.0, kl]))]


def said(paths: dict[str, list[RunPath]]) -> str:
    return keeps(Ahead(kept(paths), kept_near(paths)), len(paths)).text


LOST = np.where(np.arange(P) % 2, 1.0, 0.2)


def test_one_keeps_most_at_both():
    """B loses nothing, and is as far from its base."""
    text = said({"A": way("A", LOST, 2.0), "B": way("B", np.ones(P), 2.0)})
    number = r"\+40\.0 points \[\d+\.\d, \d+\.\d\] of Pass@64 on 40 problems above the next, A"
    nats = "at equal KL, 2 nats a sequence from the base"
    assert re.fullmatch(rf"At equal Pass@1 B keeps most: {number}; {nats}, B keeps most: {number}\.", text)


def test_another_order_at_equal_kl():
    """B loses half as much as A for the same Pass@1, and goes a tenth of the way: for the same KL A is ahead."""
    text = said({"A": way("A", LOST, 10.0), "B": way("B", (1 + LOST) / 2, 1.0)})
    first, _, second = text.partition("; at equal KL, 1 nats a sequence from the base, ")
    assert first.startswith("At equal Pass@1 B keeps most: +20.0 points")
    assert second.startswith("A keeps most: +16.0 points")


def test_undecided_at_equal_kl():
    """One problem of forty more is lost by A: too little to say."""
    text = said({"A": way("A", np.where(np.arange(P) < 1, 0.0, 1.0), 2.0), "B": way("B", np.ones(P), 2.0)})
    assert re.search(
        r"; at equal KL, 2 nats .*, no method surely keeps most: B is ahead of A by \+2\.5 points \[-", text
    )


def test_nothing_at_equal_pass_at_1_but_at_equal_kl():
    """Pass@1 falls under both, and the way that they have gone is known."""
    fallen = {}
    for label, ends in (("A", LOST), ("B", np.ones(P))):
        (path,) = way(label, ends, 3.0)
        path.pass_KTP[1][1] = 0.4
        fallen[label] = [path]
    text = said(fallen)
    assert text.startswith("Nothing can be compared at equal Pass@1: too few methods were seen to rise")
    assert "; at equal KL, 3 nats a sequence from the base, B keeps most: +40.0 points" in text


def test_a_policy_that_has_not_moved_is_not_compared():
    """Nor are methods of which one was not measured, nor one alone."""
    still = {"A": way("A", LOST, 0.0), "B": way("B", np.ones(P), 2.0)}
    (path,) = way("B", np.ones(P), 2.0)
    unknown = {"A": way("A", LOST, 1.0), "B": [RunPath("B", 0, path.step_T, None, path.pass_KTP)]}
    for paths in (still, unknown, {"A": way("A", LOST, 2.0)}):
        assert kept_near(paths) is None
        assert "equal KL" not in said(paths)
