"""An evaluation's samples: drawn once, kept through failures, judged by the present rules."""

from dataclasses import replace
from pathlib import Path

import pytest
from hydra.utils import instantiate

from rlvr.errors import RunError
from rlvr.eval import Job, SampleStore, judge_again, outcome_of, sample
from rlvr.eval.sampler import segments
from rlvr.ranks import Ranks
from rlvr.rollout import Host, Sampling
from rlvr.rollout.hf import HFEngine
from rlvr.step import SCHEMA
from rlvr.step.table import with_columns
from rlvr.types import Verdict
from rlvr.verify import CountdownVerifier

ALONE = Ranks(0, 1)


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory):
    """A real policy, engine and task; batches of 16 completions."""
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(Path(__file__).parents[2] / "configs"), version_base="1.3"):
        cfg = compose("train", ["model.steps=300"])
    source = instantiate(cfg.data)
    policy, tokenizer = instantiate(cfg.model).load(source, 0, tmp_path_factory.mktemp("cache"), None)
    engine = HFEngine(Host(policy, tokenizer, lambda: iter(()), policy.device), max_tokens=600)
    engine.sync(0)
    problems = source.splits(tokenizer).heldout[:7]
    return engine, Job(problems, 16, Sampling(9), seed=3, rules="a")


def rows(store: SampleStore) -> set[tuple]:
    columns = ("problem_id", "sample", "text", "status", "rules", "tokens", "logp")
    found = [tuple(row[name] for name in columns) for row in store.read(columns).to_pylist()]
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize("n", [1, 4, 8, 16, 256, 1024])
def test_segments_cover_every_sample_once(n: int):
    """And those of a smaller n come first, from 8 on."""
    parts = list(segments(n))
    assert [i for start, count in parts for i in range(start, start + count)] == list(range(n))
    if n >= 8:
        assert list(segments(2 * n))[: len(parts)] == parts


def test_a_larger_n_draws_only_what_is_missing(setting, tmp_path: Path):
    """And ends at what a single evaluation would have; a third one draws nothing."""
    engine, job = setting
    once, grown = SampleStore(tmp_path / "once"), SampleStore(tmp_path / "grown")
    sample(job, engine, CountdownVerifier(), once, ALONE)
    sample(replace(job, n=8), engine, CountdownVerifier(), grown, ALONE)
    before, smaller = rows(grown), outcome_of(replace(job, n=8), grown, "", "")
    sample(job, engine, CountdownVerifier(), grown, ALONE)
    assert before < rows(grown) == rows(once)
    assert len(before) == 8 * 7
    assert outcome_of(replace(job, n=8), once, "", "").evaluation.correct == smaller.evaluation.correct
    files = sorted((tmp_path / "grown").iterdir())
    sample(job, engine, CountdownVerifier(), grown, ALONE)
    assert sorted((tmp_path / "grown").iterdir()) == files
    assert outcome_of(job, grown, "", "").evaluation == outcome_of(job, once, "", "").evaluation


def test_samples_of_other_prompts_and_problems_are_not_the_jobs(setting, tmp_path: Path):
    """Nor those beyond n; an outcome without all of its samples is refused."""
    engine, job = setting
    store = SampleStore(tmp_path)
    sample(job, engine, CountdownVerifier(), store, ALONE)
    table = store.read(SCHEMA.names)
    assert sorted(job.places(table)) == list(range(7 * 16))
    for name in ("prompt_id", "problem_id"):
        assert set(job.places(with_columns(table, **{name: ["other"] * len(table)}))) == {-1}
    half = replace(job, n=8).places(table)
    assert sorted(half[half >= 0]) == list(range(7 * 8))
    assert (half < 0).sum() == 7 * 8
    with pytest.raises(IndexError):
        outcome_of(replace(job, n=32), store, "", "")


class FailsLater:
    """An engine that dies on the third batch."""

    def __init__(self, engine: HFEngine) -> None:
        self.engine, self.finished = engine, 0

    def generate(self, *args, on_finished, **kwargs):
        def counted(index, rollouts):
            if self.finished == 5:
                raise RunError("no more")
            self.finished += 1
            on_finished(index, rollouts)

        return self.engine.generate(*args, on_finished=counted, **kwargs)


def test_what_was_sampled_before_a_failure_is_kept(setting, tmp_path: Path):
    """The error comes through, five problems' samples are there, and going on gives what one evaluation gives."""
    engine, job = setting
    once, broken = SampleStore(tmp_path / "once"), SampleStore(tmp_path / "broken")
    sample(job, engine, CountdownVerifier(), once, ALONE)
    with pytest.raises(RunError, match="no more"):
        sample(job, FailsLater(engine), CountdownVerifier(), broken, ALONE)
    assert len(rows(broken)) == 5 * 8
    sample(job, engine, CountdownVerifier(), broken, ALONE)
    assert rows(broken) == rows(once)


def test_ranks_share_the_problems(setting, tmp_path: Path):
    """Every sample is there once."""
    engine, job = setting
    store = SampleStore(tmp_path)
    for rank in range(3):
        sample(job, engine, CountdownVerifier(), store, Ranks(rank, 3))
    assert len(rows(store)) == 7 * 16


class Strict(CountdownVerifier):
    """Nothing is right."""

    def grade(self, items):
        return [Verdict("wrong", reward=0.0) for _ in items]


def test_other_rules_judge_again_without_sampling(setting, tmp_path: Path):
    """The same texts; the second time there is nothing to do."""
    engine, job = setting
    store = SampleStore(tmp_path)
    sample(job, engine, CountdownVerifier(), store, ALONE)
    before = outcome_of(job, store, "", "")
    texts = {row[:3] for row in rows(store)}
    strict = replace(job, rules="b")
    assert judge_again(strict, Strict(), store) == 7 * 16
    assert judge_again(strict, Strict(), store) == 0
    assert {row[:3] for row in rows(store)} == texts
    assert sum(before.evaluation.correct) > sum(outcome_of(job, store, "", "").evaluation.correct) == 0


def test_a_broken_file_is_one_sentence(tmp_path: Path):
    """With what to do about it."""
    (tmp_path / "x.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(RunError, match=r"x\.parquet: these samples can't be read .*delete the file"):
        SampleStore(tmp_path).read(["status"])


def test_a_verifier_that_fails_ends_the_evaluation(setting, tmp_path: Path):
    """Its error comes up from the thread."""
    engine, job = setting

    class Broken(CountdownVerifier):
        def grade(self, items):
            raise RunError("the verifier is gone")

    with pytest.raises(RunError, match="the verifier is gone"):
        sample(job, engine, Broken(), SampleStore(tmp_path), ALONE)
