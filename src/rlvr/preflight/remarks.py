"""What a run may do, but hardly means to: said in one sentence before it starts."""

from collections.abc import Iterator

from omegaconf import DictConfig


def remarks(cfg: DictConfig) -> Iterator[str]:
    """Of the composed config."""
    for name, term in (cfg.algo.get("auxiliary") or {}).items():
        if term._target_ == "rlvr.algo.KLCov" and cfg.batch.minibatches_per_rollout == 1:
            yield (
                f"algo.auxiliary.{name}: trains nothing with batch.minibatches_per_rollout=1, where every ratio is 1 "
                "and |log ratio| has no slope; give at least 2."
            )
