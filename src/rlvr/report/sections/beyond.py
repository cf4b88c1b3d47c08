"""Measures beyond Pass@k: log-coverage, Cover@tau, G-Pass@k, Bayes, and retention and discovery of solved problems."""

from collections.abc import Mapping, Sequence

import numpy as np

from rlvr.eval import Interval, bootstrap_mean
from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.estimators import IntArray, bayes, cover, g_pass, log_coverage, support
from rlvr.report.figures import colours, legend_beside
from rlvr.report.page import Block, Figure, Note, Output, Section, Table
from rlvr.report.pool import Method
from rlvr.report.study import Study, spelled, suffix
from rlvr.report.tables import with_interval
from rlvr.tables import Grid, Row

TAUS = (0.5, 0.1, 0.01)
BAYES = "Bayes"
STABLE_K, STABLE_TAU = 16, 0.5
POINTS = 60
# For tau below a few times 1/n, Cover@tau of problems without a right answer comes from the prior, not from samples.
SEEN, WIDEST, LAST = 4, 0.5, 0.99


def beyond(study: Study, out: Output) -> Section:
    """The section with a table and the curve of Cover@tau for each set of problems."""
    rows: list[Row] = []
    curve: list[Row] = []
    section = Section("Beyond Pass@k")
    for split, methods in study.methods.items():
        policies = counts_of(methods)
        measured, found = _measured(policies), cover_rows(split, policies)
        rows += [row for policy, values in measured.items() for row in _rows(split, policy, values)]
        curve += found
        section.blocks += [_grid(split, measured), _figure(split, methods, found, out)]
    out.csv("beyond", rows)
    out.csv("cover", curve)
    section.blocks.append(
        Note(
            "Log-coverage: the sum over k of (1 - Pass@k) / k, which weighs every k; less is better. Cover@tau: the "
            "share of problems whose success rate is above tau, under a uniform prior, by which a problem with 0 of n "
            "right counts as (1 - tau)^(n + 1): where tau is not well above 1/n that is most of it. G-Pass@k: the "
            "chance that at least half of k samples are right. Bayes: the mean success rate of these very problems, "
            "with the standard deviation that sampling leaves; all other intervals are for new problems and seeds. "
            "Retention: of the problems that the base solved, those still solved; discovery: of those solved now, the "
            "ones that the base never solved; support: the harmonic mean of these two. All count one right answer "
            "among n, so that luck is in them, as in the ledger's raw counts. Whether a right answer also has a valid "
            "derivation (CoT-Pass@k, arXiv 2506.14245) is not measured: no program here checks one."
        )
    )
    return section


Policy = tuple[int, IntArray]
"""Samples n of each problem, and numbers of right answers [S, P]."""


def counts_of(methods: Sequence[Method]) -> dict[str, Policy]:
    """Counts of right answers of the first method's base, and of every method."""
    pairs = {method.label: method.pairs() for method in methods}
    counted = {label: np.array([now.correct for _, now in found]) for label, found in pairs.items()}
    base = np.array([before.correct for before, _ in pairs[methods[0].label]])
    return {label: (methods[0].n, counts) for label, counts in {"base": base, **counted}.items()}


def _measured(policies: Mapping[str, Policy]) -> dict[str, dict[str, Interval]]:
    _, base_SP = policies["base"]
    found = {}
    for label, (n, now_SP) in policies.items():
        k = min(STABLE_K, n)
        values = {"log-coverage": log_coverage(n), **{f"Cover@{tau:g}": cover(n, tau) for tau in TAUS}}
        values[f"G-Pass@{k}"] = g_pass(n, k, STABLE_TAU)
        row = {name: bootstrap_mean(_at(value, now_SP)) for name, value in values.items()}
        # Seeds may share one base; its samples must count only once.
        mean, deviation = bayes(np.unique(now_SP, axis=0).ravel(), n)
        row[BAYES] = Interval(mean, mean - deviation, mean + deviation)
        if label != "base":
            row |= support(base_SP, now_SP)
        found[label] = row
    return found


def _at(value: FloatArray, count_SP: IntArray) -> FloatArray:
    return np.asarray(value[count_SP])


def _rows(split: str, policy: str, measured: dict[str, Interval]) -> list[Row]:
    rows: list[Row] = []
    for name, found in measured.items():
        about: Row = {"split": split, "policy": policy, "measure": name, "mean": found.mean}
        ends: Row = {"sd": found.high - found.mean} if name == BAYES else {"low": found.low, "high": found.high}
        rows.append(about | ends)
    return rows


def _grid(split: str, measured: dict[str, dict[str, Interval]]) -> Block:
    names = list(dict.fromkeys(name for row in measured.values() for name in row))
    lines = [[label, *(_cell(name, row.get(name)) for name in names)] for label, row in measured.items()]
    heads = {"log-coverage": "log-coverage, nats", BAYES: "Bayes +- sd, %"}
    header = ["", *(heads.get(name, f"{name}, %") for name in names)]
    return Table(Grid(f"Beyond Pass@k, {spelled(split)} problems", header, lines), "csv/beyond.csv")


def _cell(name: str, found: Interval | None) -> str:
    if found is None:
        return ""
    if name == "log-coverage":
        return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"
    if name == BAYES:
        return f"{100 * found.mean:.1f} +- {100 * (found.high - found.mean):.2f}"
    return with_interval(found)


def cover_rows(split: str, policies: Mapping[str, Policy]) -> list[Row]:
    """Rows of Cover@tau for every policy, with tau from a few times 1/n upwards."""
    return [
        {"split": split, "policy": label, "tau": float(tau), "mean": float(_at(cover(n, tau), count_SP).mean())}
        for label, (n, count_SP) in policies.items()
        for tau in np.geomspace(min(SEEN / n, WIDEST), LAST, POINTS)
    ]


def _figure(split: str, methods: Sequence[Method], curve: Sequence[Row], out: Output) -> Block:
    name = f"cover{suffix(split)}"
    shades = {"base": "0.15", **dict(zip((method.label for method in methods), colours(methods), strict=True))}
    with out.figure(name) as (axes,):
        for label, colour in shades.items():
            taus, shares = zip(*((row["tau"], row["mean"]) for row in curve if row["policy"] == label), strict=True)
            axes.plot(taus, np.multiply(shares, 100), "--" if label == "base" else "-", color=colour, label=label)
        axes.set_xscale("log")
        axes.set_xlabel("tau, least success rate that counts")
        axes.set_ylabel(f"Cover@tau on {spelled(split)} problems (%)")
        axes.set_ylim(bottom=0)
        legend_beside(axes)
    return Figure(name, f"Cover@tau on {spelled(split)} problems", "csv/cover.csv")
