"""A reference policy and stored answers in whole trainings."""

import copy
import shutil
from pathlib import Path

import lightning
import pytest
import torch
from two_ranks import DDP, ENGINE, ZERO2, ZERO3, Trained, launch

from rlvr.build import build
from rlvr.errors import RunError
from rlvr.step.stored import StoredAnswers

KL = ["algo=grpo_kl", "algo.auxiliary.kl.coefficient=0.5"]
BOTH = ["algo=self_kl", "algo.replay.coefficient=0.5", "algo/auxiliary=kl", "algo.auxiliary.kl.coefficient=0.5"]


class Notes(lightning.Callback):
    """Of every micro-batch: the reference's log-probabilities, and those of the policies that it may be."""

    def __init__(self) -> None:
        self.policies: list[torch.nn.Module] = []
        self.seen: list[tuple[int, float, list[float]]] = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if len(self.policies) == batch.version:  # one minibatch a rollout
            self.policies.append(copy.deepcopy(pl_module.policy))
        now, policy = pl_module.policy, pl_module
        apart = []
        for each in self.policies:
            policy.policy = each
            with torch.no_grad():
                apart.append(float((pl_module.with_old(batch).old_logp_BT - batch.reference_logp_BT).abs().max()))
        policy.policy = now
        self.seen.append((batch.version, float(batch.reference_logp_BT.abs().max()), apart))


def followed(cfg) -> list[tuple[int, list[int]]]:
    """By optimizer step, which policies the reference is: those of which step."""
    run = build(cfg)
    notes = Notes()
    run.trainer.callbacks.append(notes)
    run.trainer.fit(run.module, datamodule=run.data)
    assert all(size > 0.1 for _, size, _ in notes.seen)
    return sorted({(v, tuple(i for i, gap in enumerate(apart) if gap < 1e-5)) for v, _, apart in notes.seen})


SGD = ["~optimizer", "+optimizer._target_=torch.optim.SGD", "+optimizer._partial_=true", "+optimizer.lr=0.02"]
STEPS = ["model.steps=700", "trainer.max_steps=4", "eval.every_n_steps=100", "warmup_steps=0"]
QUICK = [*STEPS, "trainer.max_steps=5", "optimizer.lr=1e-2"]


@pytest.mark.parametrize("adapters", ["none", "rank16"])
def test_the_reference_is_the_policy_that_the_run_began_with(quick, adapters: str):
    """Whole, and as adapters that are switched off."""
    found = followed(quick(*KL, *QUICK, f"lora={adapters}"))
    assert found == [(0, (0,)), (1, (0,)), (2, (0,)), (3, (0,)), (4, (0,))]


def test_a_reference_that_follows(quick):
    """Every two steps it is the policy of then."""
    found = followed(quick(*KL, *QUICK, "algo.auxiliary.kl.reset_every_n_steps=2"))
    assert found == [(0, (0,)), (1, (0,)), (2, (2,)), (3, (2,)), (4, (4,))]


def weights(cfg) -> torch.Tensor:
    run = build(cfg)
    run.trainer.fit(run.module, datamodule=run.data)
    return torch.cat([p.detach().flatten() for p in run.module.policy.parameters()])


@pytest.mark.parametrize("method", [["algo=self_kl", "algo.replay.coefficient=1"], ["algo=dph_rl"], KL, BOTH])
def test_it_moves_the_policy_whatever_the_micro_batches(quick, method: list[str]):
    """Elsewhere than without; as with many micro-batches."""
    # What the tiny base solves in one try is what it can be said to solve always.
    more = [*STEPS, *SGD, *(["algo.replay.samples=1"] if method == ["algo=dph_rl"] else [])]
    moved = weights(quick(*method, *more))
    assert bool(torch.isfinite(moved).all())
    algo = "algo=dapo" if method == ["algo=dph_rl"] else "algo=self" if "algo=self_kl" in method else "algo=grpo"
    assert not torch.equal(moved, weights(quick(algo, "algo.filter.refill=false", *STEPS, *SGD)))
    in_parts = weights(quick(*method, *more, "batch.micro_batch_tokens=120"))
    torch.testing.assert_close(moved, in_parts, rtol=1e-4, atol=1e-6)


def test_answers_are_drawn_once_for_all_runs_from_one_base(quick):
    """The second run finds them, and so do others of its seed; they are right answers to problems of the pool."""
    runs = []
    for _ in range(2):
        run = build(quick("algo=self_kl", *QUICK))
        run.trainer.fit(run.module, datamodule=run.data)
        runs.append(run)
    first, second = (run.data.answers for run in runs)
    assert first.key == second.key
    assert {path.stat().st_mtime_ns for path in first.folder.iterdir()} == {
        path.stat().st_mtime_ns for path in second.folder.iterdir()
    }
    stored, problems = StoredAnswers(first.folder), {p.id: p for p in first.context.problems}
    assert 0 < len(stored) <= 4 * len(problems)
    for problem in problems.values():
        for sample in stored.of(problem):
            text = first.context.tokenizer.decode(sample.completion.token_ids, skip_special_tokens=True)
            assert first.context.verifier.grade([(problem, text)])[0].status == "right"


def test_answers_that_are_gone_stop_a_resumed_run(quick, tmp_path):
    """In one sentence, before anything is sampled: the base that gave them is gone, too."""
    # A cache of its own: another test's run from the same base would draw them anew.
    method = ["algo=self_kl", *QUICK, "model.steps=20", f"paths.cache_dir={tmp_path / 'cache'}"]
    cfg = quick(*method, "callbacks.checkpoint.every_n_rollouts=2")
    run = build(cfg)
    run.trainer.fit(run.module, datamodule=run.data)
    shutil.rmtree(run.data.answers.folder)
    (checkpoint, *_) = sorted((Path(cfg.paths.run_dir) / "checkpoints").glob("step-*"))
    again = build(quick(*method, "trainer.max_steps=9"))
    with pytest.raises(RunError, match="the base's answers, drawn before training, are gone"):
        again.trainer.fit(again.module, datamodule=again.data, ckpt_path=checkpoint)


SAME = [*ENGINE, *BOTH, *STEPS, *SGD]  # the hf engine's draws depend on the batch


@pytest.mark.full
def test_every_way_takes_the_same_steps_with_a_reference_and_stored_answers(quick, tmp_path):
    """One process, and two under DDP, ZeRO-2 and ZeRO-3."""
    (alone,) = launch(quick, tmp_path / "alone", {"alone": [*SAME, "trainer.devices=1"]}, ranks=1).values()
    for name, strategy in {"DDP": DDP, "ZeRO-2": ZERO2, "ZeRO-3": ZERO3}.items():
        (both,) = launch(quick, tmp_path / name, {name: [*SAME, *strategy]}).values()
        assert_same(both, alone)


def assert_same(run: Trained, alone: Trained) -> None:
    norms = [[step["grad_norm"] for step in each.ranks[0]] for each in (run, alone)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)
    assert float((run.weights - alone.weights).abs().max()) < 1e-5
