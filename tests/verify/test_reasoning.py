"""reasoning_gym's tasks through the verifier's processes."""

import json
import os
from pathlib import Path

import pytest

from rlvr.errors import ConfigError
from rlvr.types import Problem
from rlvr.verify import ReasoningGymVerifier, Rewards

reasoning_gym = pytest.importorskip("reasoning_gym", reason="reasoning_gym is in the extra `math`")
# Their own answers don't survive JSON, or can't be made without further settings; data=reasoning_gym refuses them.
LEFT_OUT = {"arc_agi", "rearc", "composite"}


@pytest.fixture(scope="module")
def verifier():
    return ReasoningGymVerifier(workers=2, timeout_s=20.0, memory_gib=4.0)


def problem(task: str, entry: dict) -> Problem:
    return Problem(task, "", (0,), json.dumps({"task": task, "entry": entry}, default=str))


def grade(verifier: ReasoningGymVerifier, *items: tuple[Problem, str]) -> list[str]:
    return [verdict.status for verdict in verifier.grade(items)]


@pytest.mark.full
def test_every_tasks_own_answer_is_right(verifier: ReasoningGymVerifier):
    """By its own scorer, in a worker; and nonsense isn't, but where the scorer takes it for False."""
    from reasoning_gym.factory import DATASETS, create_dataset

    items = []
    for task in sorted(set(DATASETS) - LEFT_OUT):
        entry = next(iter(create_dataset(task, size=1, seed=1)))
        if entry["answer"] is not None:
            items.append((problem(task, entry), f"I think\n<answer>\n{entry['answer']}\n</answer>"))
    assert len(items) > 90
    wrong = [item[0].id for item, status in zip(items, grade(verifier, *items), strict=True) if status != "right"]
    assert wrong == []
    nonsense = [(asked, "<answer>certainly not this</answer>") for asked, _ in items]
    right = [item[0].id for item, status in zip(items, grade(verifier, *nonsense), strict=True) if status == "right"]
    assert right == ["game_of_life_halting"]


def test_where_the_answer_stands(verifier: ReasoningGymVerifier):
    """The last `<answer>`, else the last box; partial scores are wrong, and so is what stands elsewhere."""
    asked = problem("chain_sum", {"question": "2 + 3 =", "answer": "5", "metadata": {}})
    texts = {
        "<answer>4</answer> no, <answer>5</answer>": "right",
        r"<answer>4</answer> or \boxed{5}": "wrong",
        r"so \boxed{5}": "right",
        "<answer>5 apples</answer>": "wrong",
        "5": "wrong",
        "<answer>5": "wrong",
        "": "wrong",
    }
    verdicts = verifier.grade([(asked, text) for text in texts])
    assert [verdict.status for verdict in verdicts] == list(texts.values())
    assert [verdict.formatted for verdict in verdicts] == [True, True, True, True, False, False, False]


def test_what_a_scorer_evaluates_does_no_harm(verifier: ReasoningGymVerifier, tmp_path: Path):
    """Some scorers call eval() on the answer: it can't write, start a process or connect."""
    canary = tmp_path / "canary"
    entry = reasoning_gym.create_dataset("n_queens", size=1, seed=1)[0]
    attacks = (
        f"open('{canary}', 'w').write('x')",
        f"__import__('os').system('touch {canary}')",
        f"__import__('subprocess').run(['touch', '{canary}'])",
        f"__import__('os').open('{canary}', 65)",
        f"__import__('os').mkdir('{canary}')",
        f"__import__('pathlib').Path('{canary}').touch()",
        "__import__('socket').create_connection(('127.0.0.1', 9))",
        "__import__('os').kill(__import__('os').getppid(), 9)",
        "__import__('os').fork()",
    )
    environment = dict(os.environ)
    statuses = grade(verifier, *[(problem("n_queens", entry), f"<answer>{attack}</answer>") for attack in attacks])
    assert "right" not in statuses
    assert not canary.exists()
    assert dict(os.environ) == environment


def test_other_problems_are_refused(verifier: ReasoningGymVerifier):
    """With the way out."""
    with pytest.raises(
        ConfigError, match="problem math-1 has no entry that a task's scorer could read; data=reasoning"
    ):
        verifier.grade([(Problem("math-1", "", (0,), "42"), r"\boxed{42}")])


@pytest.mark.full
def test_a_partial_score_is_a_part_of_a_right_answers_worth():
    """Where it is asked for; the answer stays wrong, without format it has none, and a right one is worth no more."""
    asked = problem("chain_sum", {"question": "2 + 3 =", "answer": "5", "metadata": {}})
    texts = ["<answer>5</answer>", "<answer>5 apples</answer>", "<answer>6</answer>", "5"]
    settings = {"workers": 1, "timeout_s": 20.0, "memory_gib": 4.0, "rewards": Rewards(1.0, -0.5, -1.0)}
    plain, partly = (
        ReasoningGymVerifier(**settings, partial=partial).grade([(asked, text) for text in texts])
        for partial in (False, True)
    )
    assert [verdict.status for verdict in plain] == [verdict.status for verdict in partly] == ["right"] + 3 * ["wrong"]
    assert [verdict.reward for verdict in plain] == [1.0, -0.5, -0.5, -1.0]
    score = reasoning_gym.get_score_answer_fn("chain_sum")("5 apples", json.loads(asked.answer)["entry"])
    assert 0 < score < 1
    assert partly[1].reward == pytest.approx(-0.5 + 1.5 * score)
    assert [partly[index].reward for index in (0, 2, 3)] == [1.0, partly[2].reward, -1.0]
