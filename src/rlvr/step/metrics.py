"""The numbers that a rollout batch gives, by their stable names (docs/metrics.md)."""

from rlvr.ranks import Ranks
from rlvr.step.batch import RolloutBatch
from rlvr.types import STATUSES


def batch_metrics(batch: RolloutBatch, ranks: Ranks) -> dict[str, float]:
    """Means and shares over the groups that all ranks sampled in a step: a collective, the same on every rank.

    Args:
        batch: This rank's part.
        ranks: This one among all.

    Returns:
        Metrics; shares are between 0 and 1, lengths in tokens, entropy in nats a token.
    """
    parts = ranks.all_gather([_counts(batch)])
    names = dict.fromkeys(name for part in parts for name in part)  # a rank without groups knows no parts of rewards
    total = {name: sum(part.get(name, 0) for part in parts) for name in names}
    sampled, completions = total["groups"], total["completions"]
    metrics = {
        "filter/drawn": float(batch.drawn),
        "filter/selected": float(batch.selected),
        "filter/gated_share": 1 - batch.selected / max(batch.drawn, 1),
        "filter/rounds": float(batch.rounds),
        "rollout/greedy_tokens": float(total["greedy_tokens"]),
        "loss/trained_rollouts": float(total["trained"]),
    }
    if not sampled:
        return metrics
    return metrics | {
        "rollout/accuracy": total["right"] / completions,
        "rollout/reward": total["reward"] / completions,
        **{f"rollout/{name}": total[name] / completions for name in total if name.startswith("reward/")},
        # On-policy, minus the log-probability of what was sampled is an unbiased estimate of the entropy.
        "rollout/entropy": -total["logp"] / max(total["written"], 1),
        "rollout/completion_length": total["tokens"] / completions,
        "rollout/truncated_share": total["truncated"] / completions,
        "rollout/tokens": float(total["tokens"]),
        **{f"verify/{name}_share": total[name] / completions for name in (*STATUSES[1:], "unformatted")},
        "loss/no_gradient_share": 1 - total["live"] / max(batch.selected, 1),
        **{name: count / sampled for name, count in total.items() if name.startswith("bucket/")},
    }


def _counts(batch: RolloutBatch) -> dict[str, float]:
    """This rank's sums, from which the means over all ranks follow."""
    live_PG = batch.advantage_PG != 0
    completions = [one for group in batch.groups for one in group.completions]
    verdicts = [verdict for group in batch.groups for verdict in group.verdicts]
    statuses = [verdict.status for verdict in verdicts]
    successes = [group.successes for group in batch.groups]
    rewards = [part for verdict in verdicts for part in verdict.parts]
    return {
        "greedy_tokens": batch.greedy_tokens,
        "groups": len(batch.groups),
        "live": int((live_PG.any(dim=1) & (batch.weight_P > 0)).sum()),
        "trained": int(live_PG.sum()),
        "completions": len(completions),
        "tokens": sum(len(one.token_ids) for one in completions),
        "written": sum(one.trainable_tokens for one in completions),
        "logp": sum(one.trainable_logp for one in completions),
        "truncated": sum(one.finish == "length" for one in completions),
        "reward": sum(verdict.reward for verdict in verdicts),
        **{f"reward/{name}": sum(worth for one, worth in rewards if one == name) for name in dict(rewards)},
        **{status: statuses.count(status) for status in STATUSES},
        "unformatted": sum(not verdict.formatted for verdict in verdicts),
        **{f"bucket/{m}": successes.count(m) for m in range(live_PG.shape[1] + 1)},
    }
