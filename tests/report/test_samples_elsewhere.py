"""The report over samples of other programs: their numbers counted again by hand, and no torch to be had."""

from collections.abc import Callable
from math import comb
from pathlib import Path

import foreign
import numpy as np
import pytest
from foreign import Graded, without_torch
from on_disk import rows_of

from rlvr.report.outside import Wanted, report_samples

N, RATES = 16, np.linspace(0, 0.9, 12) ** 2
BASE = foreign.graded(RATES, N, seed=0)
MINE = foreign.graded(np.where(RATES < 0.15, 0, np.minimum(1, 1.6 * RATES)), N, seed=1)
WRITERS: dict[str, Callable[[Path, Graded], object]] = {
    "plain columns": lambda path, samples: foreign.ten_lines(path.with_suffix(".jsonl"), samples),
    "lm-evaluation-harness": foreign.harness,
    "lighteval": foreign.lighteval,
    "verl": lambda path, samples: foreign.verl(path / ("0.jsonl" if "base" in path.name else "400.jsonl"), samples),
}


def pass_at(samples: Graded, k: int) -> float:
    return float(np.mean([1 - comb(N - sum(those), k) / comb(N, k) for those in samples.values()]))


@pytest.mark.parametrize("program", WRITERS)
def test_every_format_gives_the_same_whole_report(program: str, tmp_path: Path):
    """Curves, ledger and counts by hand; every section that samples alone can fill, and what can't be is said."""
    files = {
        "base": str(WRITERS[program](tmp_path / "base", BASE)),
        "mine": str(WRITERS[program](tmp_path / "m", MINE)),
    }
    report_samples(files, Wanted(), tmp_path / "out")
    found = {(row["policy"], row["minus"], int(row["k"])): row for row in rows_of(tmp_path / "out", "pass_at_k")}
    for k in (1, 2, 4, 8, 16):
        assert float(found["base", "", k]["mean"]) == pytest.approx(pass_at(BASE, k))
        assert float(found["mine", "", k]["mean"]) == pytest.approx(pass_at(MINE, k))
        gap = found["mine", "base", k]
        assert float(gap["low"]) <= pass_at(MINE, k) - pass_at(BASE, k) <= float(gap["high"])
    (ledger,) = rows_of(tmp_path / "out", "ledger")
    lost = [q for q in BASE if any(BASE[q]) and not any(MINE[q])]
    assert (int(ledger["losses"]), int(ledger["n"])) == (len(lost), N)
    assert lost
    dots = [(int(row["base"]), int(row["trained"])) for row in rows_of(tmp_path / "out", "transition")]
    assert dots == [(sum(BASE[q]), sum(MINE[q])) for q in BASE]
    assert {row["measure"] for row in rows_of(tmp_path / "out", "beyond")} >= {"log-coverage", "retention", "Bayes"}
    assert rows_of(tmp_path / "out", "sample_pairs")[0]["text"].startswith("What is ")
    read = rows_of(tmp_path / "out", "read")
    assert {row["read_as"] for row in read} == {program}
    assert sum(int(row["used"]) for row in read) == 2 * N * len(RATES)
    page = (tmp_path / "out" / "report.html").read_text()
    for title in (
        "Pass@k",
        "Boundary ledger",
        "Beyond Pass@k",
        "Transitions",
        "What the policies write",
        "What was read",
    ):
        assert f">{title} <a" in page
    for absent in ("paths along training", "training curves", "the random guess"):
        assert absent in page


