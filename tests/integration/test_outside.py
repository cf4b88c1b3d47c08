"""A third engine and a third strategy are one file and one `_target_`: nothing guesses from key names what they are."""

import outside
import torch

from rlvr.build import build, engine_of, plan_of, strategy_traits
from rlvr.preflight.kinds import check_kinds
from rlvr.preflight.settings import check

ENGINE = ["~rollout.engine", "+rollout.engine._target_=outside.Toy", "+rollout.engine.name=toy"]
GUARD = ["+rollout.guard._target_=rlvr.callbacks.MismatchGuard", "+rollout.guard._partial_=true"]
STRATEGY = ["+trainer.strategy._target_=outside.ToyStrategy", "+trainer.strategy.limit=0.5"]


def test_a_run_with_an_engine_and_a_strategy_from_outside(quick):
    """They are checked, planned, synced, guarded, evaluated with and closed like our own; the policy learns."""
    cfg = quick(
        *(*ENGINE, *GUARD, "+rollout.guard.rollouts=4", "+rollout.guard.mean_limit=null", *STRATEGY),
        *("algo=nsr", "model.steps=150", "warmup_steps=0"),
    )
    outside.CALLS.clear()
    check(cfg)
    check_kinds(cfg, engine_of(cfg).traits, strategy_traits(cfg))
    assert engine_of(cfg).traits.own_weights
    assert not strategy_traits(cfg).shards_parameters
    plan = plan_of(cfg)
    plan.check()
    assert plan.kv_cache_gib == 0.0
    run = build(cfg)
    before = torch.cat([p.detach().flatten().clone() for p in run.module.policy.parameters()])
    run.trainer.fit(run.module, datamodule=run.data)
    after = torch.cat([p.detach().flatten() for p in run.module.policy.parameters()])
    assert run.trainer.global_step == 3
    assert not torch.equal(before, after)
    strategy = run.trainer.strategy
    assert isinstance(strategy, outside.ToyStrategy)
    assert strategy.gathers > 3  # the fingerprint of the base, and every sync
    assert run.module.grad_norm == strategy.gradient_norm() > 0.5  # it clipped, not the module
    assert [f"toy sync {version}" for version in range(4)] == sorted({c for c in outside.CALLS if "sync" in c})
    assert outside.CALLS[-1] == "toy close"
