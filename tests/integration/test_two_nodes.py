"""Two machines, both on this one: torchrun's two agents over the loopback, and two tasks as srun would start them."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_resume import ROOT, last_step, metrics, texts

from rlvr.checkpoint import CheckpointStore

SMALL = [
    *("debug=quick", "algo=nsr", "model.steps=20", "data.train_size=64", "data.heldout_size=16"),
    *("trainer.max_steps=6", "eval.every_n_steps=100", "callbacks.checkpoint.every_n_rollouts=1"),
]
ZERO3 = [
    *("trainer=deepspeed_zero3", "trainer.accelerator=cpu", "trainer.precision=32-true"),
    *("rollout=vllm", "rollout.engine.kv_cache_gib=0.25", "rollout.engine.max_num_seqs=64"),
]
DDP = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.precision=32-true"]
LIMIT_S = 300


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def script(folder: Path, name: str, *overrides: str) -> list[str]:
    paths = [f"paths.log_dir={folder}", f"hydra.run.dir={folder / name}"]
    return [str(ROOT / "src" / "train.py"), *SMALL, *paths, *overrides]


def start(command: list[str], said: Path, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """A process beside this one; what it says is added to a file."""
    with said.open("ab") as log:
        return subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, env=os.environ | (environment or {})
        )


def torchrun(
    folder: Path, name: str, nodes: int, ranks: int, *overrides: str, options: tuple[str, ...] = ()
) -> list[subprocess.Popen[bytes]]:
    """An agent a node, all ranks of a node its children."""
    there = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}", "--local-addr", "127.0.0.1"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nnodes", str(nodes), "--nproc-per-node", str(ranks)]
    launcher += options
    train = script(folder, name, f"trainer.devices={ranks}", f"+trainer.num_nodes={nodes}", *ZERO3, *overrides)
    return [start([*launcher, *there, *train], folder / f"{name}-{node}.txt") for node in range(nodes)]


def finish(processes: list[subprocess.Popen[bytes]], folder: Path, name: str) -> str:
    """Until all have ended well; what they said."""
    codes = [process.wait(LIMIT_S) for process in processes]
    said = "".join((folder / f"{name}-{node}.txt").read_text() for node in range(len(processes)))
    assert not any(codes), said[-4000:]
    return said


def wait_for_step(run: Path, step: int, processes: list[subprocess.Popen[bytes]]) -> None:
    began = time.time()
    while last_step(run) < step:
        assert time.time() - began < LIMIT_S
        assert all(process.poll() is None for process in processes)
        time.sleep(0.005)


def ranks_of(agent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{agent}/task/{agent}/children").read_text().split()]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def same(one: Path, other: Path) -> None:
    weights = "policy/model.safetensors"
    assert (one / weights).read_bytes() == (other / weights).read_bytes()
    assert metrics(one) == metrics(other)
    assert texts(one) == texts(other)


@pytest.mark.full
@pytest.mark.parametrize(
    ("ranks", "killed"),
    [(1, 1), pytest.param(1, 0, marks=pytest.mark.slow), pytest.param(2, 1, marks=pytest.mark.slow)],
)
def test_a_node_dies_and_the_run_goes_on(tmp_path: Path, ranks: int, killed: int):
    """Two nodes under ZeRO-3 with vLLM, one killed in the middle and both started again, end as one that was not."""
    pytest.importorskip("vllm", reason="vLLM is not installed: make vllm")
    finish(torchrun(tmp_path, "one", 1, 2 * ranks), tmp_path, "one")
    nodes = torchrun(tmp_path, "two", 2, ranks)
    wait_for_step(tmp_path / "two", 3, nodes)
    processes = [nodes[killed].pid, *ranks_of(nodes[killed].pid)]
    for pid in processes:
        os.kill(pid, signal.SIGKILL)
    assert nodes[1 - killed].wait(90) != 0
    assert "Error" in (tmp_path / f"two-{1 - killed}.txt").read_text()
    assert CheckpointStore(tmp_path / "two" / "checkpoints").steps()
    said = finish(torchrun(tmp_path, "two", 2, ranks, "ckpt_path=last"), tmp_path, "two")
    assert said.count("Going on from") == 1  # the first rank of all says so, not one a node
    assert said.count("Everything of this run") == 1
    same(tmp_path / "one", tmp_path / "two")
    assert all(float(row["train/grad_norm"] or 1) > 0 for row in metrics(tmp_path / "two"))  # the policy moved


@pytest.mark.full
def test_a_rank_ends_with_its_launcher(tmp_path: Path):
    """A killed agent leaves no rank behind, the first of its node neither: it would train on beside the next start."""
    pytest.importorskip("vllm", reason="vLLM is not installed: make vllm")
    (agent,) = torchrun(tmp_path, "orphan", 1, 1, "trainer.max_steps=1000")
    wait_for_step(tmp_path / "orphan", 1, [agent])
    (rank,) = ranks_of(agent.pid)
    agent.kill()
    agent.wait()
    began = time.time()
    while not gone(rank):
        assert time.time() - began < 20
        time.sleep(0.1)
    assert last_step(tmp_path / "orphan") < 1000


@pytest.mark.full
def test_torchrun_hands_a_signal_on(tmp_path: Path):
    """With these options it does so and waits for the checkpoint; by itself SIGUSR1 would end it."""
    pytest.importorskip("vllm", reason="vLLM is not installed: make vllm")
    options = ("--signals-to-handle", "SIGTERM,SIGINT,SIGUSR1", "--shutdown-timeout", "200")
    (agent,) = torchrun(tmp_path, "told", 1, 1, "trainer.max_steps=1000", options=options)
    wait_for_step(tmp_path / "told", 1, [agent])
    agent.send_signal(signal.SIGUSR1)
    assert agent.wait(200) == 1  # its own code, whatever the ranks' was
    said = (tmp_path / "told-0.txt").read_text()
    assert "SIGUSR1 ended the run after optimizer step" in said
    assert "[rank0]" not in said  # no traceback of the rank's
    assert last_step(tmp_path / "told") == CheckpointStore(tmp_path / "told" / "checkpoints").steps()[0]


def srun(folder: Path, *overrides: str) -> list[subprocess.Popen[bytes]]:
    """Two tasks with Slurm's variables set by hand, each the only one of its node."""
    common = {
        **{"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "2", "SLURM_JOB_ID": "7"},
        **{"SLURM_JOB_NAME": "train", "SLURM_NODELIST": "127.0.0.1", "MASTER_PORT": str(free_port())},
    }
    command = [sys.executable, *script(folder, "srun", "trainer.devices=1", "+trainer.num_nodes=2", *DDP, *overrides)]
    own = [{"SLURM_PROCID": str(task), "SLURM_NODEID": str(task), "SLURM_LOCALID": "0"} for task in range(2)]
    return [start(command, folder / f"srun-{task}.txt", {**common, **own[task]}) for task in range(2)]


@pytest.mark.full
def test_two_tasks_of_srun(tmp_path: Path):
    """They train together; told to end, one or both, they save and all say so; started again, they go on."""
    tasks = srun(tmp_path, "trainer.max_steps=100")
    wait_for_step(tmp_path / "srun", 2, tasks)
    tasks[1].send_signal(signal.SIGUSR1)
    assert [task.wait(60) for task in tasks] == [75, 75]
    reached = CheckpointStore(tmp_path / "srun" / "checkpoints").steps()[0]
    said = finish(srun(tmp_path, f"trainer.max_steps={reached + 3}", "ckpt_path=last"), tmp_path, "srun")
    assert "on 2 rank(s)" in said
    assert "Going on from" in said
    assert said.count("Everything of this run") == 1
    assert last_step(tmp_path / "srun") == reached + 3
