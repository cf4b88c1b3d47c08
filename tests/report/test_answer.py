"""The five sentences: on constructed cases, and never more than the figures say."""

import re
from pathlib import Path

import numpy as np
import pytest
from constructed import record, study_of, written
from foreign import graded, ten_lines
from on_disk import rows_of

from rlvr.eval.confirmation import Confirmation, Fresh, write_confirmations
from rlvr.report import report_together
from rlvr.report.answer import answers
from rlvr.report.findings import FEWEST_PROBLEMS, findings
from rlvr.report.keeping import ahead, kept
from rlvr.report.outside import Wanted, report_samples
from rlvr.report.paths import RunPath
from rlvr.report.runs import RunFolder
from rlvr.report.study import Study
from rlvr.report.wording import listed, per_seed

N = 64
NUMBER = r"[+-]?\d+\.\d"
POINTS = rf"({NUMBER}) points \[({NUMBER}), ({NUMBER})\]"
CLAIMED = ("rose under", "fell under", "it crosses", "is above its", "is below its", "keeps most")


def sentences(study: Study) -> list[str]:
    (answer,) = answers(findings(study), {split: ahead(study, split) for split in study.methods})
    assert len(answer.sentences) == 5
    return [sentence.text for sentence in answer.sentences]


def half(problems: int, first: int, second: int) -> np.ndarray:
    return np.where(np.arange(problems) % 2, second, first)


def test_a_clear_crossing():
    """All of 200 problems are solved 6 times of 64; then half 30 times and half never."""
    one, two, three, four, five = sentences(study_of(record("A", half(200, 6, 6), half(200, 30, 0), N)))
    assert re.fullmatch(rf"On 200 held-out problems Pass@1 rose under A \({POINTS}\)\.", one)
    found = re.search(r"is above its base's at k = (\d+) and below it at k = (\d+): it crosses near k = ([\d.]+)", two)
    assert found
    first, second, near = map(float, found.groups())
    assert first < near < second
    # Each loss has p = .014: all together they are more than chance, none of them is sure by itself.
    assert "under A 100 lost [surely 0] and 0 won [surely 0], not yet drawn again" in three
    assert four == "Nothing can be compared at equal Pass@1: there is one method."
    assert "a change of Pass@64 is found if it is as large as" in five


def test_no_crossing():
    """What half of the problems gain is gained at every k."""
    one, two, three, *_ = sentences(study_of(record("A", half(100, 20, 0), half(100, 40, 20), N)))
    assert "rose under A" in one
    assert "A is above its base's at every k that was looked at, 1 to 64 (at k = 64:" in two
    assert "under A 0 lost [surely 0] and 50 won [surely 50], not yet drawn again" in three


def test_a_curve_that_ends_above():
    """Surer of less before, and now the other way round: it crosses upwards, which is not called k*."""
    _, two, *_ = sentences(study_of(record("A", half(200, 30, 0), half(200, 6, 6), N)))
    assert re.search(r"is below its base's at k = \d+ and above it at k = \d+: it crosses between \d+ and \d+", two)


def test_nothing_but_a_loss():
    _, two, three, *_ = sentences(study_of(record("A", half(200, 20, 20), half(200, 20, 0), N)))
    assert "A is below its base's at k = 1, 2, 4, 8, 16, 32 and 64, and at no k surely above it" in two
    assert "under A 100 lost [surely 100] and 0 won [surely 0]" in three


def test_undecided():
    """The same rates, drawn twice: neither direction is claimed."""
    rng = np.random.default_rng(0)
    rate = rng.beta(0.5, 2.0, size=60)
    texts = sentences(study_of(record("A", rng.binomial(N, rate), rng.binomial(N, rate), N)))
    assert "it may" not in texts[0]
    assert "Pass@1 may have moved either way under A" in texts[0]
    assert "may or may not cross its base's" in texts[1]
    assert "% of resampled curves have by then" in texts[1]
    assert not any(claim in " ".join(texts) for claim in CLAIMED)


def test_too_few_problems():
    """However clear: intervals over so few problems miss too often."""
    few, enough = (
        " ".join(sentences(study_of(record("A", half(size, 6, 6), half(size, 30, 0), N))))
        for size in (FEWEST_PROBLEMS - 1, 40)
    )
    assert f"with fewer than {FEWEST_PROBLEMS} problems intervals miss too often, and no curve is said to move" in few
    assert not any(claim in few for claim in CLAIMED)
    assert "No change of a curve is claimed on so few problems, however large" in few
    assert "rose under A" in enough


