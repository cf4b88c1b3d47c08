"""Rollouts by vLLM inside the trainer's own process. The only file that imports vllm."""

import contextlib
import gc
import logging
import os
import warnings
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist

from rlvr.errors import cause_of
from rlvr.rollout.engine import EngineError, Host, OnFinished, Sampling, call_seed, require_synced
from rlvr.rollout.engines import VLLM
from rlvr.rollout.hf import eos_ids
from rlvr.rollout.process import undisturbed
from rlvr.rollout.settings import config_folder, device_arguments, engine_dtype, gpu_gib, usual_cache_gib
from rlvr.rollout.watchdog import Watchdog
from rlvr.types import Completion, Problem

os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # read when vllm is imported
logging.getLogger("vllm").setLevel(os.environ["VLLM_LOGGING_LEVEL"])  # for its messages during the import
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        # Otherwise small functions of the sampler are compiled on first use: it takes a C++ compiler and three seconds.
        current_platform.simple_compile_backend = "eager"
    from vllm import LLM, SamplingParams
    from vllm.distributed import parallel_state
    from vllm.sampling_params import RequestOutputKind
    from vllm.v1.engine import core

GIB = 2**30


class VLLMEngine:
    """One vLLM engine a rank (or a group of ranks), on weights copied from the policy at every `sync`.

    Requests carry seeds of their own, so the texts of a call depend on weights and seed, not on what ran before.

    On CUDA the engine sleeps from the moment it is built, except while it samples: its weights and cache take no memory
    while the policy trains.

    Args:
        host: The policy, in its place; its config says what vLLM builds, and its weights are copied at every sync.
        settings: A longest sequence that is left open is the policy's context. A key-value cache that is left open has
            1 GiB on CPU, and 0.3 of the memory of a GPU.

    Raises:
        EngineError: When vLLM refuses the policy or the memory.
    """

    def __init__(self, host: Host, settings: VLLM) -> None:
        policy, device = host.policy, host.device
        on_gpu = device.type == "cuda"
        self.tokenizer = host.tokenizer
        self.weights = host.weights
        self.tensor_parallel_size = settings.tensor_parallel_size
        self.dtype = engine_dtype(settings.dtype, device, policy.dtype)
        self.hang_timeout_s = settings.hang_timeout_s
        self.version: int | None = None
        self.can_sleep = on_gpu  # the CPU build has no sleep mode
        self._asleep = False
        self._eos = eos_ids(policy, self.tokenizer)
        self._own_group = not dist.is_initialized()
        if self._own_group:
            backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
            dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
        kv_cache_gib = settings.kv_cache_gib or usual_cache_gib(gpu_gib(device))
        context = settings.max_model_len or policy.config.max_position_embeddings
        try:
            with undisturbed(device):
                self.llm = LLM(
                    model=str(config_folder(policy, Path(settings.cache_dir))),
                    skip_tokenizer_init=True,
                    generation_config="vllm",  # none of the checkpoint's own sampling defaults
                    load_format="dummy",  # weights come from the trainer, never from a file
                    dtype=self.dtype,  # type: ignore[arg-type]
                    max_model_len=context,
                    kv_cache_memory_bytes=int(kv_cache_gib * GIB),
                    max_num_seqs=settings.max_num_seqs,
                    distributed_executor_backend="external_launcher",
                    tensor_parallel_size=settings.tensor_parallel_size,
                    seed=0,  # every request has its own; ranks of one engine must agree here
                    logprobs_mode="processed_logprobs",  # at the sampling temperature
                    disable_log_stats=True,
                    enable_sleep_mode=self.can_sleep,
                    **device_arguments(device, context),
                )
        except (RuntimeError, ValueError, TypeError, NotImplementedError, AssertionError) as error:
            self._leave_group()
            raise EngineError(
                f"vLLM could not be built for this policy with rollout.engine.max_model_len={context} and "
                f"kv_cache_gib={kv_cache_gib}: {cause_of(error)}"
            ) from error
        self.sleep()

    def sync(self, version: int) -> None:
        """Copy the policy's weights, layer by layer, unless the engine holds this version already."""
        if version == self.version:
            return
        self.version = None  # a copy that fails half-way must not count as a version
        try:
            if self._asleep:
                self.llm.wake_up(tags=["weights"])
            self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": self.weights()})
            if self._asleep:
                self.llm.wake_up(tags=["kv_cache"])
            self._asleep = False
            # Keys and values in the cache were computed with the old weights.
            if not self.llm.reset_prefix_cache():
                raise RuntimeError("the prefix cache could not be emptied, requests are still running")
        except (RuntimeError, ValueError, KeyError, AttributeError) as error:
            raise EngineError(f"vLLM could not take policy version {version}: {cause_of(error)}") from error
        self.version = version

    def generate(
        self,
        problems: Sequence[Problem],
        n: int,
        sampling: Sampling,
        version: int,
        seed: int,
        on_finished: OnFinished | None = None,
        skip: Collection[int] = (),
    ) -> list[tuple[Completion, ...]]:
        """See `RolloutEngine.generate`."""
        require_synced(self.version, version)
        wanted = [index for index in range(len(problems)) if index not in skip]
        requests = [(problems[index].prompt_ids, call_seed(seed, problems[index].id)) for index in wanted]
        requests, first = self._shared(requests)
        results: list[tuple[Completion, ...]] = [()] * len(problems)

        def keep(request: int, output: Any) -> None:
            if first <= request < first + len(wanted):  # else another rank's
                index = wanted[request - first]
                results[index] = self._rollouts(output)
                if on_finished:
                    on_finished(index, results[index])

        doing = f"vLLM, sampling {len(requests)} x {n} completions at policy version {version}"
        try:
            with Watchdog(self.hang_timeout_s, doing) as watchdog:
                self._run(requests, n, sampling, watchdog, keep)
        except Exception as error:  # any error of vLLM ends the run, and the message must say why
            self._abort()
            raise EngineError(f"{doing} failed: {cause_of(error)}. Checkpoints written so far are intact.") from error
        return results

    def sleep(self) -> None:
        """On CUDA, free weights and cache; on CPU there is no such mode and the engine stays as it is."""
        if self.can_sleep and not self._asleep:
            self.llm.sleep(level=2)
            self.version, self._asleep = None, True  # level 2 forgets the weights

    def close(self) -> None:
        """Free the model, the cache and the groups that vLLM made; the trainer's own group stays."""
        if not hasattr(self, "llm"):
            return
        clean_up = core.cleanup_dist_env_and_memory  # would end the default process group, even if it is the trainer's
        core.cleanup_dist_env_and_memory = gc.unfreeze  # type: ignore[assignment]
        try:
            self.llm.llm_engine.engine_core.shutdown()
        finally:
            core.cleanup_dist_env_and_memory = clean_up
        del self.llm
        self._leave_group()
        gc.collect()
        if self.can_sleep:
            torch.cuda.empty_cache()

    def _run(
        self,
        requests: Sequence[tuple[tuple[int, ...], int]],
        n: int,
        sampling: Sampling,
        watchdog: Watchdog,
        keep: Callable[[int, Any], None],
    ) -> None:
        """Hand over each request's number and output as it finishes."""
        engine = self.llm.llm_engine
        for index, (prompt_ids, seed) in enumerate(requests):
            prompt = {"prompt_token_ids": list(prompt_ids)}
            engine.add_request(str(index), prompt, self._parameters(n, sampling, seed))  # type: ignore[arg-type]
        while engine.has_unfinished_requests():
            finished = [output for output in engine.step() if output.finished]
            watchdog.beat()
            for output in finished:
                keep(int(output.request_id), output)

    def _parameters(self, n: int, sampling: Sampling, seed: int) -> SamplingParams:
        return SamplingParams(
            n=n,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_new_tokens,
            seed=seed if sampling.temperature > 0 else None,
            stop_token_ids=self._eos,
            logprobs=0,  # of the sampled token alone
            flat_logprobs=True,
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _rollouts(self, output: Any) -> tuple[Completion, ...]:
        texts = self.tokenizer.batch_decode([o.token_ids for o in output.outputs], skip_special_tokens=True)
        return tuple(
            Completion(tuple(o.token_ids), tuple(o.logprobs.logprobs), text, o.finish_reason)
            for o, text in zip(output.outputs, texts, strict=True)
        )

    def _shared(self, requests: list) -> tuple[list, int]:
        """The requests of all ranks that share this engine, and where this rank's own start among them."""
        if self.tensor_parallel_size == 1:
            return requests, 0
        group = parallel_state.get_tp_group()
        parts: list[list] = [[] for _ in range(self.tensor_parallel_size)]
        dist.all_gather_object(parts, requests, group=group.cpu_group)
        return [request for part in parts for request in part], sum(map(len, parts[: group.rank_in_group]))

    def _abort(self) -> None:
        """Abort all unfinished requests, so that they can't make a later call fail."""
        with contextlib.suppress(Exception):
            engine = self.llm.llm_engine
            engine.abort_request(list(engine.output_processor.request_states), internal=True)

    def _leave_group(self) -> None:
        parallel_state.destroy_model_parallel()
        if parallel_state._WORLD:
            parallel_state._WORLD.destroy()
        parallel_state._WORLD = parallel_state._NODE_COUNT = None
        if self._own_group:
            dist.destroy_process_group()
