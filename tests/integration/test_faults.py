"""What goes wrong in a long run, done on purpose: what is said, what is left behind, and that it goes on from there."""

import math
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import forkserver
import lightning
import pytest
import torch
from test_resume import command, finish, last_step, metrics, texts

from rlvr.build import build
from rlvr.checkpoint import CheckpointStore
from rlvr.errors import RunError
from rlvr.types import Verdict

DDP = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.devices=2"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without faults, `whole`, in a folder that holds its base too."""
    folder = tmp_path_factory.mktemp("faults")
    finish(folder, "whole", real=True)
    return folder


def same(folder: Path, name: str) -> bool:
    one, other = folder / "whole", folder / name
    weights = "policy/model.safetensors"
    alike = (one / weights).read_bytes() == (other / weights).read_bytes()
    return alike and metrics(one) == metrics(other) and texts(one) == texts(other)


def start(
    folder: Path, name: str, *overrides: str, until: int, limit: int | None = None, real: bool = False
) -> subprocess.Popen[str]:
    """A run in the background that has logged optimizer step `until`.

    Args:
        folder: Of all runs.
        name: The run's.
        overrides: Beside the common ones.
        until: Step.
        limit: Bytes that a file may have at most.
        real: In an interpreter of its own, not forked.
    """

    process = (subprocess.Popen if real else forkserver.start)(
        command(folder, name, *overrides),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    if limit is not None:  # at once: nothing of this size is written in the first moments
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    began = time.time()
    while last_step(folder / name) < until and process.poll() is None:
        assert time.time() - began < 200
        time.sleep(0.005)
    return process


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(other, marks=pytest.mark.full) for other in (signal.SIGINT, signal.SIGUSR1))],
)
def test_a_signal_saves_and_says_how_to_go_on(whole: Path, number: signal.Signals):
    """A code of its own, a checkpoint of the last step done, one line with the command, no stack trace."""
    name = number.name
    process = start(whole, name, until=7)
    process.send_signal(number)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 75, said
    assert "Traceback" not in said
    step = CheckpointStore(whole / name / "checkpoints").steps()[0]
    assert step == last_step(whole / name) >= 7
    line = " ".join(said.split())
    assert f"{name} ended the run after optimizer step {step}, all of it saved. Go on with: python" in line
    assert f"ckpt_path=last hydra.run.dir={whole / name}" in line
    assert "Going on from" in finish(whole, name, "ckpt_path=last")
    assert same(whole, name)


