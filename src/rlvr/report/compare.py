"""Compares Pass@k of several policies on the same problems and seeds, as rows of numbers and as a table."""

from collections.abc import Mapping, Sequence

from rlvr.eval import bootstrap_mean
from rlvr.eval.bootstrap import FloatArray
from rlvr.report.tables import interval_of, with_interval
from rlvr.tables import Grid, Row

Values = Mapping[int, FloatArray]
"""Pass@k for each seed and problem, [S, P], by k."""


def standings(policies: Mapping[str, Values], against: Sequence[str]) -> list[Row]:
    """One row for each policy and k, then one for each paired difference: every policy minus each in `against`.

    Args:
        policies: Values by name, all on the same seeds, problems and k.
        against: Names of policies to compare with; names that are not in `policies` are ignored.
    """
    rows = [_row(name, "", k, value_SP) for name, values in policies.items() for k, value_SP in values.items()]
    for other in against:
        if other in policies:
            rows += [
                _row(name, other, k, value_SP - policies[other][k])
                for name, values in policies.items()
                if name not in against[: against.index(other) + 1]
                for k, value_SP in values.items()
            ]
    return rows


def standings_grid(title: str, rows: Sequence[Row], ks: Sequence[int], about: Mapping[str, Mapping[str, str]]) -> Grid:
    """The rows of `standings` as a table of text, in percent.

    Args:
        title: Title of the table.
        rows: The result of `standings`.
        ks: Values of k, one column each.
        about: Further columns before those of k: their cells by column head and then by policy.
    """
    cells: dict[tuple[str, str], dict[int, str]] = {}
    for row in rows:
        line = cells.setdefault((str(row["policy"]), str(row["minus"])), {})
        line[int(str(row["k"]))] = with_interval(interval_of(row), signed=bool(row["minus"]))
    lines = []
    for (policy, minus), values in cells.items():
        more = ["" if minus else found.get(policy, "") for found in about.values()]
        lines.append([f"{policy} - {minus}" if minus else policy, *more, *(values[k] for k in ks)])
    return Grid(f"{title}, % [95 % interval]; * excludes 0", ["", *about, *(f"k={k}" for k in ks)], lines)


def _row(policy: str, minus: str, k: int, value_SP: FloatArray) -> Row:
    interval = bootstrap_mean(value_SP)
    return {"policy": policy, "minus": minus, "k": k, "mean": interval.mean, "low": interval.low, "high": interval.high}
