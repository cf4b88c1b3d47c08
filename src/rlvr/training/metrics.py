"""The numbers that a walk through the rooms gives, by their stable names (docs/metrics.md)."""

from rlvr.ranks import Ranks
from rlvr.training.walk import Walk


def walk_metrics(walk: Walk, ranks: Ranks) -> dict[str, float]:
    """Means and shares over the groups that all ranks sampled in a step: a collective, the same on every rank.

    Args:
        walk: This rank's share.
        ranks: This one among all.

    Returns:
        Metrics; shares are between 0 and 1, lengths in tokens, entropy in nats a token.
    """
    parts = ranks.pool([_counts(walk)])
    total = {name: sum(part[name] for part in parts) for name in parts[0]}
    sampled, rollouts, kept = total["groups"], total["rollouts"], total["kept"]
    metrics = {
        "filter/drawn": float(walk.drawn),
        "filter/kept": float(kept),
        "filter/gated_share": 1 - kept / max(walk.drawn, 1),
        "filter/rounds": float(walk.rounds),
        "rollout/greedy_tokens": float(total["greedy_tokens"]),
    }
    if not sampled:
        return metrics
    return metrics | {
        "rollout/reward": total["right"] / rollouts,
        # On-policy, minus the log-probability of what was sampled is an unbiased estimate of the entropy.
        "rollout/entropy": -total["logp"] / total["tokens"],
        "rollout/completion_length": total["tokens"] / rollouts,
        "rollout/truncated_share": total["truncated"] / rollouts,
        "rollout/tokens": float(total["tokens"]),
        **{f"verify/{name}_share": total[name] / rollouts for name in ("wrong", "timeout", "error", "unformatted")},
        "loss/no_gradient_share": 1 - total["live"] / max(kept, 1),
        "loss/trained_rollouts": float(total["trained"]),
        **{name: count / sampled for name, count in total.items() if name.startswith("bucket/")},
    }


def _counts(walk: Walk) -> dict[str, float]:
    """This rank's sums, from which the means over all ranks follow."""
    live_PG = walk.advantage_PG != 0
    kept_P, live_P = walk.weight_P > 0, live_PG.any(dim=1)
    rollouts = [rollout for group in walk.groups for rollout in group.completions]
    verdicts = [verdict for group in walk.groups for verdict in group.verdicts]
    statuses = [verdict.status for verdict in verdicts]
    successes = [group.successes for group in walk.groups]
    return {
        "greedy_tokens": walk.greedy_tokens,
        "groups": len(walk.groups),
        "kept": int(kept_P.sum()),
        "live": int((live_P & kept_P).sum()),
        "trained": int(live_PG.sum()),
        "rollouts": len(rollouts),
        "tokens": sum(len(rollout.token_ids) for rollout in rollouts),
        "logp": sum(map(sum, (rollout.logps for rollout in rollouts))),
        "truncated": sum(rollout.finish == "length" for rollout in rollouts),
        **{status: statuses.count(status) for status in ("right", "wrong", "timeout", "error")},
        "unformatted": sum(not verdict.formatted for verdict in verdicts),
        **{f"bucket/{m}": successes.count(m) for m in range(live_PG.shape[1] + 1)},
    }
