"""What must be in which order and place where there is a GPU, seen on devices that this machine has."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import SingleDeviceStrategy

from rlvr.build import build, evaluation
from rlvr.build.run import launcher
from rlvr.errors import ConfigError
from rlvr.rollout import EngineSettings, EngineTraits, Host
from rlvr.rollout.decoding import Draw

META = ["+trainer.strategy._target_=lightning.pytorch.strategies.SingleDeviceStrategy", "+trainer.strategy.device=meta"]


class BuiltError(Exception):
    """Ends the run where the engine is built."""


def test_the_engine_is_built_when_the_policy_is_in_its_place(quick, monkeypatch):
    """Lightning calls `setup` before it moves the policy; an engine built there would be one for CPUs."""
    monkeypatch.setattr(CPUAccelerator, "setup_device", lambda accelerator, device: None)  # it wants a CPU
    monkeypatch.setattr(SingleDeviceStrategy, "teardown", lambda strategy: None)  # would move nothing to a CPU
    run = build(quick(*META))
    built: list[Host] = []

    class Settings(EngineSettings):
        traits = EngineTraits(own_weights=False)

        def build(self, host: Host):
            built.append(host)
            raise BuiltError

    run.data.context.engine.settings = Settings()
    with pytest.raises(BuiltError):
        run.trainer.fit(run.module, datamodule=run.data)
    (host,) = built
    assert host.device.type == "meta"
    assert {parameter.device.type for parameter in host.policy.parameters()} == {"meta"}


def test_rollouts_of_the_hf_engine_compute_as_training_does(quick, monkeypatch):
    """Under mixed precision it generates with the trainer's autocast: else it would be in fp32, another policy."""
    seen: list[bool] = []
    draw = Draw.__call__

    def recorded(*arguments):
        seen.append(torch.is_autocast_enabled("cpu"))
        return draw(*arguments)

    monkeypatch.setattr(Draw, "__call__", recorded)
    run = build(quick("trainer.precision=bf16-mixed", "trainer.max_steps=1", "algo=nsr"))
    run.trainer.fit(run.module, datamodule=run.data)
    assert seen
    assert all(seen)


def test_slurm_starts_one_process_and_lightning_the_ranks(quick, monkeypatch):
    """A script without srun: Lightning would refuse, since Slurm has not started as many tasks as there are devices."""
    slurm = {"SLURM_NTASKS": "1", "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "train", "SLURM_PROCID": "0"}
    for name, value in {**slurm, "SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_NTASKS_PER_NODE": "1"}.items():
        monkeypatch.setenv(name, value)
    run = build(quick("trainer.devices=2", "+trainer.strategy=ddp"))
    assert isinstance(run.trainer.strategy.cluster_environment, LightningEnvironment)
    assert not launcher(1)
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")  # Lightning would start Submitit's command, with arguments added
    with pytest.raises(ConfigError, match=r"trainer\.devices=2: .*hydra\.launcher\.tasks_per_node=2"):
        launcher(2)
    monkeypatch.setenv("SLURM_NTASKS", "2")  # srun has started them: Slurm's own numbers count
    assert not launcher(2)
    monkeypatch.setenv("SLURM_NTASKS", "1")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")  # torchrun inside of the job
    assert not launcher(2)


class Unbuilt:
    """Engine settings that hand back what they would be built beside."""

    def build(self, host):
        return host


@pytest.mark.parametrize(("rollout", "place"), [("vllm", "cpu"), ("hf", "meta")])
def test_an_evaluation_leaves_the_policy_where_it_is_read_from(quick, monkeypatch, rollout: str, place: str):
    """Weights are copied to an engine with its own from the host: on the GPU a second copy would take its memory."""
    monkeypatch.setattr(evaluation, "device", lambda: torch.device("meta"))
    given: list[float] = []
    monkeypatch.setattr(evaluation, "sized_engine", lambda cfg, longest, gib: given.append(gib) or Unbuilt())
    cfg = quick(f"rollout={rollout}")
    policy = build(cfg).module.policy
    host = evaluation.engine_alone(cfg, policy, None, 20)
    assert host.device.type == "meta"
    assert host.policy.device.type == place
    assert given == [1.0]  # GiB: neither of these is a GPU


def test_updates_lost_in_rounding_are_said_and_counted(quick, capsys):
    """At a learning rate below what fp32 resolves nothing changes; a warning follows after five steps."""
    cfg = quick("algo=nsr", "optimizer.lr=1e-14", "trainer.max_steps=6", "warmup_steps=0", "eval.every_n_steps=100")
    run = build(cfg)
    run.trainer.fit(run.module, datamodule=run.data)
    rows = (Path(cfg.paths.run_dir) / "metrics.csv").read_text().splitlines()
    column = rows[0].split(",").index("train/update_share")
    shares = [float(row.split(",")[column]) for row in rows[1:] if row.split(",")[column]]
    assert len(shares) == 6
    assert max(shares) < 0.5
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("of the trained numbers changed in the last step") == 1
    assert "optimizer.lr=1e-14 is lost in rounding" in said
