"""The collapse guard: a destroyed policy stops the run, healthy ones and each half of the sign alone do not."""

import io

import pytest
import torch

from rlvr.build import build
from rlvr.callbacks import CollapseError, CollapseGuard
from rlvr.callbacks.collapse import solved_share

GUARD = {"window": 4, "accuracy_share": 0.25, "entropy_factor": 2.0}
HEALTHY = [(0.2, 0.6)] * 10


def step_of_fall(guard: CollapseGuard, course: list[tuple[float, float]], first: int = 0) -> int | None:
    return next((step for step, seen in enumerate(course, first) if guard.see(step, *seen)), None)


@pytest.mark.parametrize("entropy", [0.05, 3.0], ids=["collapsing", "exploding"])
def test_fallen_and_astray(entropy: float):
    """The mean of 4 is below a quarter of 0.2 once all four are 0 (after three it is 0.05, not below)."""
    assert step_of_fall(CollapseGuard(**GUARD), [*HEALTHY, *[(0.0, entropy)] * 10]) == 13


@pytest.mark.parametrize(
    "course",
    [
        [(0.0, 0.6)] * 20,  # reward alone: a filter has turned to problems that nobody solves
        [(0.2, 0.05)] * 20,  # entropy alone: what learning does
        [(0.2, 3.0)] * 20,
        [(0.0, 0.05)] * 2 + HEALTHY,  # two bad batches
        [(0.06, 0.05)] * 20,  # above a quarter
    ],
)
def test_one_sign_alone_is_left_alone(course: list[tuple[float, float]]):
    assert step_of_fall(CollapseGuard(**GUARD), [*HEALTHY, *course]) is None


def test_what_never_solved_anything_has_nothing_to_lose():
    assert step_of_fall(CollapseGuard(**GUARD), [(0.0, 0.6)] * 10 + [(0.0, 0.01)] * 10) is None


def test_problems_dropped_as_solved_count():
    """8 problems of 4 rollouts drawn, 6 dropped, 2 of the other 8 rollouts right: 26 of 32."""
    metrics = {"filter/drawn": 8.0, "rollout/completion_length": 5.0}
    dropped = {**metrics, "rollout/accuracy": 2 / 8, "rollout/tokens": 5.0 * 8}
    assert solved_share(dropped, group_size=4) == pytest.approx(26 / 32)
    sampled = {**metrics, "rollout/accuracy": 2 / 32, "rollout/tokens": 5.0 * 32}
    assert solved_share(sampled, group_size=4) == pytest.approx(2 / 32)


def test_its_state_survives_a_checkpoint():
    """Saved in the middle of the fall, through a file that is loaded without arbitrary objects."""
    course = [*HEALTHY, *[(0.0, 3.0)] * 10]
    first, second = CollapseGuard(**GUARD), CollapseGuard(**GUARD)
    assert step_of_fall(first, course[:12]) is None
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert step_of_fall(second, course[12:], first=12) == 13
    assert step_of_fall(CollapseGuard(**GUARD), course[12:], first=12) is None  # without it nothing is known


def test_an_absurd_learning_rate_ends_the_run(quick):
    """A policy that solved something and then nothing; the sentence has the numbers, and a checkpoint is there."""
    cfg = quick("algo=nsr", "model.steps=700", "trainer.max_steps=200", "eval.every_n_steps=500", "optimizer.lr=0.1")
    run = build(cfg)
    with pytest.raises(CollapseError, match=r"collapsed by step \d+: .* try an optimizer.lr below 0.1"):
        run.trainer.fit(run.module, datamodule=run.data)
    assert 20 <= run.trainer.global_step < 100


@pytest.mark.full
@pytest.mark.parametrize("algo", ["grpo", "self"])
def test_a_healthy_run_goes_on(quick, algo: str):
    """Small and noisy batches at the default learning rate."""
    cfg = quick(f"algo={algo}", "model.steps=700", "trainer.max_steps=80", "eval.every_n_steps=500")
    run = build(cfg)
    run.trainer.fit(run.module, datamodule=run.data)
    assert run.trainer.global_step == 80
    assert any(isinstance(callback, CollapseGuard) for callback in run.trainer.callbacks)
