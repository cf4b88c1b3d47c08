"""Checks of the configured rewards: functions exist, parts have weights, and code can be isolated."""

from omegaconf import DictConfig

from rlvr.verify import function, weighted
from rlvr.verify.python import sandbox


def rewards(cfg: DictConfig) -> str | None:
    """Every function can be called, every part has a weight, and code can be isolated, which is tried out."""
    return _fault("verifier", cfg.verifier)


def _fault(key: str, node: DictConfig) -> str | None:
    if node._target_ == "rlvr.verify.FunctionVerifier":
        return function.refusal(f"{key}.function", node.function)
    if node._target_ == "rlvr.verify.PythonVerifier":
        return sandbox.refusal(key, node.get("allow_unisolated", False))
    if node._target_ != "rlvr.verify.WeightedVerifier":
        return None
    inner = (_fault(f"{key}.parts.{name}", part) for name, part in node.parts.items())
    return weighted.refusal(key, node.parts, node.weights, node.status_from) or next(filter(None, inner), None)
