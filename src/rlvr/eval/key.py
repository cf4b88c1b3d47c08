"""Keys of stored results and samples, so that they are never used for another policy or other sampling settings."""

import hashlib
from collections.abc import Iterable

from torch import Tensor

from rlvr.rollout import Sampling, fingerprint


def evaluation_key(
    weights: Iterable[tuple[str, Tensor]], seed: int, sampling: Sampling, context: int, engine: object, *more: object
) -> str:
    """Twelve hexadecimal digits for all that samples depend on.

    Args:
        weights: The policy's; a collective where they are sharded.
        seed: Of the evaluation.
        sampling: Temperature, nucleus and length.
        context: Longest prompt and completion together, tokens: it cuts completions.
        engine: What it is, and what it computes in.
        more: What else the stored results depend on.
    """
    return short_hash(fingerprint(weights), seed, sampling, context, engine, *more)


def short_hash(*parts: object) -> str:
    """Twelve hexadecimal digits."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
