"""The report's page: it stands alone, cannot be broken by texts, and takes runs of any kind."""

import base64
import json
import re
import shutil
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from figures import coloured
from foreign import without_torch
from omegaconf import OmegaConf
from on_disk import rows_of

from rlvr.errors import ConfigError
from rlvr.eval import Evaluation, Interval, Outcome
from rlvr.report import report_together
from rlvr.report.study import Study
from rlvr.report.tables import with_interval


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((0.018, 0.0009, 0.036), "+1.8* [0.1, 3.6]"),
        ((0.018, 0.0004, 0.036), "+1.8 [0.0, 3.6]"),
        ((-0.02, -0.04, -0.0004), "-2.0 [-4.0, 0.0]"),
        ((-0.02, -0.04, -0.001), "-2.0* [-4.0, -0.1]"),
    ],
)
def test_a_star_is_that_of_the_numbers_shown(interval: tuple[float, float, float], text: str):
    """Or a table would call sure what the answer's sentence above it leaves open."""
    assert with_interval(Interval(*interval), signed=True) == text


def test_setting(report: Path):
    """What differs between the runs is told from what does not, in a column a method, so that it fits on paper."""
    page = (report / "report.md").read_text()
    differ, same = page.split("**Where the runs differ**")[1].split("The same in all runs")
    for key in ("seed", "algo.filter._target_"):
        assert f"| {key} |" in differ
    assert "|  | GRPO | SELF |" in differ
    assert "| seed | 0; 1 | 0; 1 |" in differ
    for key in ("version of torch", "python", "device", "batch.group_size"):
        assert f"| {key} |" in same


class Page(HTMLParser):
    """Collects what a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {found["id"] or ""} if "id" in found else set()
        if tag == "a":
            self.links.append(found.get("href") or "")
        else:
            self.sources += [found[name] or "" for name in ("src", "href", "srcset", "data") if name in found]


def test_the_page_stands_alone(report: Path):
    """Every source is a data URI that decodes to a figure with something on it, every link leads somewhere."""
    text = (report / "report.html").read_text()
    page = Page(text)
    assert len(page.sources) == len(list((report / "figures").glob("*.png"))) >= 8
    for source in page.sources:
        assert source.startswith("data:image/png;base64,")
        image = BytesIO(base64.b64decode(source.partition(",")[2], validate=True))
        assert coloured(image) > 500
    assert page.links
    assert {link.removeprefix("#") for link in page.links} <= page.ids
    assert not re.search(r"https?://|@import|url\(", text)
    for name in set(re.findall(r"csv/\w+\.csv", text)):
        assert (report / name).is_file()
    for name in set(re.findall(r"figures/\w+\.pdf", text)):
        assert (report / name).read_bytes().startswith(b"%PDF")
    linked = re.findall(r"\]\((figures/\w+\.png)\)", (report / "report.md").read_text())
    assert len(linked) == len(page.sources)
    assert all((report / name).is_file() for name in linked)


def test_texts_cannot_break_the_page(four_runs: list[Path], tmp_path: Path):
    """A completion with markup is shown, not run."""
    folders = [shutil.copytree(folder, tmp_path / folder.name) for folder in four_runs[:1]]
    path = folders[0] / "evaluations" / "heldout-trained.parquet"
    table = pq.read_table(path)
    texts = ["<img src=x onerror=alert(1)>" for _ in range(table.num_rows)]
    index = table.schema.get_field_index("text")
    path.unlink()  # a copy may share its bytes with the run's
    pq.write_table(table.set_column(index, "text", [texts]), path)
    report_together(folders, tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert "&lt;img src=x" in page
    assert "<img src=x" not in page


@pytest.mark.full
def test_runs_of_older_versions(four_runs: list[Path], tmp_path: Path):
    """Without samples, setting, tokens and the training pool's path there is a report that says what is missing."""
    folders = [shutil.copytree(folder, tmp_path / folder.name) for folder in four_runs]
    for folder in folders:
        shutil.rmtree(folder / "evaluations")
        (folder / "setting.json").unlink()
        record = json.loads((folder / "pass_at_k.json").read_text())
        del record["generated"]
        record["splits"]["train"]["path"] = {}
        (folder / "pass_at_k.json").write_text(json.dumps(record))
    report_together(folders, tmp_path / "report")
    page = (tmp_path / "report" / "report.md").read_text()
    for lack in ("the tokens of greedy answers", "versions, device and commands", "No texts on held-out problems"):
        assert lack in page
    assert {row["split"] for row in rows_of(tmp_path / "report", "paths")} == {"heldout"}
    rows_of(tmp_path / "report", "diversity", empty=True)


