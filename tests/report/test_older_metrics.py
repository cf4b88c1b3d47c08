"""A `metrics.csv` of an older version, by the names of today."""

from pathlib import Path

from rlvr.report.runs import read_metrics


def test_what_older_versions_called_reward_is_accuracy(tmp_path: Path):
    """Row by row, since a run that was gone on with has both kinds."""
    (tmp_path / "metrics.csv").write_text(
        "step,rollout/reward,filter/kept,rollout/accuracy,filter/selected\n1,0.25,8,,\n2,-0.5,,0.25,7\n3,,,,\n"
    )
    assert read_metrics(tmp_path / "metrics.csv") == [
        {"step": 1, "rollout/accuracy": 0.25, "filter/selected": 8},
        {"step": 2, "rollout/reward": -0.5, "rollout/accuracy": 0.25, "filter/selected": 7},
        {"step": 3},
    ]
