"""Measures of how many different answers there are, by hand and where the truth is known."""

import numpy as np
import pytest

from rlvr.eval.diversity import chao1, effective_number, unseen_mass


def test_by_hand():
    """Counts 3, 1, 1, 2, 1."""
    counts = [3, 1, 1, 2, 1]
    entropy = -(3 * np.log(3 / 8) + 2 * np.log(2 / 8) + 3 * np.log(1 / 8)) / 8 + 4 / 16
    assert effective_number(counts) == pytest.approx(np.exp(entropy))
    assert unseen_mass(counts) == pytest.approx(3 / 8)
    assert chao1(counts) == pytest.approx(5 + 3 * 2 / (2 * 2))


def test_one_text_again_and_again():
    assert effective_number([40]) == pytest.approx(1.0)
    assert unseen_mass([40]) == 0
    assert chao1([40]) == 1


def test_texts_that_are_equally_frequent():
    """Twenty of them, 60 draws, many times: entropy and unseen mass are right in the mean, and Chao's bound is near."""
    draw = np.random.default_rng(0)
    found = []
    for _ in range(400):
        counts = np.bincount(draw.integers(0, 20, 60), minlength=20)
        seen = [int(count) for count in counts if count]
        found.append((effective_number(seen), unseen_mass(seen), chao1(seen), (20 - len(seen)) / 20))
    effective, mass, bound, missed = np.mean(found, axis=0)
    assert effective == pytest.approx(20, rel=0.03)
    assert mass == pytest.approx(missed, abs=0.01)
    assert bound == pytest.approx(20, rel=0.03)
