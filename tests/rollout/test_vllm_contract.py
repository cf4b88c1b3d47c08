"""What we use of vLLM exists, by name: a version that changes a call fails here, with a sentence, not in a run."""

import inspect
from collections.abc import Iterable

import pytest
from engines import vllm  # skips where vLLM is not installed
from vllm import LLM, SamplingParams
from vllm.engine.arg_utils import EngineArgs
from vllm.logprobs import FlatLogprobs
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.v1.engine.llm_engine import LLMEngine

ENGINE = {
    *("model", "skip_tokenizer_init", "generation_config", "load_format", "dtype", "max_model_len", "max_num_seqs"),
    *("kv_cache_memory_bytes", "distributed_executor_backend", "tensor_parallel_size", "seed", "logprobs_mode"),
    *("disable_log_stats", "enable_sleep_mode", "gpu_memory_utilization", "enforce_eager", "enable_chunked_prefill"),
    *("max_num_batched_tokens", "sleep_mode_offload_cudagraph"),
}
SAMPLING = {
    *("n", "temperature", "top_p", "max_tokens", "seed", "stop_token_ids", "logprobs", "flat_logprobs", "detokenize"),
    "output_kind",
}
CALLS = {
    (LLM, "collective_rpc"): ["method", "kwargs"],
    (LLM, "reset_prefix_cache"): [],
    (LLM, "sleep"): ["level"],
    (LLM, "wake_up"): ["tags"],
    (LLMEngine, "add_request"): ["request_id", "prompt", "params"],
    (LLMEngine, "step"): [],
    (LLMEngine, "has_unfinished_requests"): [],
    (LLMEngine, "abort_request"): ["request_ids", "internal"],
}


def missing(owner: object, names: Iterable[str], known: set[str]) -> str:
    gone = [name for name in names if name not in known]
    return f"This vLLM has no {', '.join(gone)} in {owner}: adapt src/rlvr/rollout/vllm.py or pin the version."


@pytest.mark.parametrize(("call", "names"), CALLS.items(), ids=[method for _, method in CALLS])
def test_calls(call, names):
    """Methods and the arguments that we name."""
    owner, method = call
    assert hasattr(owner, method), missing(owner.__name__, [method], set())
    known = set(inspect.signature(getattr(owner, method)).parameters)
    assert set(names) <= known, missing(f"{owner.__name__}.{method}", names, known)


def test_settings():
    """Arguments of the engine and of sampling."""
    known = {*inspect.signature(LLM.__init__).parameters, *EngineArgs.__dataclass_fields__}
    assert known >= ENGINE, missing("LLM", ENGINE, known)
    known = set(SamplingParams.__struct_fields__)
    assert known >= SAMPLING, missing("SamplingParams", SAMPLING, known)


def test_the_compile_backend_is_a_setting():
    """Without it the CPU build wants a C++ compiler on first use."""
    from vllm.platforms import current_platform

    assert hasattr(current_platform, "simple_compile_backend"), missing("platforms", ["simple_compile_backend"], set())


def test_outputs():
    """Fields that we read."""
    for owner, names in {
        RequestOutput: ["request_id", "finished", "outputs"],
        CompletionOutput: ["token_ids", "logprobs", "finish_reason"],
        FlatLogprobs: ["logprobs"],
    }.items():
        known = {*getattr(owner, "__dataclass_fields__", {}), *inspect.signature(owner.__init__).parameters}
        assert set(names) <= known, missing(owner.__name__, names, known)


def test_weights_can_be_reloaded_from_an_iterator():
    """The one route of weight sync that works on CPU and CUDA builds."""
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner
    from vllm.v1.worker.gpu_worker import Worker

    assert hasattr(Worker, "reload_weights"), missing("Worker", ["reload_weights"], set())
    known = set(inspect.signature(GPUModelRunner.reload_weights).parameters)
    assert "weights_iterator" in known, missing("reload_weights", ["weights_iterator"], known)
    assert vllm.VLLMEngine.sync


def test_what_only_a_gpu_calls():
    """The GPU's worker takes what we tell it of sleep, and the device that we name in LOCAL_RANK."""
    from vllm.v1.executor.uniproc_executor import ExecutorWithExternalLauncher
    from vllm.v1.worker.gpu_worker import Worker

    for method, names in {"sleep": ["level"], "wake_up": ["tags"]}.items():
        known = set(inspect.signature(getattr(Worker, method)).parameters)
        assert set(names) <= known, missing(f"Worker.{method}", names, known)
    assert 'os.environ["LOCAL_RANK"]' in inspect.getsource(ExecutorWithExternalLauncher)
    assert "self.local_rank" in inspect.getsource(Worker.init_device)


def test_how_an_engine_ends():
    """By one function that also ends the default process group: closing puts another in its place."""
    from vllm.distributed import parallel_state
    from vllm.v1.engine import core
    from vllm.v1.engine.core_client import InprocClient

    assert core.cleanup_dist_env_and_memory is parallel_state.cleanup_dist_env_and_memory
    assert "cleanup_dist_env_and_memory()" in inspect.getsource(core.EngineCore.shutdown)
    assert "_finalizer.detach()" in inspect.getsource(InprocClient.shutdown)
    for name in ("_WORLD", "_NODE_COUNT", "destroy_model_parallel"):
        assert hasattr(parallel_state, name), missing("parallel_state", [name], set())
