import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sets import plain

from rlvr.data import ReasoningGym
from rlvr.errors import ConfigError

reasoning_gym = pytest.importorskip("reasoning_gym", reason="reasoning_gym is in the extra `math`")


@pytest.fixture
def task(tmp_path):
    """Makes a source; its files go where nobody else's are."""

    def made(name: str = "spell_backward", **changes) -> ReasoningGym:
        usual = {"settings": {}, "train_size": 40, "heldout_size": 10, "seed": 0, "template": plain()}
        return ReasoningGym(**{"task": name, "max_prompt_tokens": 200, "cache_dir": str(tmp_path), **usual, **changes})

    return made


def test_problems_are_stable_distinct_and_apart(task, tmp_path, tokenizer):
    """The same on every machine, of the sizes asked for, none in both sets; another seed gives others."""
    splits = task().splits(tokenizer)
    assert splits == task(cache_dir=str(tmp_path / "elsewhere")).splits(tokenizer)
    ids = [problem.id for problem in splits.train + splits.heldout]
    assert (len(splits.train), len(splits.heldout), len(set(ids))) == (40, 10, 50)
    other = task(seed=1).splits(tokenizer)
    assert len({problem.id for problem in other.train} & set(ids)) < 10
    assert splits.readings[0].revision == "0.1.25"


@pytest.mark.full
def test_ranks_have_the_same_problems(tmp_path):
    """This task's depend on Python's hash seed: processes with different ones read one file."""
    script = (
        "import sys; from rlvr.data import ReasoningGym, Template; from rlvr.data.cleaning import problem_id;"
        "source = ReasoningGym('ransom_note', {}, 5, 5, 0, Template('', None, False), 99, sys.argv[1]);"
        "print([problem_id(question) for table in source._tables.values() for question, _ in table.rows])"
    )

    def ids(hash_seed: int, folder: Path) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
        return subprocess.check_output([sys.executable, "-c", script, str(folder)], env=environment, text=True)

    first = ids(1, tmp_path / "shared")
    assert ids(2, tmp_path / "alone") != first
    assert ids(2, tmp_path / "shared") == first


@pytest.mark.parametrize("name", ["spell_backward", "countdown", "propositional_logic", "maze"])
def test_an_answer_is_what_the_tasks_own_scorer_needs(task, tokenizer, name: str):
    """Whatever the task: graded from the JSON alone, its own answer is right and another one isn't."""
    for problem in task(name).splits(tokenizer).train[:5]:
        written = json.loads(problem.answer)
        score = reasoning_gym.get_score_answer_fn(written["task"])
        right = written["entry"]["answer"]
        assert written["entry"]["question"] in problem.prompt
        assert right is None or score(right, written["entry"]) == 1
        assert score("certainly not this", written["entry"]) < 1


def test_settings_are_the_tasks_own(task, tokenizer):
    """There are about 1,200 words of three letters: none of those drawn again is there twice."""
    short = {"min_word_len": 3, "max_word_len": 3}
    splits = task(settings=short, train_size=300, heldout_size=200).splits(tokenizer)
    words = {json.loads(problem.answer)["entry"]["metadata"]["word"] for problem in splits.train + splits.heldout}
    assert len(words) == 500
    assert {len(word) for word in words} == {3}


def test_long_prompts_are_left_out_and_listed(task, tokenizer):
    """The sizes are those before."""
    splits = task("maze", max_prompt_tokens=55).splits(tokenizer)
    assert max(len(problem.prompt_ids) for problem in splits.train + splits.heldout) <= 55
    long = splits.readings[0].counts["over-long prompt"]
    assert 0 < long == 40 - len(splits.train)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"task": "spell_bakward"}, r"data\.task=spell_bakward: .* no such task among its \d+; near it are spell_back"),
        ({"task": "zzzzzz"}, r"data\.task=zzzzzz: reasoning_gym has no such task among its \d+\."),
        (
            {"settings": {"word_length": 3}},
            r"data\.settings=\{'word_length': 3\}: spell_backward can't make problems with them; ",
        ),
        (
            {"settings": {"min_word_len": 0}},
            r"data\.settings=\{'min_word_len': 0\}: spell_backward can't make problems with them; Asser",
        ),
        (
            {"settings": {"min_word_len": 2, "max_word_len": 2}},
            r"data\.settings=.*: spell_backward can't make problems with them; IndexError: Cannot choose",
        ),
        (
            {"task": "composite"},
            r"data\.settings=\{\}: composite can't make problems with them; AssertionError: Must specify at least one",
        ),
    ],
)
def test_bad_settings_are_one_sentence(task, changes: dict, sentence: str):
    """Before a policy is loaded."""
    with pytest.raises(ConfigError, match=f"^{sentence}") as caught:
        task(**{"name": changes.pop("task", "spell_backward"), **changes}).prepare()
    assert "\n" not in str(caught.value)


def test_a_task_with_too_few_problems(task):
    """It says how many there are: three pegs and three discs allow six."""
    few = {"min_disks": 3, "max_disks": 3, "min_pegs": 3, "max_pegs": 3}
    sentence = r"^data\.train_size=40: tower_of_hanoi gave only 4 problems in 320 draws \(316 drawn before\)"
    with pytest.raises(ConfigError, match=sentence):
        task("tower_of_hanoi", settings=few, heldout_size=2).prepare()


def test_a_task_whose_scorer_json_cannot_serve(task):
    """ARC's scorer wants tuples: its own answers would be graded wrong, so it is refused rather than never solved."""
    with pytest.raises(ConfigError, match=r"arc_agi gave only 0 problems in 8 draws \(8 with an answer that its own"):
        task("arc_agi", heldout_size=1).prepare()
