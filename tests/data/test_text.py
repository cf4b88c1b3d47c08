import csv
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from sets import CONFIGS, NO_SHARED, SHARED, plain, problems_of, text_set, write

from rlvr.build import build
from rlvr.data import Suite
from rlvr.data.cleaning import problem_id
from rlvr.errors import ConfigError

LONG = "A train leaves Rome at noon and goes north at sixty miles an hour until it meets another one with {} people."
FILES = ("files", "humaneval", "mbpp", "apps")  # of which nobody but the reader knows where they are
SUITES = sorted(path.stem for path in (CONFIGS / "data" / "suite").glob("*.yaml"))


@pytest.fixture
def heldout(tmp_path):
    return text_set(write(tmp_path / "heldout.jsonl", ("What is 1+1?", "2"), (LONG.format(20), "3")))


@pytest.fixture
def train(tmp_path):
    return text_set(write(tmp_path / "train.jsonl", *((f"What is 1+{n}?", str(n + 1)) for n in range(2, 8))))


def test_bad_rows_are_left_out_and_counted(tmp_path, tokenizer, heldout, capsys):
    """Empty, repeated, unreadable, over-long and held-out problems go; what stays keeps its order; one line says so."""
    rows = [
        ("What is 1+2?", "3"),
        ("What is\n1+1?", "2"),
        ("What is  1+2? ", "other"),
        ("", "4"),
        ("What is 1+4?", None),
        ("What is " + "1 + " * 60 + "1?", "61"),
        ("What is 1+5?", "6"),
        ("What is 1+6?", "{}"),
        (LONG.format(30), "4"),
    ]
    source = problems_of(text_set(write(tmp_path / "train.jsonl", *rows)), heldout)
    splits = source.splits(tokenizer)
    assert [(problem.prompt.split("\n")[0], problem.answer) for problem in splits.train] == [
        ("What is 1+2?", "3"),
        ("What is 1+5?", "6"),
    ]
    assert splits.heldout[0].id == problem_id("What is 1+1?")
    assert " ".join(capsys.readouterr().out.split()) == (
        "Problems: 2 train (9 rows, 1 empty problem, 1 empty answer, 1 unreadable answer, 1 duplicate, "
        "1 over-long prompt, 2 contaminated); 2 heldout (2 rows)."
    )
    assert [fault.detail for fault in splits.readings[0].faults[-3:]] == [
        "128 tokens",
        "100% of heldout row 0",
        "91% of heldout row 1",
    ]
    assert source.max_completion_tokens is None
    assert source.guess_rate(splits.train[0]) is None


def test_contamination_may_be_reported_only(tmp_path, tokenizer, heldout):
    """What is found stays in the pool, and in the list."""
    train = text_set(write(tmp_path / "train.jsonl", ("what is 1 + 1", "2"), ("b", "2")))
    splits = problems_of(train, heldout, contamination="report").splits(tokenizer)
    assert [problem.answer for problem in splits.train] == ["2", "2"]
    assert [(fault.row, fault.dropped) for fault in splits.readings[0].faults] == [(0, False)]


def test_held_out_rows_that_are_not_used_are_kept_apart_too(tmp_path, tokenizer, train):
    """The rest of a set that `limit` cuts may be evaluated another day."""
    heldout = text_set(write(tmp_path / "heldout.jsonl", ("a", "1"), ("What is 1+3?", "4"), ("b", "")), limit=1)
    splits = problems_of(train, heldout).splits(tokenizer)
    assert [problem.answer for problem in splits.heldout] == ["1"]
    assert [problem.answer for problem in splits.train] == ["3", "5", "6", "7", "8"]


def test_further_sets_are_kept_apart(tmp_path, tokenizer, train, heldout):
    """Suites of a later evaluation; the report has what they were read from."""
    later = text_set(write(tmp_path / "later.jsonl", ("What is 1+7?", "8")))
    splits = problems_of(train, heldout, keep_apart={"later": later}).splits(tokenizer)
    assert [fault.detail for fault in splits.readings[0].faults] == ["100% of later row 0"]
    assert [(reading.role, reading.rows, reading.used) for reading in splits.readings] == [
        ("train", 6, 5),
        ("heldout", 2, 2),
        ("later", 1, 0),
    ]


def test_limit_counts_problems_that_stay(tmp_path, tokenizer, heldout):
    """The limit counts what is left after cleaning."""
    path = write(tmp_path / "train.jsonl", ("", "0"), ("What is 1+1?", "2"), ("a", "1"), ("b", "2"), ("c", "3"))
    splits = problems_of(text_set(path, limit=2), heldout).splits(tokenizer)
    assert [problem.answer for problem in splits.train] == ["1", "2"]


