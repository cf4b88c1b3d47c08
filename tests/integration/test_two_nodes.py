"""Two machines, played by two agents of torchrun on this one: ZeRO-3 over both, a killed machine, a resume."""

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from test_resume import metrics, texts

pytest.importorskip("rlvr.rollout.vllm", reason="vLLM is not installed: make vllm")

ROOT = Path(__file__).parents[2]
NODES = 2
RUN = [
    *("debug=quick", "algo=nsr", "model.steps=20", "data.train_size=64", "data.heldout_size=16", "rollouts=4"),
    *("trainer=deepspeed_zero3", "trainer.accelerator=cpu", "trainer.precision=32-true"),
    *("rollout=vllm", "rollout.engine.kv_cache_gib=0.25", "rollout.engine.max_num_seqs=64"),
    "callbacks.checkpoint.every_n_rollouts=1",
]
# How long a machine may go on by itself when the other one is gone.
END_S = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def kill(processes: list[psutil.Process]) -> None:
    """SIGKILL, the parents first, so that none can tell the others."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes)


class Cluster:
    """Agents of torchrun, one a node."""

    def __init__(self, run: Path, cache_dir: Path, ranks: int, *overrides: str) -> None:
        self.logs = [run.parent / f"{run.name}-node{node}.txt" for node in range(NODES)]
        paths = [f"paths.log_dir={run.parent}", f"paths.cache_dir={cache_dir}", f"hydra.run.dir={run}"]
        devices = [f"trainer.devices={ranks}", f"+trainer.num_nodes={NODES}"]
        agent = [sys.executable, "-m", "torch.distributed.run", "--nnodes", str(NODES), "--nproc-per-node", str(ranks)]
        agent += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}"]
        command = [*agent, str(ROOT / "src" / "train.py"), *RUN, *paths, *devices, *overrides]
        self.nodes: list[subprocess.Popen] = []
        for log in self.logs:
            with log.open("w") as file:
                self.nodes.append(subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True))

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *error: object) -> None:
        kill([process for node in range(NODES) for process in self.processes(node)])

    def processes(self, node: int) -> list[psutil.Process]:
        """A node's agent, its ranks and theirs; none once the agent has ended."""
        if self.nodes[node].poll() is not None:
            return []
        agent = psutil.Process(self.nodes[node].pid)
        return [agent, *agent.children(recursive=True)]

    def wait(self) -> None:
        for node, log in zip(self.nodes, self.logs, strict=True):
            assert node.wait(300) == 0, log.read_text()[-4000:]

    @property
    def printed(self) -> str:
        return "".join(log.read_text() for log in self.logs)


@pytest.mark.parametrize(
    ("ranks", "victim", "whole_node"),
    [
        pytest.param(1, 1, True, id="1 rank each, the second node dies"),
        pytest.param(2, 0, True, id="2 ranks each, the first node dies", marks=pytest.mark.slow),
        pytest.param(2, 1, False, id="2 ranks each, an agent dies", marks=pytest.mark.slow),
    ],
)
def test_a_node_dies_and_the_run_goes_on(tmp_path: Path, cache_dir: Path, ranks: int, victim: int, whole_node: bool):
    """The other node ends by itself; the same command on both goes on to the same policy, metrics and texts."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with Cluster(whole, cache_dir, ranks) as cluster:
        cluster.wait()
        assert cluster.printed.count("Rollouts per step") + cluster.printed.count("Results") <= 2, cluster.printed
    with Cluster(killed, cache_dir, ranks) as cluster:
        started = time.monotonic()
        while not list(killed.glob("checkpoints/step-*/manifest.json")):
            assert all(node.poll() is None for node in cluster.nodes), cluster.printed[-4000:]
            assert time.monotonic() - started < 200, "no checkpoint"
            time.sleep(0.02)
        everyone = [process for node in range(NODES) for process in cluster.processes(node)]
        kill(cluster.processes(victim) if whole_node else cluster.processes(victim)[:1])
        assert cluster.nodes[1 - victim].wait(END_S) != 0
        _, left = psutil.wait_procs(everyone, END_S)
        assert not left
    assert not (killed / "policy").exists()
    with Cluster(killed, cache_dir, ranks, "ckpt_path=last") as cluster:
        cluster.wait()
        assert cluster.printed.count("Going on from") == 1  # the first rank of all says so, not one a node
    name = "policy/model.safetensors"
    assert (whole / name).read_bytes() == (killed / name).read_bytes()
    assert metrics(whole) == metrics(killed)
    assert len(metrics(whole)) >= 4
    assert texts(whole) == texts(killed)