def test_several_methods_at_equal_pass_at_1():
    """A gains 10 points and loses half of the problems on the way; B gains as much and loses none."""
    base = half(100, 16, 16)
    a = record("A", base, half(100, 50, 0), N, way={1: half(100, 50, 0)})
    b = record("B", base, half(100, 25, 25), N, way={1: half(100, 25, 25)})
    one, two, _, four, five = sentences(study_of(a, b))
    assert re.search(r"rose under A \(.*\) and B \(", one)
    assert two.startswith("The Pass@k curve of A is ")
    assert "; that of B " in two
    assert re.search(rf"At equal Pass@1 B keeps most: {POINTS} of Pass@64 on 100 problems above the next, A\.", four)
    assert "under A and" in five
    _, _, _, alike, _ = sentences(study_of(b, record("C", base, half(100, 26, 24), N, way={1: half(100, 26, 24)})))
    assert alike.startswith("At equal Pass@1 no method surely keeps most: ")
    *_, flat, _ = sentences(study_of(record("A", base, base, N, way={1: base}), b))
    assert flat.endswith("too few methods were seen to rise above their base on the way.")


def test_seeds_are_told_one_by_one():
    """Counts of each seed; one where they are the same."""
    base = half(100, 40, 40)
    lost = [np.where(np.arange(100) < count, 0, 40) for count in (10, 12)]
    *_, three, _, _ = sentences(study_of(*(record("A", base, now, N, seed) for seed, now in enumerate(lost))))
    assert "under A 10 and 12 lost [surely 10 and 12] and 0 won [surely 0]" in three
    assert per_seed([3, 3]) == "3"
    assert listed(["a", "b", "c"]) == "a, b and c"


def test_a_direction_needs_all_seeds():
    """Three seeds gain; had one of them lost a little in the mean, nothing would be said."""
    base = half(100, 10, 20)
    three = study_of(*(record("A", base, half(100, 30, 30), N, seed) for seed in range(3)))
    (found,) = findings(three)["heldout"]
    assert found.movement == "rose"
    found.by_seed[0, 1] = -0.001
    assert found.movement == "open"
    best = kept({label: [RunPath.of(run, "heldout", [1, N]) for run in runs] for label, runs in two_ways().items()})
    assert best is not None
    assert best.best == "B"
    assert not best.sure


def two_ways() -> dict[str, list[RunFolder]]:
    """B keeps all that A loses with three seeds of four, and loses a problem more with the fourth."""
    base, far = half(100, 16, 16), half(100, 50, 0)
    ends = {"A": [far] * 3 + [half(100, 20, 20)], "B": [half(100, 20, 20)] * 3 + [np.where(np.arange(100) < 1, 0, 20)]}
    records = {
        label: [record(label, base, now, N, seed, way={1: now}) for seed, now in enumerate(those)]
        for label, those in ends.items()
    }
    return {label: [RunFolder(Path("nowhere"), one) for one in those] for label, those in records.items()}


@pytest.mark.parametrize("seed", range(25))
def test_words_never_say_more_than_the_figures(seed: int, tmp_path: Path):
    """Random studies: each word of a direction is borne out by the interval beside it and by the tables."""
    rng = np.random.default_rng(seed)
    problems, rate = int(rng.integers(10, 120)), rng.beta(0.5, 2.0, size=300)
    records = []
    base = rng.binomial(N, rate[:problems])
    for label in ("A", "B"):
        moved = np.clip(rate * rng.uniform(0.5, 2.5) - rng.choice([0, 0.03]), 0, 1)[:problems]
        records.append(record(label, base, rng.binomial(N, moved), N))
    study = study_of(*records)
    found = {one.method.label: one for one in findings(study)["heldout"]}
    one, two, three, *_ = sentences(study)
    groups = re.findall(
        r"(rose under|fell under|may have moved either way under) ((?:\w+ \([^)]*\)(?:, | and )?)+)", one
    )
    assert sum(text.count("points") for _, text in groups) == 2
    for verdict, text in groups:
        for mean, low, high in re.findall(POINTS, text):
            assert float(low) <= float(mean) <= float(high)
            if verdict != "may have moved either way under":
                assert problems >= FEWEST_PROBLEMS
                assert float(low) > 0 if verdict == "rose under" else float(high) < 0
            elif problems >= FEWEST_PROBLEMS:
                assert float(low) <= 0 <= float(high)
    for clause in two.split("; that of "):
        label = re.search(r"(\w) (?:is|may)", clause)[1]
        bands = dict(zip(found[label].ks, found[label].band, strict=True))
        if crossed := re.search(r"is (above|below) its base's at k = (\d+) and (above|below) it at k = (\d+)", clause):
            for side, k in (crossed.groups()[:2], crossed.groups()[2:]):
                assert bands[int(k)].low > 0 if side == "above" else bands[int(k)].high < 0
            assert int(crossed[2]) < int(crossed[4])
        elif "at every k" in clause:
            assert all(band.low > 0 for band in bands.values())
        elif below := re.search(r"is below its base's at k = ([\d, and]+), and at no k", clause):
            sure = [int(k) for k in re.findall(r"\d+", below[1])]
            assert sure
            assert all(bands[k].high < 0 for k in sure)
            assert not any(round(band.low, 3) > 0 for band in bands.values())
        else:
            assert "may or may not cross" in clause
    for label, lost, sure_lost, won, sure_won in re.findall(
        r"under (\w) (\d+) lost \[surely (\d+)\] and (\d+) won \[surely (\d+)\]", three
    ):
        (made,) = found[label].claims
        assert (int(lost), int(won)) == (len(made.of("loss")), len(made.of("entry")))
        assert int(sure_lost) <= int(lost)
        assert int(sure_won) <= int(won)


