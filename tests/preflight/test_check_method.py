"""Methods that learn nothing are refused, choices without effect are named, and what works is left alone."""

from itertools import product
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf, open_dict

from rlvr.build import filter_of, loss_of
from rlvr.errors import ConfigError
from rlvr.preflight.method import check_method, made_up
from rlvr.preflight.settings import check_profile

CONFIGS = Path(__file__).parents[2] / "configs"
METHODS = sorted(path.stem for path in (CONFIGS / "algo").glob("*.yaml"))
# The gradient at ratios of 1 is GRPO's; said where nothing else is chosen.
CLIPS = {
    *(
        "aspo",
        "cispo",
        "clip_cov",
        "dapo",
        "dph_rl",
        "gmpo",
        "gspo",
        "gspo_n",
        "high_entropy",
        "lp_reg",
        "ngrpo",
        "topr",
    ),
}


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose("train", ["paths.run_dir=run", "paths.log_dir=/tmp", *overrides])


def remarks(*overrides: str) -> list[str]:
    cfg = composed(*overrides)
    return check_method(cfg, loss_of(cfg), filter_of(cfg))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_passes(method: str):
    """In silence but for clips that can't bind; with several minibatches in silence altogether."""
    said = remarks(f"algo={method}")
    silent = {"kl_cov": ["algo.auxiliary.kl_cov"]}.get(method, [])
    assert [sentence.partition(":")[0] for sentence in said] == ["algo.loss.surrogate"] * (method in CLIPS) + silent
    assert remarks(f"algo={method}", "batch.minibatches_per_rollout=4") == []


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["algo=grpo", "algo/filter=zero_success"], "algo.filter: zero_success lets through groups with 0 of 8 right"),
        (["algo=psr", "algo/filter=zero_success"], "algo.filter: zero_success lets through groups with 0 of 8 right"),
        (
            ["algo=psr", "algo/filter=mask_easy", "algo.filter.from_rate=.1"],
            "algo.filter: mask_easy lets through groups with 0 of 8 right, in which loss psr",
        ),
        (["algo=nsr", "algo/filter=dynamic", "batch.group_size=1"], "algo.filter: dynamic drops every group of batch."),
        (["algo=bbg", "algo.filter.tau=7"], "algo.filter: bbg drops every group of batch.group_size=8, whatever"),
        (
            ["algo=grpo", "algo.loss.signs.positive=0", "algo.loss.signs.negative=0"],
            "algo.loss: with batch.group_size=8, algo.loss.signs={'positive': 0, 'negative': 0} and these rewards, ",
        ),
        (["algo=psr", "algo.loss.signs.positive=0"], "algo.loss: with batch.group_size=8, algo.loss.signs={'pos"),
        (["algo=nsr", "algo.loss.advantage.wrong=0"], "algo.loss: with batch.group_size=8"),
        (
            ["algo=grpo", "verifier=math", "verifier.rewards.right=0"],
            "algo.loss: with batch.group_size=8, algo.loss.signs={'positive': 1",
        ),
        (["algo=grpo", "batch.group_size=1", "algo.loss.min_group=1"], "batch.group_size=1: loss grpo has advantages"),
        (["algo=dr_grpo", "batch.group_size=1", "algo.loss.min_group=1"], "algo.loss: with batch.group_size=1"),
        (["algo=nft", "algo/filter=rate_weight"], "algo.filter: NFT's surrogate reads the success rate off the advan"),
        (["algo=nft", "algo/filter=bbg", "algo.filter.weighting=share"], "algo.filter: NFT's surrogate reads the succ"),
        (["algo=nft", "algo/filter=bbg_posterior", "algo.filter.weighting=share_uncapped"], "algo.filter: NFT's surro"),
    ],
)
def test_what_learns_nothing_is_refused(overrides: list[str], sentence: str):
    """In one sentence that says what lets nothing through."""
    with pytest.raises(ConfigError) as caught:
        remarks(*overrides)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ["algo=nsr", "algo/filter=zero_success"],
        ["algo=ngrpo", "algo/filter=zero_success", "batch.minibatches_per_rollout=4"],
        ["algo=nft", "algo/filter=bbg"],
        ["algo=nft", "algo/filter=retire_solved"],
        ["algo=nsr", "algo/filter=dynamic", "batch.group_size=2", "algo/token_weight=mask_truncated"],
        ["algo=grpo", "algo/filter=zero_success", "algo/shaping=overlong"],  # long wrong answers lose
        ["algo=grpo", "algo/filter=zero_success", "algo/auxiliary=entropy_bonus"],  # of selected groups
        ["algo=grpo", "algo/filter=zero_success", "verifier=math", "verifier.rewards.unformatted=-1"],
        ["algo=grpo", "algo/filter=zero_success", "verifier=reasoning_gym", "verifier.partial=true"],
        [
            "algo=grpo",
            "algo/filter=zero_success",
            "verifier._target_=mine.Verifier",
        ],  # of whose rewards we know nothing
        ["algo=grpo", "algo/shaping=length_penalty"],
        ["algo=grpo_n", "algo/shaping=unlikeliness"],
    ],
)
def test_what_learns_passes_in_silence(overrides: list[str]):
    assert remarks(*overrides) == []


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["algo=nsr", "algo/shaping=overlong"], "algo.shaping has no effect: it changes rewards, of which advantages"),
        (["algo=passk", "algo/shaping=unlikeliness"], "algo.shaping has no effect"),
        (["algo=ngrpo", "algo/filter=zero_success", "algo/shaping=length_penalty"], "algo.shaping has no effect"),
        (["algo=cispo"], "algo.loss.surrogate: with batch.minibatches_per_rollout=1 every ratio is 1"),
        (
            ["algo=grpo", "algo/auxiliary=kl_cov"],
            "algo.auxiliary.kl_cov: trains nothing with batch.minibatches",
        ),
        (
            ["algo=grpo_kl", "algo.auxiliary.kl.estimator=k1"],
            "algo.auxiliary.kl.estimator=k1: as a loss it has a",
        ),
        (["algo=grpo", "algo.loss.surrogate.clip_high=0.3"], "algo.loss.surrogate: with batch.minibatches_per_rollout"),
    ],
)
def test_what_has_no_effect_is_named(overrides: list[str], sentence: str):
    """One sentence, and the run goes on."""
    said = remarks(*overrides)
    assert said[0].startswith(sentence)
    assert not any("\n" in each for each in said)


