"""The hf engine: exact log-probabilities with left padding, on two architectures."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.generation.logits_process import TopPLogitsWarper

from rlvr.data.characters import character_tokenizer
from rlvr.data.countdown import CHARACTERS
from rlvr.rollout import EngineError, Host, Sampling, StaleEngineError
from rlvr.rollout.decoding import Draw, inverted, nucleus
from rlvr.rollout.hf import HFEngine
from rlvr.scoring.logprobs import completion_logps
from rlvr.scoring.packing import packed
from rlvr.step import TrainingSample
from rlvr.types import Problem

TOKENIZER = character_tokenizer(CHARACTERS)
SIZE = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=64)


def beside(model) -> Host:
    """No weights are asked for: the engine generates with the policy itself."""
    return Host(model, TOKENIZER, lambda: iter(()), model.device)


def policy(architecture: str):
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        architecture, vocab_size=16, eos_token_id=0, pad_token_id=0, bos_token_id=None, initializer_range=0.3, **SIZE
    )
    return AutoModelForCausalLM.from_config(config)


def problems() -> list[Problem]:
    texts = ["1=", "18873=47:", "5", "123456789=10:"]  # of different lengths, so that three rows are padded
    return [Problem(text, text, tuple(TOKENIZER(text)["input_ids"]), "") for text in texts]


@pytest.mark.parametrize("architecture", ["qwen2", "llama"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_logps_equal_a_forward_pass_row_by_row(architecture: str, temperature: float):
    """Sampled log-probabilities, and the trainer's padded ones, against each row alone without any padding."""
    model = policy(architecture)
    engine = HFEngine(beside(model), max_tokens=210)  # forces several chunks
    engine.sync(3)
    groups = engine.generate(problems(), 4, Sampling(12, temperature), version=3, seed=1)
    samples = [TrainingSample(p, r, 1.0, 1.0) for p, rollouts in zip(problems(), groups, strict=True) for r in rollouts]
    logp_BT = completion_logps(model, packed(samples, 3), temperature).logp_BT
    assert any(r.finish == "stop" for g in groups for r in g)
    for row, sample in enumerate(samples):
        prompt, completion = sample.problem.prompt_ids, sample.completion.token_ids
        logits_TV = model(torch.tensor([[*prompt, *completion]])).logits[0, len(prompt) - 1 : -1] / temperature
        alone_T = logits_TV.log_softmax(-1)[torch.arange(len(completion)), torch.tensor(completion)]
        assert (torch.tensor(sample.completion.logps) - alone_T).abs().max() < 1e-5
        assert (logp_BT[row, : len(completion)] - alone_T).abs().max() < 1e-5
        assert logp_BT[row, len(completion) :].abs().sum() == 0


def test_greedy_equals_argmax_without_padding():
    """Temperature 0 gives, token for token, the argmax of a plain forward pass."""
    model = policy("qwen2")
    engine = HFEngine(beside(model), max_tokens=4096)
    engine.sync(0)
    groups = engine.generate(problems(), 1, Sampling(8, temperature=0.0), version=0, seed=0)
    for problem, (rollout,) in zip(problems(), groups, strict=True):
        ids = list(problem.prompt_ids)
        for token in rollout.token_ids:
            assert int(model(torch.tensor([ids])).logits[0, -1].argmax()) == token
            ids.append(token)


def test_completions_are_cut_where_the_context_ends():
    """Each row at its own end, in one batch; what it holds up to there is what it would hold with more room."""
    model = policy("qwen2")
    engine = HFEngine(beside(model), max_tokens=4096)
    engine.sync(0)
    whole = engine.generate(problems(), 4, Sampling(20), 0, seed=1)
    engine.context = 20
    cut = engine.generate(problems(), 4, Sampling(20), 0, seed=1)
    ends = set()
    for problem, long_ones, short_ones in zip(problems(), whole, cut, strict=True):
        room = 20 - len(problem.prompt_ids)
        for long, short in zip(long_ones, short_ones, strict=True):
            assert short.token_ids == long.token_ids[:room]
            assert len(short.logps) == len(short.token_ids)
            assert short.finish == ("length" if len(long.token_ids) > room else long.finish)
            ends.add((len(long.token_ids) > room, short.finish))
    assert {(True, "length"), (False, "stop")} <= ends
    engine.context = 9
    with pytest.raises(EngineError, match="A prompt of 13 tokens leaves no room in the context of 9 tokens"):
        engine.generate(problems(), 1, Sampling(1), 0, seed=1)