@pytest.mark.full
def test_one_command_without_torch(tmp_path: Path):
    """Files of a script of one's own, one of each kind."""
    base = foreign.ten_lines(tmp_path / "base.parquet", BASE)
    mine = foreign.ten_lines(tmp_path / "mine.jsonl", MINE, tokens=7, logp=-3.5)
    done = without_torch(f"samples={{base: {base}, mine: {mine}}}", f"hydra.run.dir={tmp_path}/out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mine - base" in done.stdout
    assert (tmp_path / "out" / "report.html").stat().st_size > 100_000
    (read,) = [row for row in rows_of(tmp_path / "out", "read") if row["policy"] == "mine"]
    assert (float(read["mean_tokens"]), float(read["nats_a_token"])) == (7.0, 0.5)


def test_a_refusal_is_one_sentence(tmp_path: Path):
    """On the terminal, with the exit code of a refusal."""
    done = without_torch("samples={base: gone.jsonl, mine: b.jsonl}", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 2
    assert "Error: samples.base: there is no file gone.jsonl" in done.stdout
    both = without_torch("samples=a.jsonl", "runs=[a]", f"hydra.run.dir={tmp_path}")
    assert "leave one of runs= and samples= out" in both.stdout
    assert "Traceback" not in done.stdout + done.stderr + both.stdout + both.stderr


@pytest.mark.full
def test_one_file_of_several_policies(tmp_path: Path):
    """The base by its name; tables call it base, and the page says which it is."""
    rows = [
        {"model": name, "problem_id": q, "score": float(right), "prompt": q}
        for name, samples in (("tuned", MINE), ("hub/plain", BASE))
        for q, those in samples.items()
        for right in those
    ]
    path = foreign.jsonl(tmp_path / "all.jsonl", rows)
    report_samples(str(path), Wanted(base="hub/plain"), tmp_path / "out")
    found = {(row["policy"], row["minus"]): row for row in rows_of(tmp_path / "out", "pass_at_k") if row["k"] == "1"}
    assert float(found["base", ""]["mean"]) == pytest.approx(pass_at(BASE, 1))
    page = (tmp_path / "out" / "report.md").read_text()
    assert "here base: hub/plain" in page
    assert "No texts on given problems of tuned: a sample of theirs, or of their base's, came without one." in page


@pytest.mark.full
def test_of_different_numbers_of_samples_the_first_count(tmp_path: Path):
    """By their numbers, wherever they stand in the file, and the page says it."""
    base = foreign.ten_lines(tmp_path / "base.jsonl", BASE)
    lines = foreign.ten_lines(tmp_path / "more.jsonl", {q: [*MINE[q][:8], *[True] * 8] for q in MINE}).read_text()
    (tmp_path / "mine.jsonl").write_text("".join(reversed(lines.splitlines(keepends=True))))
    report_samples({"base": str(base), "mine": str(tmp_path / "mine.jsonl")}, Wanted(n=8), tmp_path / "out")
    dots = {row["problem_id"]: int(row["trained"]) for row in rows_of(tmp_path / "out", "transition")}
    assert list(dots.values()) == [sum(MINE[q][:8]) for q in MINE]
    few = foreign.ten_lines(tmp_path / "few.jsonl", {q: MINE[q][:8] for q in MINE})
    report_samples({"base": str(base), "mine": str(few)}, Wanted(), tmp_path / "again")
    page = (tmp_path / "again" / "report.md").read_text()
    assert "the first 8 samples of each policy count; the files hold more (base 16, mine 8)" in page


@pytest.mark.full
def test_the_same_answers_in_two_files_are_pointed_out(tmp_path: Path):
    """The harness samples greedily unless told otherwise."""
    one, two = (foreign.ten_lines(tmp_path / f"{name}.jsonl", BASE) for name in "ab")
    mine = foreign.ten_lines(tmp_path / "mine.jsonl", MINE)
    report_samples({"base": [str(one), str(two)], "mine": str(mine)}, Wanted(), tmp_path / "out")
    assert f"base: {one} and {two} hold the same answers throughout" in (tmp_path / "out" / "report.md").read_text()


def test_rows_that_hold_lists(tmp_path: Path):
    """A row a problem, its samples as lists; a threshold makes scores right or wrong."""
    for name, samples in (("base", BASE), ("mine", MINE)):
        scores = [{"question": q, "reward": [0.2 + 0.5 * right for right in those]} for q, those in samples.items()]
        foreign.jsonl(tmp_path / f"{name}.jsonl", scores)
    files = {name: str(tmp_path / f"{name}.jsonl") for name in ("base", "mine")}
    report_samples(files, Wanted(threshold=0.7), tmp_path / "out")
    dots = [(int(row["base"]), int(row["trained"])) for row in rows_of(tmp_path / "out", "transition")]
    assert dots == [(sum(BASE[q]), sum(MINE[q])) for q in BASE]


@pytest.mark.full
def test_names_of_problems_do_not_break_tables(tmp_path: Path):
    """A bar would begin a column, a tag would be markup."""
    rows = [{"problem": "a|b <i>", "correct": right} for right in (1, 1)]
    base = foreign.jsonl(tmp_path / "base.jsonl", [{**row, "correct": 0} for row in rows])
    mine = foreign.jsonl(tmp_path / "mine.jsonl", rows)
    report_samples({"base": str(base), "mine": str(mine)}, Wanted(), tmp_path / "out")
    assert "| a\\|b <i> | entry | 0/2 | 2/2 |" in (tmp_path / "out" / "report.md").read_text()
    assert "a|b &lt;i&gt;" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.full
def test_one_sample_a_problem_is_no_boundary(tmp_path: Path):
    """The report is made, and says so."""
    files = {
        name: str(foreign.ten_lines(tmp_path / f"{name}.jsonl", {"q": [name == "mine"]})) for name in ("base", "mine")
    }
    report_samples(files, Wanted(), tmp_path / "out")
    assert "there is Pass@1 and no boundary to be seen" in (tmp_path / "out" / "report.md").read_text()
