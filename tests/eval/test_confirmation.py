"""Fresh samples decide claims: exact tails, the rule by hand, and how often a false claim is confirmed."""

from math import comb
from pathlib import Path

import numpy as np
import pytest

from rlvr.eval.confirmation import Confirmation, Fresh, Tempered, read_confirmations, tails, write_confirmations
from rlvr.eval.multiple import LEVEL


@pytest.mark.parametrize(("samples", "rate"), [(1, 1.0), (4, 0.25), (12, 0.01), (20, 0.9)])
def test_tails_by_the_definition(samples: int, rate: float):
    chance = [comb(samples, c) * rate**c * (1 - rate) ** (samples - c) for c in range(samples + 1)]
    below, above = tails(samples, rate)
    for c in range(samples + 1):
        assert below[c] == pytest.approx(sum(chance[: c + 1]), abs=1e-12)
        assert above[c] == pytest.approx(sum(chance[c:]), abs=1e-12)


def test_tails_of_many_samples():
    """16 x 1,024 samples; as the Poisson distribution's at so small a rate."""
    below, above = tails(16_384, 1 / 1024)
    assert below[0] == pytest.approx(np.exp(-16), rel=0.01)
    assert above[0] == pytest.approx(1)
    assert below[-1] == pytest.approx(1)
    assert np.all(np.diff(below) >= 0)


def verdicts(n: int, samples: int, *pairs: tuple[int, int], kind: str = "loss") -> list[str]:
    drawn = tuple(Fresh(str(index), kind, base, now) for index, (base, now) in enumerate(pairs))
    return [one.verdict for one in Confirmation(n, samples, drawn).judged()]


def test_verdicts_by_hand():
    """N = 256, eight times as many: at a rate of 1/n eight right answers are expected."""
    assert verdicts(256, 2048, (100, 0)) == ["confirmed"]
    assert verdicts(256, 2048, (100, 100)) == ["refuted"]  # still solved
    assert verdicts(256, 2048, (0, 0)) == ["refuted"]  # the base did not solve it either
    assert verdicts(256, 2048, (100, 8)) == ["open"]
    assert verdicts(256, 2048, (10, 0)) == ["open"]
    assert verdicts(256, 2048, (0, 100), kind="entry") == ["confirmed"]
    assert verdicts(256, 2048, (100, 0), kind="entry") == ["refuted"]
    assert verdicts(256, 1024, (100, 0)) == ["confirmed"]  # four times: (1 - 1/n)^1024 = .018
    assert verdicts(256, 2048) == []


def test_many_claims_need_more_each():
    """At four times as many a claim alone is confirmed, and among nine that are not it is not."""
    assert verdicts(256, 1024, (100, 0), *[(100, 4)] * 9) == ["open"] * 10
    assert verdicts(256, 1024, *[(100, 0)] * 10) == ["confirmed"] * 10


def test_no_claim_is_confirmed_and_refuted():
    """Whatever the counts, the two tests contradict each other in no order of asking."""
    below, above = tails(64, 1 / 8)
    for base in range(65):
        for now in range(65):
            confirmed = max(above[base], below[now]) <= LEVEL
            refuted = 2 * min(below[base], above[now]) <= LEVEL
            assert not (confirmed and refuted)


@pytest.mark.parametrize("false_now", [1 / 128, 0.02, 0.2])
def test_false_claims_are_seldom_confirmed(false_now: float):
    """Ten truly lost and ten that are within reach still, some just: the mean share of false ones confirmed is below
    5 %, and the number said to be sure is too large in fewer than 5 of 100."""
    rng, shares, too_many, found, trials = np.random.default_rng(0), [], 0, 0, 300
    for _ in range(trials):
        now = rng.binomial(1024, np.repeat([0, false_now], 10))
        base = rng.binomial(1024, 0.1, size=20)
        drawn = tuple(Fresh(str(i), "loss", int(b), int(t)) for i, (b, t) in enumerate(zip(base, now, strict=True)))
        made = Confirmation(128, 1024, drawn)
        confirmed = [int(one.fresh.problem_id) for one in made.judged() if one.verdict == "confirmed"]
        shares.append(sum(index >= 10 for index in confirmed) / max(len(confirmed), 1))
        found += sum(index < 10 for index in confirmed)
        too_many += made.surely("loss") > 10
    assert np.mean(shares) <= LEVEL
    assert too_many / trials <= LEVEL
    assert found / trials > 9


def test_true_claims_are_seldom_refuted():
    """The other way round: problems at the very edge of what counts as lost."""
    rng, refuted, trials = np.random.default_rng(1), 0, 300
    for _ in range(trials):
        drawn = tuple(
            Fresh(str(i), "loss", int(rng.binomial(1024, 1 / 128)), int(rng.binomial(1024, 1 / 128))) for i in range(10)
        )
        refuted += any(one.verdict == "refuted" for one in Confirmation(128, 1024, drawn).judged())
    assert refuted / trials <= LEVEL


def test_it_is_read_as_it_was_written(tmp_path: Path):
    assert read_confirmations(tmp_path) == {}
    found = {"heldout": Confirmation(4, 32, (Fresh("a", "loss", 3, 0), Fresh("b", "entry", 0, 9)))}
    write_confirmations(tmp_path, found)
    assert read_confirmations(tmp_path) == found


def test_losses_at_another_temperature(tmp_path: Path):
    """Of two confirmed losses one comes back, and the base lacks the other; eight right answers are a rate of 1/n."""
    drawn = (Fresh("a", "loss", 100, 0), Fresh("b", "loss", 100, 0), Fresh("c", "loss", 100, 100))
    tempered = Tempered(0.7, (Fresh("a", "loss", 40, 8), Fresh("b", "loss", 7, 7)))
    one = Confirmation(256, 2048, drawn, (tempered,))
    assert one.losses() == ["a", "b"]
    assert (one.back(tempered), one.gone(tempered)) == (1, 1)
    write_confirmations(tmp_path, {"heldout": one})
    assert read_confirmations(tmp_path) == {"heldout": one}