def test_the_seed_decides_and_torch_state_is_left_alone():
    """The same seed gives the same text, another one another; the global random state does not move."""
    engine = HFEngine(beside(policy("qwen2")), max_tokens=4096)
    engine.sync(0)
    before = torch.random.get_rng_state()
    one, again, other = (engine.generate(problems(), 4, Sampling(12), 0, seed) for seed in (1, 1, 2))
    assert one == again != other
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_stale_engine_refuses():
    """Sampling at a version that was not synced is an error, not a silent off-policy step."""
    engine = HFEngine(beside(policy("qwen2")), max_tokens=4096)
    engine.sync(0)
    with pytest.raises(StaleEngineError, match="holds policy version 0, not 1"):
        engine.generate(problems(), 1, Sampling(4), version=1, seed=0)


@pytest.mark.parametrize("top_p", [0.01, 0.5, 0.95])
def test_the_nucleus_is_that_of_transformers(top_p: float):
    """Over peaked and flat distributions, whose nuclei are found at once, after a longer look, and among all tokens."""
    generator = torch.Generator().manual_seed(0)
    logits_BV = torch.randn(5, 20_000, generator=generator) * torch.tensor([8.0, 4, 2, 1, 0.1])[:, None]
    logp_BV = logits_BV.log_softmax(-1)
    theirs_BV = TopPLogitsWarper(top_p)(None, logp_BV)
    for row in range(5):
        assert torch.equal(nucleus(logp_BV[row : row + 1], top_p).isfinite()[0], theirs_BV[row].isfinite()), row
    assert torch.equal(nucleus(logp_BV, top_p).isfinite(), theirs_BV.isfinite())


def test_one_number_draws_a_token():
    """By hand: a share on the border belongs to the token that ends there; what has no mass is never drawn."""
    mass_LV = torch.tensor([0.0, 0.25, 0.0, 0.5, 0.25, 0.0]).repeat(6, 1)
    share_L = torch.tensor([2.0**-24, 0.25, 0.25 + 2.0**-24, 0.75, 0.75 + 2.0**-24, 1.0])
    assert inverted(mass_LV, torch.arange(6), share_L).tolist() == [1, 1, 3, 3, 4, 4]
    assert inverted(8 * mass_LV[:1], torch.zeros(6, dtype=torch.long), share_L).tolist() == [1, 1, 3, 3, 4, 4]


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 1.0), (1.0, 0.9)])
def test_tokens_come_as_often_as_they_are_likely(temperature: float, top_p: float):
    """Chi-square over 200,000 draws, and the log-probability of each is that before the nucleus."""
    torch.manual_seed(0)
    logits_V, count = 2 * torch.randn(40), 200_000
    logp_V = (logits_V / temperature).log_softmax(-1)
    draw, same_B = Draw(temperature, top_p), torch.zeros(count, dtype=torch.long)
    token_B, logp_B = draw(logits_V[None], same_B, torch.arange(count), count)
    assert torch.allclose(logp_B, logp_V[token_B], atol=1e-6)
    wanted_V = nucleus(logp_V[None], top_p)[0].softmax(-1) * count
    seen_V, possible_V = torch.bincount(token_B, minlength=40).float(), wanted_V > 0
    assert not seen_V[~possible_V].any()
    assert possible_V.all() == (top_p == 1)
    square = ((seen_V - wanted_V)[possible_V] ** 2 / wanted_V[possible_V]).sum()
    freedom = int(possible_V.sum()) - 1
    assert square < freedom + 4 * (2 * freedom) ** 0.5


