"""The vLLM engine on the CPU build, against the live policy: same tokens, same log-probabilities."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from engines import TEN, TOKENIZER, build, host, largest_difference, nudge, problems, tiny

from rlvr.rollout import EngineError, Sampling, StaleEngineError, named_weights
from rlvr.rollout.hf import HFEngine
from rlvr.types import Problem


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def pair(request) -> Iterator[tuple]:
    policy = tiny(tie=request.param)
    engine = build(policy)
    yield policy, engine
    engine.close()


def test_greedy_tokens_equal_those_of_the_hf_engine_before_and_after_an_update(pair):
    """Fixed prompts, fp32."""
    policy, engine = pair
    hf = HFEngine(host(policy), max_tokens=4096)
    greedy = replace(TEN, temperature=0.0)
    for version in (10, 11):
        for each in (engine, hf):
            each.sync(version)
        ours, theirs = (each.generate(problems(), 1, greedy, version, 0) for each in (engine, hf))
        assert [rs[0].token_ids for rs in ours] == [rs[0].token_ids for rs in theirs]
        assert [rs[0].text for rs in ours] == [rs[0].text for rs in theirs]
        assert [rs[0].finish for rs in ours] == [rs[0].finish for rs in theirs]
        nudge(policy)


def test_logps_are_the_trainers_at_every_version(pair):
    """Also through the packed output head, which a reload does not reach when it is tied."""
    policy, engine = pair
    for version in (20, 21, 22):
        engine.sync(version)
        assert largest_difference(policy, engine.generate(problems(), 4, TEN, version, 0)) < 1e-4
        nudge(policy)


def test_a_skipped_sync_shows(pair):
    """What the guard has to see is there to be seen."""
    policy, engine = pair
    engine.sync(30)
    nudge(policy)
    assert largest_difference(policy, engine.generate(problems(), 4, TEN, 30, 0)) > 1e-2


def test_texts_depend_on_the_seed_and_the_problem_only(pair):
    """Not on the calls before, nor on which problems are asked beside it: this is what makes a resume exact."""
    _, engine = pair
    engine.sync(40)
    first, again, other = (engine.generate(problems(), 4, TEN, 40, seed) for seed in (1, 1, 2))
    assert first == again != other
    alone = engine.generate(problems()[2:3], 4, TEN, 40, 1)
    assert [r.token_ids for r in alone[0]] == [r.token_ids for r in first[2]]
    assert len({r.token_ids for r in first[1]}) > 1  # the n samples of a problem differ


def test_finish_and_length(pair):
    """The end token is part of the completion, the text is without it."""
    _, engine = pair
    engine.sync(50)
    rollouts = [r for rs in engine.generate(problems(), 32, TEN, 50, 3) for r in rs]
    assert {r.finish for r in rollouts} == {"stop", "length"}
    for rollout in rollouts:
        assert len(rollout.logps) == len(rollout.token_ids) <= 10
        assert (rollout.token_ids[-1] == 0) == (rollout.finish == "stop")
        assert TOKENIZER.eos_token not in rollout.text


def test_both_engines_cut_a_completion_where_the_context_ends(pair):
    """An evaluation may ask for more than the context of 64 holds, as NSR's does of Qwen2.5-Math."""
    policy, engine = pair
    texts = ["1" * 50, "2" * 61, "3" * 63]
    long = [Problem(text, text, tuple(TOKENIZER(text)["input_ids"]), "") for text in texts]
    for each in (engine, HFEngine(host(policy), max_tokens=4096)):
        each.sync(55)
        rollouts_P = each.generate(long, 64, Sampling(max_new_tokens=20, temperature=2.0), 55, 0)
        pairs = [(64 - len(p.prompt_ids), r) for p, rs in zip(long, rollouts_P, strict=True) for r in rs]
        assert all(len(rollout.token_ids) <= room for room, rollout in pairs)
        cut = [(room, rollout) for room, rollout in pairs if rollout.finish == "length"]
        assert cut
        assert all(len(rollout.token_ids) == room for room, rollout in cut)


def test_problems_are_handed_over_in_one_call_of_256(pair):
    """Pass@256 of a problem is one request."""
    _, engine = pair
    engine.sync(60)
    seen: dict[int, tuple] = {}
    rollouts_P = engine.generate(problems(), 256, TEN, 60, 0, on_finished=seen.__setitem__)
    assert [seen[index] for index in range(len(problems()))] == rollouts_P
    assert [len(rs) for rs in rollouts_P] == [256] * len(problems())


def test_what_is_skipped_changes_nothing_for_the_rest(pair):
    """An evaluation that goes on draws what it would have drawn."""
    _, engine = pair
    engine.sync(61)
    whole = engine.generate(problems(), 8, TEN, 61, 0)
    seen: list[int] = []
    rest = engine.generate(problems(), 8, TEN, 61, 0, on_finished=lambda index, _: seen.append(index), skip={0, 2})
    assert sorted(seen) == [index for index in range(len(problems())) if index not in (0, 2)]
    assert [index for index, rollouts in enumerate(rest) if not rollouts] == [0, 2]
    assert all(len(a) == len(b) for a, b in zip(rest, whole, strict=True) if a)
    assert [[r.token_ids for r in rs] for rs in rest if rs] == [
        [r.token_ids for r in rs] for index, rs in enumerate(whole) if index not in (0, 2)
    ]


def test_sync_is_idempotent_and_stamped(pair):
    """The weights are copied once a version, and no other version can be sampled."""
    policy, engine = pair
    passes = []
    engine.weights = lambda: passes.append(1) or named_weights(policy)
    for version in (70, 70, 71):
        engine.sync(version)
    assert len(passes) == 2
    with pytest.raises(StaleEngineError, match="holds policy version 71, not 70"):
        engine.generate(problems(), 1, TEN, 70, 0)


def test_a_prompt_beyond_the_context_is_named(pair):
    """And the engine can be asked again."""
    _, engine = pair
    engine.sync(90)
    long = Problem("long", "", tuple([5] * 70), "")
    with pytest.raises(EngineError, match=r"sampling 7 x 2 completions at policy version 90 failed: .*64"):
        engine.generate([*problems(), long], 2, TEN, 90, 0)
    assert len(engine.generate(problems(), 2, TEN, 90, 0)) == len(problems())