def test_a_second_sigint_ends_at_once(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In the middle of a rollout that would never end: the first one waits for it, the second one does not."""
    monkeypatch.setenv("HOLD", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    beats = tmp_path / "beats"

    def wait_for_beats(count: int) -> None:
        """So many more than now: the verifier's loop has gone round, and a signal's handler has run before it."""
        wanted = (beats.stat().st_size if beats.exists() else 0) + count
        while not beats.exists() or beats.stat().st_size < wanted:
            assert process.poll() is None, process.communicate()[0]
            assert time.time() - began < 200
            time.sleep(0.01)

    process = start(whole, "twice", "verifier._target_=waiting.Waits", until=2, real=True)
    began = time.time()
    (tmp_path / "hold").touch()
    wait_for_beats(5)
    process.send_signal(signal.SIGINT)
    wait_for_beats(50)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=100)[0]
    assert process.returncode == -signal.SIGINT, said
    assert (tmp_path / "hold").exists()  # the rollout had not ended


@pytest.mark.full
def test_a_damaged_checkpoint_costs_only_the_steps_since_the_one_before(whole: Path):
    """One flipped byte: named, passed over, and the end is the same."""
    process = start(whole, "flipped", until=11)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    store = CheckpointStore(whole / "flipped" / "checkpoints")
    newest, before = store.steps()
    path = store.path(newest) / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    said = " ".join(finish(whole, "flipped", "ckpt_path=last").split())
    assert f"step-{newest}/weights.safetensors: does not match its checksum" in said
    assert f"checkpoints/step-{before}" in said
    assert same(whole, "flipped")


def test_a_full_disk_leaves_the_checkpoint_before(whole: Path):
    """Files may not grow beyond 300 kB, less than the weights: one sentence, nothing torn, and it goes on later."""
    process = start(whole, "full", until=5)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    store = CheckpointStore(whole / "full" / "checkpoints")
    kept = store.steps()
    full = start(whole, "full", "ckpt_path=last", until=10_000, limit=300_000)
    said = full.communicate()[0]
    assert full.returncode == 3, said
    line = " ".join(said.split())
    assert "the checkpoint can't be written" in line
    assert f"the one of step {kept[0]} is as it was" in line
    assert store.steps() == kept
    assert store.newest()[1] == []
    assert not list(store.folder.glob(".*"))
    finish(whole, "full", "ckpt_path=last")
    assert same(whole, "full")


@pytest.mark.parametrize("rank", [1, pytest.param(0, marks=pytest.mark.full)])
def test_a_killed_rank_takes_the_others_down(whole: Path, rank: int):
    """Within a minute, with a code other than 0; the checkpoints stay and two new ranks go on."""
    name = f"ranks-{rank}"
    few = [*DDP, "algo=nsr", "trainer.max_steps=12"]
    process = start(whole, name, *few, until=7)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    other = next(pid for pid in map(int, children) if b"LOCAL_RANK=1" in Path(f"/proc/{pid}/environ").read_bytes())
    os.kill((process.pid, other)[rank], signal.SIGKILL)
    began = time.time()
    process.communicate(timeout=60)
    while Path(f"/proc/{other}").exists() and _alive(other):
        assert time.time() - began < 60
        time.sleep(0.1)
    assert process.returncode != 0
    assert CheckpointStore(whole / name / "checkpoints").newest()[0] is not None
    assert "Going on from" in finish(whole, name, *few, "ckpt_path=last")


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


class Nan:
    """A verifier that now and then gives a reward that is no number."""

    def __init__(self, honest, now: Callable[[], bool]) -> None:
        self.honest, self.now = honest, now

    def grade(self, items):
        verdicts = self.honest.grade(items)
        return [Verdict("wrong", reward=math.nan), *verdicts[1:]] if self.now() else verdicts


def test_a_reward_that_is_no_number_costs_its_step(quick):
    """The step changes no weight and is counted; the next one learns again."""
    cfg = quick("algo=nsr", "model.steps=150", "trainer.max_steps=5", "eval.every_n_steps=100")
    run = build(cfg)
    seen: list[torch.Tensor] = []
    run.trainer.callbacks.append(_Weights(seen))
    collector = run.data.make_collector.keywords
    collector["verifier"] = Nan(collector["verifier"], lambda: run.trainer.global_step == 2)
    run.trainer.fit(run.module, datamodule=run.data)
    rows = [row for row in metrics(Path(cfg.paths.run_dir)) if row["train/skipped"]]
    skipped = [float(row["train/skipped"]) for row in rows]
    assert skipped == [0, 0, 1, 0, 0]
    assert torch.equal(seen[1], seen[2])
    assert not torch.equal(seen[2], seen[4])
    assert all(bool(torch.isfinite(weights).all()) for weights in seen)


class _Weights(lightning.Callback):
    def __init__(self, seen: list[torch.Tensor]) -> None:
        self.seen = seen

    def on_train_batch_end(self, trainer, pl_module, *arguments) -> None:
        self.seen.append(torch.cat([p.detach().flatten() for p in pl_module.policy.parameters()]))


def test_gradients_that_stay_broken_end_the_run(quick):
    """Five in a row: one sentence, the batch kept, the weights those of before."""
    cfg = quick("algo=nsr", "model.steps=150", "trainer.max_steps=20", "eval.every_n_steps=100")
    run = build(cfg)
    before = torch.cat([p.detach().flatten().clone() for p in run.module.policy.parameters()])
    next(run.module.policy.parameters()).register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(RunError, match=r"5 optimizer steps in a row was not finite, the last at step 5"):
        run.trainer.fit(run.module, datamodule=run.data)
    after = torch.cat([p.detach().flatten() for p in run.module.policy.parameters()])
    assert torch.equal(before, after)
    kept = torch.load(Path(cfg.paths.run_dir) / "nonfinite-0.pt", weights_only=True)
    assert kept[0]["token_N"].dtype == torch.int64
    assert len(kept[0]["advantage_BT"]) > 0


@pytest.mark.parametrize("offline", ["true", pytest.param("false", marks=pytest.mark.full)])
def test_wandb_without_a_network_stops_nothing(whole: Path, offline: str, monkeypatch: pytest.MonkeyPatch):
    """Asked for offline, or with a server that does not answer."""
    pytest.importorskip("wandb", reason="wandb is not installed: pip install 'rlvr[wandb]'")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    name = f"wandb-{offline}"
    said = finish(whole, name, "logger=wandb", f"logger.wandb.offline={offline}", "trainer.max_steps=3")
    assert ("does not answer" in said) == (offline == "false")
    assert list((whole / name / "wandb").glob("offline-run-*/*.wandb"))
