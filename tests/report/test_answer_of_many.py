"""The answer on more methods than can be told one by one: groups and ranges, with the numbers that each has alone."""

import re
from dataclasses import replace
from itertools import chain

import numpy as np
from constructed import record, study_of

from rlvr.eval.confirmation import Confirmation, Fresh
from rlvr.report.answer import answers
from rlvr.report.findings import findings
from rlvr.report.keeping import ahead
from rlvr.report.many import changed
from rlvr.report.study import Study

N = 64
SIX = np.full(200, 6)  # right answers of 64 to each problem
SPLIT = np.where(np.arange(200) % 2, 0, 30)  # half are solved far more often, half never


def sentences(study: Study) -> list[str]:
    (answer,) = answers(findings(study), {split: ahead(study, split) for split in study.methods})
    return [sentence.text for sentence in answer.sentences]


def test_nine_methods():
    """Four that lose half of the problems, five that change nothing."""
    lost = [record(f"L{place}", SIX, SPLIT, N) for place in range(4)]
    same = [record(f"S{place}", SIX, SIX, N) for place in range(5)]
    _, two, three, _, five = sentences(study_of(*lost, *same))
    (change,) = re.findall(r"at k = 64: ([+-][\d.]+) points", sentences(study_of(lost[0]))[1])
    crossed = f"L0 ({change}), L1 ({change}), L2 ({change}) and L3 ({change})"
    assert f"crosses its base's downwards under {crossed}; it may or may not cross its base's under S0" in two
    assert "all seeds together: 100 and 0 under L0 (not yet drawn again); 100 and 0 under L1 " in three
    assert three.endswith("; none under S0, S1, S2, S3 and S4.")
    assert re.search(r"as large as [\d.]+ points under S\d, [\d.]+ under L\d and between under the others; ", five)
    # Where half of the problems are lost, six right answers of 64 are enough for a claim.
    assert five.endswith(": 0 to 200 of the 200 solved by it, by method.")


def test_confirmed_claims():
    """Of three claims that were drawn again one holds."""
    fresh = [Fresh("p1", "loss", 240, 0), Fresh("p3", "loss", 235, 200), Fresh("p5", "loss", 239, 9)]
    (found,) = chain(*findings(study_of(record("A", SIX, SPLIT, N))).values())
    told = changed([replace(found, confirmations=[Confirmation(N, 512, tuple(fresh))])])
    assert told.endswith(": 100 and 0 under A (confirmed: 1 and 0).")
