"""The settings that change what counts as right, what it is worth, and when grading ends a run."""

import os
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hydra.utils import instantiate

from rlvr.build import build
from rlvr.errors import ConfigError, RunError
from rlvr.types import Completion, Group, Problem, Verdict
from rlvr.verify import MathVerifier, Rewards
from rlvr.verify.math.extract import unboxed
from rlvr.verify.pool import KillablePool
from rlvr.verify.pooled import PooledVerifier, Questions

MATH_TRAIN = Path(os.environ.get("RLVR_MATH_TRAIN", Path(__file__).parents[3] / "shared/data/math_train.parquet"))
SELF = Rewards(right=1.0, wrong=-0.5, unformatted=-1.0)
TOWER = r"\boxed{9^{9^{9^{9}}}}"


def verifier(**settings) -> MathVerifier:
    return MathVerifier(**{"workers": 2, "timeout_s": 1.0, "memory_gib": 2.0, **settings})


def grade(judge: MathVerifier, *texts: str, answer: str = "42") -> list[Verdict]:
    return judge.grade([(Problem(f"id-{index}", "", (0,), answer), text) for index, text in enumerate(texts)])


def statuses(judge: MathVerifier, *texts: str) -> list[str]:
    return [verdict.status for verdict in grade(judge, *texts)]


def test_last_or_any_box():
    """Any box may be right, if it is closed; time-outs come before wrong ones."""
    texts = (r"\boxed{42} or \boxed{43}", r"\boxed{43} or \boxed{42}", r"\boxed{42} or \boxed{", r"\boxed{7}", "42")
    assert statuses(verifier(), *texts) == ["wrong", "right", "wrong", "wrong", "wrong"]
    assert statuses(verifier(box="any"), *texts) == ["right", "right", "right", "wrong", "wrong"]
    assert statuses(verifier(box="any"), TOWER + r"\boxed{7}", TOWER + r"\boxed{42}") == ["timeout", "right"]


def test_a_box_need_not_be_required():
    """Without one, the final answer is graded; a box goes before it all the same."""
    texts = ("The answer is $42$.", r"So x = 7.\n#### 42", r"42, no: \boxed{43}", "It is either 42 or 43.")
    assert statuses(verifier(require_box=False), *texts) == ["right", "right", "wrong", "wrong"]
    assert statuses(verifier(), *texts) == ["wrong"] * 4


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("First 3. The final answer is 5.", "5"),
        ("The answer: $\\frac{1}{2}$, as said.", "\\frac{1}{2}"),
        ("Half is 9.\n#### 1,234", "1,234"),
        ("Thus the sum is \\(x+1\\).", "x+1"),
        ("So she pays $18.50", "18.50"),
        ("The answer is Friday.", "Friday"),
        ("I don't know.", ""),
        ("", ""),
    ],
)
def test_final_answer_without_a_box(text: str, answer: str):
    assert unboxed(text).lstrip("$") == answer


def test_rewards():
    """SELF's three values; what is right, and so what filters count, doesn't depend on them."""
    verdicts = grade(verifier(rewards=SELF), r"\boxed{42}", r"\boxed{43}", "42", r"\boxed{}", TOWER)
    assert [verdict.reward for verdict in verdicts] == [1.0, -0.5, -1.0, -1.0, -0.5]
    assert [verdict.formatted for verdict in verdicts] == [True, True, False, False, True]
    assert [verdict.status for verdict in verdicts] == ["right", "wrong", "wrong", "wrong", "timeout"]
    rollouts = (Completion((1,), (0.0,), "", "stop"),) * 5
    assert Group(Problem("id", "", (0,), "42"), rollouts, tuple(verdicts), 0).successes == 1
    assert [verdict.reward for verdict in grade(verifier(), r"\boxed{42}", r"\boxed{43}", "42")] == [1.0, 0.0, 0.0]


