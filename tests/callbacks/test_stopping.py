"""Early stopping on Pass@k: where it stops, what it keeps, and what it remembers."""

import json
from pathlib import Path

import lightning
import pytest
import torch
from omegaconf import DictConfig
from transformers import AutoModelForCausalLM, AutoTokenizer

from rlvr.build import Run, build
from rlvr.callbacks import PassAtKStopping
from rlvr.errors import ConfigError
from rlvr.eval import RunRecord
from rlvr.preflight.settings import check

# An evaluation a step on few samples: they go up and down by chance.
NOISY = [
    *("callbacks=early_stopping", "algo=nsr", "model.steps=700", "eval.every_n_steps=1", "optimizer.lr=3e-4"),
    *("trainer.max_steps=20", "callbacks.early_stopping.k=1"),
]


class Weights(lightning.Callback):
    """The policy after every step, and a checkpoint of each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.by_step: dict[int, dict[str, torch.Tensor]] = {}

    def on_train_start(self, trainer, pl_module) -> None:
        self.on_train_epoch_end(trainer, pl_module)

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        self.by_step[trainer.global_step] = {n: t.clone() for n, t in pl_module.policy.state_dict().items()}
        trainer.save_checkpoint(self.folder / f"{trainer.global_step}.ckpt")


def fit(cfg: DictConfig, ckpt_path: str | None = None) -> tuple[Run, Weights]:
    run, weights = build(cfg), Weights(Path(cfg.paths.run_dir))
    run.trainer.callbacks.append(weights)
    run.trainer.fit(run.module, datamodule=run.data, ckpt_path=ckpt_path, weights_only=True)
    return run, weights


def stopper(run: Run) -> PassAtKStopping:
    return next(callback for callback in run.trainer.callbacks if isinstance(callback, PassAtKStopping))


def expected(scores: list[float], patience: int) -> tuple[int, int]:
    """(step it stops after, best step) of scores at steps 0, 1, ..: said once more, the slow way."""
    for step in range(len(scores)):
        best_step = scores.index(max(scores[: step + 1]))
        if step - best_step >= patience:
            return step, best_step
    raise AssertionError("never stops")


def test_it_stops_at_the_right_evaluation_and_keeps_the_best(quick):
    """Patience of 3; `best/` is the policy of the best step, in plain transformers; the last evaluation still runs."""
    cfg = quick(*NOISY)
    run, weights = fit(cfg)
    record = RunRecord.read(Path(cfg.paths.run_dir)).splits["heldout"]
    scores = [record.path[step].pass_at(1) for step in sorted(record.path)]
    stop, best_step = expected(scores, patience=3)
    assert 0 < best_step < stop < 20
    assert (run.trainer.global_step, stopper(run).best_step) == (stop, best_step)
    folder = Path(cfg.paths.run_dir) / "best"
    kept = json.loads((folder / "early_stopping.json").read_text())
    assert kept == {"step": best_step, "k": 1, "pass_at_k": scores[best_step]}
    loaded = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    assert all(torch.equal(tensor, weights.by_step[best_step][name]) for name, tensor in loaded.items())
    assert not all(torch.equal(tensor, weights.by_step[stop][name]) for name, tensor in loaded.items())
    assert AutoTokenizer.from_pretrained(folder).eos_token == run.tokenizer.eos_token
    assert record.trained is not None


@pytest.mark.full
def test_a_resumed_run_remembers_its_best(quick):
    """Resumed in another folder one step after the best: the same end, and the best policy comes along."""
    first, second = quick(*NOISY), quick(*NOISY)
    whole, weights = fit(first)
    best_step = stopper(whole).best_step
    resumed, _ = fit(second, f"{first.paths.run_dir}/{best_step + 1}.ckpt")
    assert resumed.trainer.global_step == whole.trainer.global_step
    assert stopper(resumed).state_dict() | {"folder": ""} == stopper(whole).state_dict() | {"folder": ""}
    loaded = AutoModelForCausalLM.from_pretrained(Path(second.paths.run_dir) / "best").state_dict()
    assert all(torch.equal(tensor, weights.by_step[best_step][name]) for name, tensor in loaded.items())


def test_a_policy_that_only_gets_worse_leaves_the_base(quick):
    """Destroyed at once: three evaluations later it is over, and `best/` is the base."""
    cfg = quick(*NOISY, "optimizer.lr=1.0", "warmup_steps=0", "callbacks.early_stopping.k=4")
    run, weights = fit(cfg)
    assert (run.trainer.global_step, stopper(run).best_step) == (3, 0)
    loaded = AutoModelForCausalLM.from_pretrained(Path(cfg.paths.run_dir) / "best").state_dict()
    assert all(torch.equal(tensor, weights.by_step[0][name]) for name, tensor in loaded.items())


def test_k_beyond_the_samples_is_refused(quick):
    """Before anything starts."""
    with pytest.raises(ConfigError, match=r"callbacks\.early_stopping\.k=64: must be between 1 and eval\.n=4"):
        check(quick("callbacks=early_stopping"))