def test_made_up_groups():
    """Three for each number of right answers; some are cut, none in which every answer is."""
    cfg = composed("batch.group_size=4", "verifier=math", "verifier.rewards.unformatted=-1")
    outcomes = made_up(cfg)
    assert outcomes.right_PG.sum(dim=1).tolist() == [0, 1, 2, 3, 4] * 3
    assert outcomes.reward_PG[1].tolist() == [1, -1, 0, -1]
    assert outcomes.truncated_PG.sum(dim=1).tolist() == [0] * 5 + [1] * 10
    assert outcomes.length_PG[[0, 5, 10]].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8], [8, 7, 6, 5]]
    assert outcomes.reward_PG.dtype == torch.float32


def choices(slot: str) -> dict[str, DictConfig]:
    return {path.stem: OmegaConf.load(path) for path in sorted((CONFIGS / "algo" / slot).glob("*.yaml"))}


@pytest.mark.parametrize("group", [1, 2, 8])
def test_what_is_refused_of_all_that_can_be_composed(group: int):
    """Of every filter with every loss, just those pairs in which no number of right answers has an advantage, by the
    functions themselves and for rewards of 0 and 1."""
    cfg = composed(f"batch.group_size={group}")
    for (filter_, of_filter), (name, of_loss) in product(choices("filter").items(), choices("loss").items()):
        with open_dict(cfg):
            cfg.algo.filter, cfg.algo.loss = of_filter, of_loss
        try:
            check_profile(cfg)
        except ConfigError:
            continue
        loss, chosen = loss_of(cfg), filter_of(cfg)
        weight_P = chosen.after(torch.arange(group + 1), group)
        learns = any(
            bool(loss.advantages(outcomes, weight_P[[m]]).any())
            for m in range(group + 1)
            for right_G in [torch.arange(group) < m]
            for outcomes in [plain(right_G)]
        )
        try:
            check_method(cfg, loss, chosen)
            refused = ""
        except ConfigError as error:
            refused = str(error)
        rate_is_hidden = name == "nft" and filter_ == "rate_weight"
        assert bool(refused) == (rate_is_hidden or not learns), (filter_, name, refused)


def plain(right_G: torch.Tensor):
    from rlvr.algo import Outcomes

    group = len(right_G)
    logp_PG = -torch.arange(1.0, group + 1)[None]
    return Outcomes(right_G.float()[None], right_G[None], torch.ones(1, group), logp_PG=logp_PG, max_tokens=8)