def test_settings_that_mean_nothing():
    """One sentence each."""
    with pytest.raises(ConfigError, match=r"verifier\.box=first: unknown"):
        verifier(box="first")
    with pytest.raises(ConfigError, match=r"verifier\.rewards=.*right must be above 0"):
        verifier(rewards=Rewards(right=0.0))


@pytest.mark.full
def test_too_many_failures_end_the_run():
    """With their share, examples and what to do; a few failures, or a share below the limit, don't."""
    towers = [f"{index} {TOWER}" for index in range(10)]
    judge = verifier(max_failed_share=0.4)
    assert statuses(judge, *towers, *[r"\boxed{42}"] * 15).count("timeout") == 10
    assert statuses(judge, *towers[:4]).count("timeout") == 4
    with pytest.raises(RunError) as caught:
        grade(judge, *towers, *[r"\boxed{42}"] * 14)
    sentence = str(caught.value)
    assert sentence.startswith("10 of 24 answers could not be graded, more than verifier.max_failed_share=0.4 of them")
    assert sentence.count("(timeout)") == 3
    for part in ("id-0", "id-2", "9^{9}}}}", "verifier.timeout_s=1", "verifier.memory_gib"):
        assert part in sentence


class Broken(PooledVerifier):
    """Its judge fails at every answer, as one whose library has broken would."""

    def questions(self, problem: Problem, text: str) -> Questions:
        return Questions([(problem.id, text)], formatted=True)

    def answer(self, text: str) -> str:
        return text


def failing():
    def judge(question):
        raise AttributeError("no such function")

    return judge


@pytest.mark.full
def test_a_broken_judge_ends_the_training(quick):
    """Before a step is taken on its verdicts."""
    run = build(quick("verifier=math"))
    pool = KillablePool(failing, workers=1, timeout_s=5.0, memory_gib=2.0)
    run.data.make_collector.keywords["verifier"] = Broken(pool, max_failed_share=0.2)
    with pytest.raises(RunError, match=r"could not be graded, more than verifier\.max_failed_share=0\.2"):
        run.trainer.fit(run.module, datamodule=run.data)
    assert run.trainer.global_step == 0


def test_shipped_settings(quick):
    """The config's verifier, built: 0/1 rewards, last box, required."""
    judge = instantiate(quick("verifier=math", "verifier.workers=1").verifier)
    assert [verdict.reward for verdict in grade(judge, r"\boxed{1} \boxed{42}", "42")] == [1.0, 0.0]
    judge = instantiate(
        quick("verifier=math", "verifier.rewards.wrong=-0.5", "verifier.rewards.unformatted=-1").verifier
    )
    assert [verdict.reward for verdict in grade(judge, r"\boxed{1}", "42")] == [-0.5, -1.0]


@pytest.mark.skipif(not MATH_TRAIN.is_file(), reason=f"MATH's training set is not at {MATH_TRAIN} (RLVR_MATH_TRAIN)")
def test_gold_solutions_and_other_problems_answers():
    """Of 1,500 of MATH's own solutions at least 99.3 % are right, of as many other problems' answers next to none."""
    rows = random.Random(0).sample(pq.read_table(MATH_TRAIN).to_pylist(), 1500)
    judge = verifier(timeout_s=5.0)
    problems = [Problem(row["problem_id"], "", (0,), row["answer"]) for row in rows]
    golds = judge.grade([(problem, row["solution"]) for problem, row in zip(problems, rows, strict=True)])
    assert sum(verdict.status == "right" for verdict in golds) >= 0.993 * len(rows)
    others = [
        (problem, row["solution"])
        for problem, row in zip(problems, rows[1:], strict=False)
        if "".join(row["answer"].split()) != "".join(problem.answer.split())
    ]
    assert len(others) > 1400
    right = [
        pair[0].answer for pair, verdict in zip(others, judge.grade(others), strict=True) if verdict.status == "right"
    ]
    assert len(right) <= 1, right
