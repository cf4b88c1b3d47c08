"""The learning rate: linear warm-up, then constant or a cosine that ends at 0 with the last step."""

import pytest

from rlvr.build import build


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [("constant", [0.5, 1, 1, 1, 1, 1, 1]), ("cosine", [0.5, 1, 1, 0.8535534, 0.5, 0.1464466, 0])],
)
def test_factors_by_hand(quick, schedule: str, factors: list[float]):
    """Two steps of warm-up, four of schedule: (1 + cos(pi j / 4)) / 2."""
    run = build(quick(f"lr_schedule={schedule}", "warmup_steps=2", "trainer.max_steps=6"))
    run.module.trainer = run.trainer
    assert [run.module._lr_factor(step) for step in range(7)] == pytest.approx(factors, abs=1e-6)