@pytest.mark.parametrize("role", ["train", "heldout"])
def test_faults_name_the_set(tmp_path, tokenizer, train, heldout, role):
    """Before a tokenizer is there, where that can be."""
    empty = text_set(write(tmp_path / "empty.jsonl", ("", "")))
    missing = text_set(tmp_path / "missing.parquet")
    sets = {"train": train, "heldout": heldout}
    with pytest.raises(ConfigError, match=rf"^data\.{role}\.path=.*no such file"):
        problems_of(**{**sets, role: missing}).prepare()
    with pytest.raises(ConfigError, match=rf"^data\.{role}\.path=\S+: no problem of it can be used \(1 rows, 1 empty"):
        problems_of(**{**sets, role: empty}).splits(tokenizer)
    with pytest.raises(ConfigError, match=rf"^data\.{role}: bad rows are refused"):
        problems_of(**{**sets, role: empty}, on_bad="refuse").splits(tokenizer)
    problems_of(**sets, on_bad="refuse").splits(tokenizer)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"on_bad": "keep"}, "data.on_bad=keep: unknown; choose one of drop, refuse."),
        ({"contamination": "keep"}, "data.contamination=keep: unknown; choose one of remove, report."),
        ({"keep_apart": {"train": None}}, "data.keep_apart.train: that name has the set of the run; choose another."),
    ],
)
def test_policies_that_do_not_exist(train, heldout, changes: dict, sentence: str):
    """One sentence, before anything is read."""
    with pytest.raises(ConfigError) as caught:
        problems_of(train, heldout, **changes).prepare()
    assert str(caught.value) == sentence


def test_a_suite_is_for_evaluation_alone(tokenizer, heldout):
    """The same cleaning, no training side, its place in the config in its errors."""
    suite = Suite(heldout, plain(), max_prompt_tokens=20)
    assert [problem.answer for problem in suite.problems(tokenizer)] == ["2"]
    splits = suite.splits(tokenizer)
    assert (splits.train, splits.readings[0].counts) == ([], {"over-long prompt": 1})
    with pytest.raises(ConfigError, match=r"^eval\.suite: bad rows"):
        Suite(heldout, plain(), max_prompt_tokens=20, on_bad="refuse").problems(tokenizer)
    with pytest.raises(ConfigError, match=r"^eval\.suite\.path=nowhere.csv: there is no such file"):
        Suite(text_set("nowhere.csv"), plain(), max_prompt_tokens=20).prepare()


def composed(*overrides: str):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("train", overrides)


@pytest.mark.parametrize("name", ["math", "math_nsr_prompt", "math_any_box", "deepscaler", "gsm8k", "files"])
def test_configs(tmp_path, tokenizer, name):
    """Each shipped data config brings math-verify along and, pointed at files, gives problems."""
    train = write(tmp_path / "train.jsonl", ("What is 1+2?", "#### 3"))
    heldout = write(tmp_path / "heldout.jsonl", ("What is 1+1?", "#### 2"))
    columns = [f"data.{role}.{kind}_column={kind}" for role in ("train", "heldout") for kind in ("problem", "answer")]
    paths = [f"data.train.path={train}", f"data.heldout.path={heldout}", "data.heldout.split=train"]
    cfg = composed(f"data={name}", *paths, *columns)
    assert cfg.verifier._target_ == "rlvr.verify.MathVerifier"
    (problem,) = instantiate(cfg.data).splits(tokenizer).train
    assert problem.prompt.split("What is ")[1].startswith("1+2?\n")
    assert problem.answer == ("3" if name == "gsm8k" else "#### 3")


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_may_be_held_out_or_kept_apart(name):
    """Suites compose in both places, and those on the hub are pinned to a commit."""
    path = [f"data.{place}.path=a.csv" for place in ("heldout", "keep_apart.more")] if name in FILES else []
    cfg = composed("data=math", f"data/suite@data.heldout={name}", f"+data/suite@data.keep_apart.more={name}", *path)
    source = instantiate(cfg.data)
    assert source.heldout == source.keep_apart["more"]
    assert name in FILES or len(source.heldout.revision) == 40


def test_a_run_on_ones_own_files(quick, tmp_path):
    """From two files to a built run with a saved policy, and its lists."""
    base = build(quick())
    for part in (base.module.policy, base.tokenizer):
        part.save_pretrained(tmp_path / "policy")
    train = write(tmp_path / "own.jsonl", *((f"{n}=", str(n)) for n in range(10, 50)), ("7=", ""))
    heldout = write(tmp_path / "own_heldout.jsonl", *((f"{n}=", str(n)) for n in range(50, 60)))
    files = ["data=files", f"data.train.path={train}", f"data.heldout.path={heldout}"]
    prompt = ["data/template=plain", "data.template.instruction=''", "rollout.sampling.max_new_tokens=10"]
    model = ["model=pretrained", f"model.name={tmp_path / 'policy'}"]
    cfg = quick(*files, *prompt, *model)
    run_dir = Path(cfg.paths.run_dir)
    build(cfg)
    assert [row["row"] for row in csv.DictReader((run_dir / "dropped.csv").open())] == ["40"]
    assert "| train | " in (run_dir / "problems.md").read_text()


@pytest.mark.skipif(not SHARED.is_dir(), reason=NO_SHARED)
def test_real_sets(tokenizer):
    """MATH with AMC 2023 held out and AIME 2025 kept apart: the known flaws are found, nothing is contaminated."""
    names = {"train": "math_train", "heldout": "amc23", "keep_apart.aime25": "aime25"}
    paths = [f"data.{place}.path={SHARED / name}.parquet" for place, name in names.items()]
    cfg = composed("data=files", "+data/suite@data.keep_apart.aime25=files", *paths, "data/template=plain")
    splits = instantiate(cfg.data).splits(tokenizer)
    assert splits.readings[0].counts == {"empty answer": 4, "duplicate": 1}
    assert (len(splits.train), len(splits.heldout)) == (7495, 40)
