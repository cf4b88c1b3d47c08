"""A short version of the study whose truth is known, with seeds that the committed one does not use."""

import numpy as np
import pytest

from benchmarks.simulated_study import (
    LOST,
    REPETITIONS,
    SAMPLES,
    WON,
    Repetition,
    grids,
    moved,
    rates,
    repetition,
)

SEEDS = range(REPETITIONS, REPETITIONS + 12)


@pytest.fixture(scope="module")
def made() -> list[Repetition]:
    truth = rates()
    return [repetition(truth, seed) for seed in SEEDS]


def test_the_truth_is_what_it_is_said_to_be():
    """One policy loses 12 problems and wins 3, the other none; the first one's curve crosses, the other's does not."""
    truth = rates()
    assert [int(moved(truth, "Sharpened", kind).sum()) for kind in ("loss", "entry")] == [LOST, WON]
    assert [int(moved(truth, "Careful", kind).sum()) for kind in ("loss", "entry")] == [0, 0]
    ks = 2 ** np.arange(9)
    below = {
        name: [((1 - truth["base"]) ** k - (1 - rate) ** k).mean() < 0 for k in ks] for name, rate in truth.items()
    }
    assert below["Sharpened"] == [k >= 8 for k in ks]
    assert not any(below["Careful"])
    assert ks[-1] == SAMPLES


@pytest.mark.full
def test_every_sentence_is_right_as_often_as_it_says(made: list[Repetition]):
    """Of 12 repetitions at 95 %, two wrong ones are chance, three hardly."""
    for part in made[0].right:
        if part != "All five":
            assert sum(not one.right[part] for one in made) <= 2, part


@pytest.mark.full
def test_what_is_clear_is_claimed(made: list[Repetition]):
    for claim in ("Pass@1 of Sharpened rose", "Pass@1 of Careful rose", "Sharpened crosses its base"):
        assert all(one.decided[claim] for one in made)


@pytest.mark.full
def test_confirmation_finds_the_losses_and_no_others(made: list[Repetition]):
    for one in made:
        lost, lost_false, _, won_false = one.confirmed
        assert lost >= 10
        assert lost_false + won_false <= 1


@pytest.mark.full
def test_the_tables_count_the_repetitions(made: list[Repetition]):
    right, _, confirmed, enough = grids(made)
    assert right.rows[0] == ["1. Pass@1: direction and interval", str(sum(one.right[right.rows[0][0]] for one in made))]
    assert confirmed.rows[0][1] == str(min(one.confirmed[0] for one in made))
    assert enough.rows[0][1] == str(len(made))
