"""Every choice of a slot with every choice of another, at least once: refused by name, or a step is taken.

The choices are those of `configs/algo/`, so that a new one is in here without a word. A step goes from the collector
over training samples and packing through the module's own training step, on a policy of two layers.
"""

import copy
from collections.abc import Iterator
from functools import cache
from itertools import combinations, product
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict
from sequences import policy

from rlvr.build.parts import loss_of, objective_of
from rlvr.errors import ConfigError
from rlvr.preflight.settings import check
from rlvr.ranks import Ranks
from rlvr.scoring.logprobs import completion_logps
from rlvr.scoring.packing import packed
from rlvr.step import TrainingSample, training_samples
from rlvr.training import PolicyModule
from rlvr.types import Problem
from tests.step.step_fakes import collector
from tests.test_configs import CONFIGS

Composition = dict[str, str]
SLOTS = sorted(path.name for path in (CONFIGS / "algo").iterdir() if path.is_dir())
# The correction that an engine chooses is one of the others.
CHOICES = {
    slot: sorted(p.stem for p in (CONFIGS / "algo" / slot).glob("*.yaml") if not p.stem.startswith("for_"))
    for slot in SLOTS
}
PROBLEMS = [Problem(str(i), "easy" if i % 5 == 0 else "", (1, 2), f"rate {i % 7 / 6}") for i in range(40)]
PARTS = 4
MOVED = 0.3  # spread of log-ratios, so that some clip


def covering(choices: dict[str, list[str]]) -> Iterator[Composition]:
    """Compositions in which every two choices of different slots meet, greedily few."""
    slots = list(choices)
    left = {frozenset([(a, x), (b, y)]) for a, b in combinations(slots, 2) for x, y in product(choices[a], choices[b])}
    while left:
        made: Composition = dict(min(left, key=sorted))
        for slot in sorted(set(slots) - set(made), key=lambda slot: -len(choices[slot])):
            met = {
                name: sum(frozenset([(slot, name), other]) in left for other in made.items()) for name in choices[slot]
            }
            made[slot] = max(choices[slot], key=met.__getitem__)
        left -= {frozenset(pair) for pair in combinations(made.items(), 2)}
        yield made


ALL = list(covering(CHOICES))


@cache
def node(slot: str, name: str) -> Any:
    return OmegaConf.load(CONFIGS / "algo" / slot / f"{name}.yaml")


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> DictConfig:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("train", ["paths.run_dir=run", f"paths.log_dir={tmp_path_factory.mktemp('logs')}"])
    OmegaConf.resolve(cfg)
    return cfg


def composed(default: DictConfig, chosen: Composition) -> DictConfig:
    """As Hydra would, which takes a hundred times as long."""
    cfg = default.copy()
    with open_dict(cfg):
        for slot, name in chosen.items():
            cfg.algo[slot] = node(slot, name) or None
    return cfg


def collected(cfg: DictConfig) -> tuple[list[TrainingSample], Any]:
    """What goes through the policy, and what is minimised of it."""
    loss = loss_of(cfg)
    objective = objective_of(cfg, loss)
    made = collector(PROBLEMS, instantiate(cfg.algo.filter), loss, per_step=4, group=8, ranks=Ranks(0, 1))
    (samples,) = training_samples(
        made.collect(0), loss, 8, 1, Ranks(0, 1), every_completion=objective.needs_every_completion
    )
    return samples, objective


def gradient(module: PolicyModule, parts: list[list[TrainingSample]], log_ratio: dict[int, torch.Tensor]) -> Any:
    """Loss and gradient of a step cut into these micro-batches, with ratios that are not 1."""
    module.zero_grad()
    total = 0.0
    for part in parts:
        batch = packed(part, version=0)
        if module.reference is not None:
            with torch.no_grad():
                batch = module.with_reference(batch)
        with torch.no_grad():
            now_BT = completion_logps(module.policy, batch, module.temperature).logp_BT
        shift_BT = torch.zeros_like(now_BT)
        for row, sample in enumerate(part):
            shift_BT[row, : len(sample.completion.token_ids)] = log_ratio[id(sample)]
        loss = module.training_step(batch.with_old(now_BT - shift_BT), 0)
        loss.backward()
        total += float(loss.detach())
    return total, torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])


def module_of(objective: Any, model: Any) -> PolicyModule:
    reference = copy.deepcopy(model).requires_grad_(False) if objective.kl else None
    module = PolicyModule(model, objective, torch.optim.SGD, 0, "constant", 1.0, 1, reference=reference)
    module._trainer = SimpleNamespace(accumulate_grad_batches=1, world_size=1, global_step=0, strategy=None)
    return module


def test_the_design_covers_every_pair():
    """Counted another way; no choice of the folders is left out."""
    met = {pair for made in ALL for pair in combinations(sorted(made.items()), 2)}
    sizes = [len(CHOICES[slot]) for slot in SLOTS]
    assert len(met) == sum(a * b for a, b in combinations(sizes, 2))
    largest = sorted(sizes)[-2:]
    assert largest[0] * largest[1] <= len(ALL) <= 1.3 * largest[0] * largest[1]
    assert all(set(made) == set(SLOTS) for made in ALL)


def fault(cfg: DictConfig) -> str | None:
    """What the preflight says against it."""
    try:
        check(cfg)
    except ConfigError as error:
        return str(error)
    return None


@pytest.mark.full
def test_every_pair_of_choices_is_refused_by_name_or_takes_a_step(default: DictConfig):
    """Loss and gradient are finite, and the same in four micro-batches as in one."""
    model, draw = policy("qwen2"), torch.Generator().manual_seed(0)
    taken = 0
    for chosen in ALL:
        cfg = composed(default, chosen)
        if said := fault(cfg):
            assert said.startswith("algo."), (chosen, said)
            continue
        samples, objective = collected(cfg)
        if not samples:  # where the filter leaves groups of equal rewards only, say
            continue
        module = module_of(objective, model)
        ratios = {id(s): MOVED * torch.randn(len(s.completion.token_ids), generator=draw) for s in samples}
        whole, gradient_N = gradient(module, [samples], ratios)
        assert torch.isfinite(torch.tensor(whole)), chosen
        assert torch.isfinite(gradient_N).all(), chosen
        cut, cut_N = gradient(module, [samples[part::PARTS] for part in range(PARTS) if samples[part::PARTS]], ratios)
        assert cut == pytest.approx(whole, rel=1e-4, abs=1e-5), chosen
        torch.testing.assert_close(cut_N, gradient_N, rtol=1e-3, atol=1e-5, msg=lambda text, c=chosen: f"{c}: {text}")
        taken += bool(gradient_N.any())
    assert taken > len(ALL) / 2