def test_on_the_page(tmp_path: Path):
    """Before everything else, with links to the sections that hold the tables, whose numbers are the sentences'."""
    lost = np.where(np.arange(40) < 4, 0, 30)
    (folder,) = written(tmp_path, record("A", half(40, 30, 30), lost, N))
    drawn = [Fresh("p0", "loss", 240, 0), Fresh("p1", "loss", 230, 1), Fresh("p2", "loss", 235, 200)]
    drawn.append(Fresh("p3", "loss", 239, 9))
    write_confirmations(folder, {"heldout": Confirmation(N, 512, tuple(drawn))})
    report_together([folder], tmp_path / "report")
    page = (tmp_path / "report" / "report.md").read_text()
    top = page.split("\n- Runs:")[0]
    links = re.findall(r"\[([^\]]+)\]\(#([a-z0-9-]+)\)", top)
    assert len(links) == 5
    assert (tmp_path / "report/answer.png").stat().st_size > 10_000
    assert (tmp_path / "report/answer.pdf").is_file()
    for title, _ in links:
        assert f"\n## {title}\n" in page
    told = (
        "under A 4 lost [surely 4] and 0 won [surely 0], of which 512 fresh samples a problem confirm 2 lost "
        "[surely 2] and 0 won [surely 0], refute 1 and leave 1 open"
    )
    assert told in top
    rows = {row["problem_id"]: row for row in rows_of(tmp_path / "report", "claims")}
    assert [rows[f"p{index}"]["verdict"] for index in range(4)] == ["confirmed", "confirmed", "refuted", "open"]
    (counts,) = rows_of(tmp_path / "report", "claim_counts")
    assert (counts["lost"], counts["lost_surely"], counts["confirmed_lost"], counts["open_lost"]) == (
        "4",
        "4",
        "2",
        "1",
    )
    band = {row["k"]: row for row in rows_of(tmp_path / "report", "bands")}
    mean, low, high = (100 * float(band["1"][end]) for end in ("mean", "low", "high"))
    assert f"({mean:+.1f} points [{low:.1f}, {high:.1f}])" in top
    unseen = [row for row in rows_of(tmp_path / "report", "power") if row["least"]]
    assert [(row["solved"], row["unseen"]) for row in unseen] == [("40", "0")]


@pytest.mark.full
def test_fresh_samples_of_other_claims_are_not_shown(tmp_path: Path):
    """The run was evaluated anew since: its claims have not been drawn again."""
    (folder,) = written(tmp_path, record("A", half(40, 30, 30), np.where(np.arange(40) < 4, 0, 30), N))
    write_confirmations(folder, {"heldout": Confirmation(N, 512, (Fresh("p9", "loss", 240, 0),))})
    report_together([folder], tmp_path / "report")
    assert "not yet drawn again" in (tmp_path / "report" / "report.md").read_text()


@pytest.mark.full
def test_two_models_of_another_program(tmp_path: Path):
    """Samples alone: the same five sentences, and links to sections that this page has."""
    rates = np.linspace(0.05, 0.9, 40)
    base, mine = graded(rates, 32, seed=0), graded(np.where(rates < 0.4, 0, np.sqrt(rates)), 32, seed=1)
    files = {name: str(ten_lines(tmp_path / f"{name}.jsonl", one)) for name, one in (("base", base), ("mine", mine))}
    report_samples(files, Wanted(), tmp_path / "out")
    page = (tmp_path / "out" / "report.md").read_text()
    top = page.split("\n- Policies:")[0]
    links = re.findall(r"\[([^\]]+)\]\(#", top)
    assert len(links) == 5
    assert all(f"\n## {title}\n" in page for title in links)
    assert "On 40 given problems Pass@1" in top
    assert re.search(r"under mine \d+ lost \[surely \d+\] and 0 won \[surely 0\], not yet drawn again", top)
    assert "Nothing can be compared at equal Pass@1: there is one method." in top