def test_a_report_of_runs_needs_no_torch(four_runs: list[Path], tmp_path: Path):
    """What was trained on one machine is read on another."""
    done = without_torch(f"runs=[{four_runs[0]},{four_runs[2]}]", f"hydra.run.dir={tmp_path}/out")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(rows_of(tmp_path / "out", "training")) == 2 * 4


@pytest.mark.full
def test_a_seed_that_one_method_lacks_is_left_out(four_runs: list[Path], tmp_path: Path):
    """And said to be."""
    report_together(four_runs[:3], tmp_path)
    page = (tmp_path / "report.md").read_text()
    assert "GRPO with seed 1 is left out" in page
    assert {row["seed"] for row in rows_of(tmp_path, "ledger")} == {"0"}
    with pytest.raises(ConfigError, match="no seed in common"):
        report_together(four_runs[1:3], tmp_path / "none")
    with pytest.raises(ConfigError, match="appears twice with seed 0"):
        report_together([four_runs[0], four_runs[0]], tmp_path / "twice")


def test_jobs_come_in_the_order_of_their_numbers(four_runs: list[Path], tmp_path: Path):
    """10 after 9, so that tables keep the order in which methods were asked for."""
    for name, folder in (("10_self", four_runs[2]), ("9_grpo", four_runs[0])):
        shutil.copytree(folder, tmp_path / name)
    assert [run.label for run in Study.read([tmp_path]).runs] == ["GRPO", "SELF"]


@pytest.mark.full
def test_a_search_over_one_method_is_told_apart(four_runs: list[Path], tmp_path: Path):
    """By the overrides that differ; a run without one keeps its method's name, and another base is pointed out."""
    folders = []
    for name, overrides in (("default", ["seed=0"]), ("faster", ["optimizer.lr=1e-3"])):
        folder = shutil.copytree(four_runs[0], tmp_path / name)
        (start,) = json.loads((folder / "setting.json").read_text())
        start["command"] = ["train.py", "algo=grpo", *overrides, f"hydra.run.dir={folder}"]
        (folder / "setting.json").write_text(json.dumps([start]))
        folders.append(folder)
    record = json.loads((folders[1] / "pass_at_k.json").read_text())
    record["splits"]["train"]["base"]["correct"][0] += 1
    (folders[1] / "pass_at_k.json").write_text(json.dumps(record))
    report_together(folders, tmp_path / "report")
    assert {row["method"] for row in rows_of(tmp_path / "report", "ledger")} == {"GRPO", "GRPO, lr=1e-3"}
    note = "GRPO, lr=1e-3 with seed 0 has another base than GRPO, whose base is shown."
    assert note in (tmp_path / "report" / "report.md").read_text()


def test_evaluations_on_a_suite(four_runs: list[Path], tmp_path: Path):
    """Evaluations of runs' policies take method and seed from their run; the one of another policy is the base."""
    counts = {"hub/base": (0, 1, 8), str(four_runs[0] / "policy"): (3, 8, 0), str(four_runs[2] / "policy"): (1, 4, 1)}
    for index, (name, correct) in enumerate(counts.items()):
        folder = tmp_path / "evals" / str(index)
        found = Evaluation(8, ("a", "b", "c"), correct, 5.0, 0.0, 0.5)
        Outcome(name, "aime25", found, {}, {"right": sum(correct)}, 10, 0.6, 0.95, str(tmp_path / "gone")).write(folder)
        OmegaConf.save({"model": {"name": name}}, folder / "config.yaml")
    report_together([tmp_path / "evals"], tmp_path / "report")
    ledger = {row["method"]: row for row in rows_of(tmp_path / "report", "ledger")}
    assert {method: (row["entries"], row["losses"]) for method, row in ledger.items()} == {
        "GRPO": ("1", "1"),
        "SELF": ("1", "0"),
    }
    shutil.rmtree(tmp_path / "evals" / "0")
    with pytest.raises(ConfigError, match="need one of a policy that no run has trained"):
        report_together([tmp_path / "evals"], tmp_path / "again")