def test_a_row_draws_the_same_whichever_are_beside_it():
    """Also out of its place."""
    logits_BV, some_L = torch.randn(8, 50), torch.tensor([6, 1, 3])
    torch.manual_seed(1)
    whole_B, _ = Draw(1.0, 1.0)(logits_BV, torch.arange(8), torch.arange(8), 8)
    torch.manual_seed(1)
    some, _ = Draw(1.0, 1.0)(logits_BV[some_L], torch.arange(3), some_L, 8)
    assert torch.equal(some, whole_B[some_L])


def sampled_with(monkeypatch, thinned: float) -> tuple[list, list[int]]:
    """What is sampled, and how many rows went through the policy at each step."""
    monkeypatch.setattr("rlvr.rollout.decoding.THINNED", thinned)
    model, rows = policy("qwen2"), []
    model.register_forward_pre_hook(lambda _, __, given: rows.append(len(given["input_ids"])), with_kwargs=True)
    engine = HFEngine(beside(model), max_tokens=4096)
    engine.sync(0)
    return engine.generate(problems(), 8, Sampling(40, top_p=0.95), 0, seed=3), rows


def beginnings(groups: list, length: int) -> int:
    """How many different prompts with so many tokens of a completion go on."""
    said = ((place, one.token_ids) for place, group in enumerate(groups) for one in group)
    return len({(place, tokens[:length]) for place, tokens in said if len(tokens) > length})


def test_what_is_the_same_is_read_once_and_what_has_ended_no_more(monkeypatch):
    """The texts are the same token by token, whichever rows are beside them; no step is made for none."""
    monkeypatch.setattr("rlvr.rollout.decoding.DIFFER", 1.0)
    (whole, all_rows), (thinned, fewer) = (sampled_with(monkeypatch, part) for part in (0.0, 0.8))
    monkeypatch.undo()
    apart, rows = sampled_with(monkeypatch, 0.8)
    lengths = [len(one.token_ids) for group in whole for one in group]
    assert len(all_rows) == len(fewer) == len(rows) == max(lengths)  # one for the prompts, none after the last token
    assert all_rows[0] == fewer[0] == rows[0] == len(problems())
    for step in range(1, len(fewer)):
        needed, going_on = beginnings(whole, step), sum(length > step for length in lengths)
        assert needed <= fewer[step] < needed / 0.8 + 1
        assert needed <= all_rows[step] <= len(lengths)
        most_differ = any(
            beginnings(whole, s) > 0.5 * sum(length > s for length in lengths) for s in range(1, step + 1)
        )
        assert (going_on if most_differ else needed) <= rows[step] < going_on / 0.8 + 1
    assert sum(fewer) < sum(rows) < sum(all_rows)
    for other in (thinned, apart):
        for one, same in zip((o for group in whole for o in group), (o for group in other for o in group), strict=True):
            assert one.token_ids == same.token_ids
            assert one.logps == pytest.approx(same.logps, abs=1e-5)


def test_no_position_beyond_the_context(monkeypatch):
    """Learned positions end with the context; a short prompt's row goes on where a long one's has ended."""
    monkeypatch.setattr("rlvr.rollout.decoding.THINNED", 0.0)  # which then stays in the batch
    torch.manual_seed(0)
    size = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 20}
    config = AutoConfig.for_model("gpt2", vocab_size=16, eos_token_id=15, bos_token_id=None, **size)
    engine = HFEngine(beside(AutoModelForCausalLM.from_config(config)), max_tokens=4096)
    engine.sync(0)
    groups = engine.generate(problems(), 4, Sampling(40), 0, seed=1)
    longest = [max(len(one.token_ids) for one in group) for group in groups]
    assert longest == [20 - len(problem.prompt_ids) for problem in problems()]


def test_a_broken_policy_is_refused():
    """Logits that are no numbers would otherwise choose some token, again and again."""
    model = policy("qwen2")
    model.model.norm.weight.data[0] = float("nan")
    engine = HFEngine(beside(model), max_tokens=4096)
    engine.sync(7)
    for temperature in (0.0, 1.0):
        with pytest.raises(EngineError, match="policy of version 7 gives logits that are not finite"):
            engine.generate(problems(), 2, Sampling(4, temperature), 7, seed=0)
