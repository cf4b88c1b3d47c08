"""What `src/confirm.py` does once it knows the claims: load each policy again, draw fresh samples, write the counts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.markup import escape

from rlvr.build import engine_of, quiet, rules_of, sampling_of
from rlvr.build.evaluation import draw
from rlvr.console import console
from rlvr.data import Splits
from rlvr.errors import ConfigError
from rlvr.eval import Job
from rlvr.eval.confirmation import Confirmation, Fresh, Policy, Tempered, Wanted, write_confirmations
from rlvr.eval.ledger import Kind
from rlvr.eval.sampler import right_answers
from rlvr.models import PolicySource, PretrainedPolicy
from rlvr.preflight.machine import check_machine, deterministic_kernels
from rlvr.ranks import Ranks, leave_group
from rlvr.rollout import Sampling, call_seed
from rlvr.training.precision import trained_dtype
from rlvr.types import Problem

Place = tuple[str, str]
"""A set of problems, and a problem of it."""
Claimed = Mapping[str, Sequence[tuple[str, Kind]]]
"""Problems and what is claimed of them, by set of problems."""


def confirm(wanted: Sequence[Wanted], times: int, temperatures: Sequence[float], paths: DictConfig) -> None:
    """Draw `times` as many samples as each evaluation did of every claimed problem, of base and trained policy.

    Args:
        wanted: The claims of every run.
        times: How many times as many samples as each evaluation drew.
        temperatures: At which confirmed losses are drawn again.
        paths: Where samples go, and where base policies are cached.
    """
    quiet()
    ranks = Ranks.launched()
    for one in wanted:
        drawn = fresh(one, one.claims, times, None, paths, ranks)
        found = {split: Confirmation(one.n, times * one.n, those) for split, those in drawn.items()}
        lost: Claimed = {split: [(p, "loss") for p in confirmation.losses()] for split, confirmation in found.items()}
        for temperature in temperatures:
            drawn = fresh(one, lost, times, temperature, paths, ranks)
            for split, those in drawn.items():
                tempered = (*found[split].tempered, Tempered(temperature, those))
                found[split] = replace(found[split], tempered=tempered)
        if ranks.rank == 0:
            write_confirmations(one.folder, found)
            for split, confirmation in found.items():
                console.print(escape(f"{one.folder}, {split}: {told(confirmation)}"))
    leave_group()


def told(confirmation: Confirmation) -> str:
    """What became of the claims, in one line."""
    verdicts = [one.verdict for one in confirmation.judged()]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in ("confirmed", "refuted", "open"))
    line = f"{len(verdicts)} claims, {confirmation.samples:,} fresh samples each: {counts}"
    for one in confirmation.tempered:
        line += (
            f"; at temperature {one.temperature:g} {confirmation.back(one)} of {len(one.drawn)} confirmed losses come "
            f"back, and the base lacks {confirmation.gone(one)}"
        )
    return line


def fresh(
    one: Wanted, claims: Claimed, times: int, temperature: float | None, paths: DictConfig, ranks: Ranks
) -> dict[str, tuple[Fresh, ...]]:
    """Fresh samples of both policies for these claims, by set of problems; None: at the evaluation's temperature."""
    places = [(split, problem) for split, those in claims.items() for problem, _ in those]
    base, now = (
        fresh_counts(policy, places, times * one.n, temperature, paths, ranks) for policy in (one.base, one.now)
    )
    return {
        split: tuple(Fresh(p, kind, base[split, p], now[split, p]) for p, kind in those)
        for split, those in claims.items()
    }


def fresh_counts(
    policy: Policy,
    places: Sequence[Place],
    samples: int,
    temperature: float | None,
    paths: DictConfig,
    ranks: Ranks,
) -> dict[Place, int]:
    """Right answers of a policy to each problem, in new samples: their seed differs from that of the evaluation.

    The policy samples as it did when it was evaluated: the same prompts, sampling, precision, engine and grading; only
    the temperature may be another.
    """
    if not places:
        return {}
    loaded = OmegaConf.load(policy.config / "config.yaml")
    assert isinstance(loaded, DictConfig)
    cfg = OmegaConf.merge(loaded, {"paths": {"log_dir": paths.log_dir, "cache_dir": paths.cache_dir}})
    assert isinstance(cfg, DictConfig)
    check_machine(cfg, [engine_of(cfg).traits.package])
    if cfg.deterministic:
        deterministic_kernels()
    pool, suite = instantiate(cfg.data), cfg.eval.get("suite")
    source = instantiate(suite) if suite else pool
    source.prepare()
    tokens = cfg.eval.get("max_new_tokens") or sampling_of(cfg, source).max_new_tokens
    sampling = Sampling(tokens, temperature or cfg.eval.temperature, cfg.eval.top_p)
    dtype = trained_dtype(cfg.trainer.precision, adapters=bool(cfg.lora)) if "trainer" in cfg else None
    model: PolicySource = PretrainedPolicy(str(policy.weights), None) if policy.weights else instantiate(cfg.model)
    made, tokenizer = model.load(pool, cfg.seed, Path(cfg.paths.cache_dir), dtype)
    verifier = instantiate(cfg.verifier)
    problems = chosen(source.splits(tokenizer, verifier.readable), places)
    job = Job(problems, samples, sampling, call_seed(cfg.seed, "confirm"), rules_of(cfg))
    store = draw(cfg, job, made, tokenizer, verifier, ranks)
    return dict(zip(places, right_answers(job, store).tolist(), strict=True))


def chosen(splits: Splits, places: Sequence[Place]) -> list[Problem]:
    """The problems with these names. The problems of a suite are those that its source holds out.

    Raises:
        ConfigError: When the data has changed since the evaluation.
    """
    by_id = {name: {one.id: one for one in those} for name, those in (("train", splits.train), ("", splits.heldout))}
    try:
        return [by_id["train" if split == "train" else ""][problem] for split, problem in places]
    except KeyError as error:
        raise ConfigError(f"runs: problem {error} is not in the data any more, so it can't be sampled again.") from None
