"""Shows KL between policies and their base, and the probability of the policies' right answers under the base."""

from collections.abc import Sequence

import numpy as np

from rlvr.eval import Interval
from rlvr.eval.bootstrap import FloatArray
from rlvr.eval.cross import SPLIT, Crossed
from rlvr.report.crossed import CrossedStudy
from rlvr.report.figures import colours_of, legend_beside
from rlvr.report.page import Block, Figure, Note, Output, Section, Table
from rlvr.report.study import spelled
from rlvr.report.tables import share, with_interval
from rlvr.tables import Grid, Row

TITLE = "Distance from the base"
FROM_BASE, FROM_TRAINED = "KL(trained || base)", "KL(base || trained)"
BEYOND, TOKENS = "beyond the base's budget", "tokens"
POINTS, WIDEST = 80, 0.98  # points of a curve; share of right answers inside the figure


def cross(found: CrossedStudy | None, out: Output) -> list[Section]:
    """The section with KL both ways and right answers beyond the base's budget; none without scored samples."""
    if found is None:
        return []
    beyond = found.parts(lambda one: one.beyond_P(found.n), lambda one: one.right_PN.sum(axis=1))
    measured: dict[str, dict[str, Interval]] = {one.label: {} for one in found.policies}
    for one, (forth, back) in zip(found.trained, found.divergences(), strict=True):
        measured[one.label] = {FROM_BASE: forth, FROM_TRAINED: back}
    for name, values in ((BEYOND, beyond), (TOKENS, found.parts(_tokens, lambda one: np.full_like(_tokens(one), 1)))):
        for label, value in values.items():
            measured[label][name] = share(value) if name == BEYOND else value
    rows: list[Row] = [
        {"split": SPLIT, "policy": policy, "measure": name, "mean": one.mean, "low": one.low, "high": one.high}
        for policy, values in measured.items()
        for name, one in values.items()
    ]
    lines = [[policy, *(_cell(name, values.get(name)) for name in HEADS)] for policy, values in measured.items()]
    title = f"KL in nats a sequence, {found.problems} {spelled(SPLIT)} problems [95 % interval]"
    table = Table(Grid(title, ["", *HEADS.values()], lines), out.csv("cross", rows))
    return [Section(TITLE, [table, _figure(found, out), *_notes(found)])]


HEADS = {FROM_BASE: FROM_BASE, FROM_TRAINED: FROM_TRAINED, BEYOND: "right, beyond budget, %", TOKENS: TOKENS}


def _tokens(one: Crossed) -> FloatArray:
    return np.asarray(one.tokens_PN.mean(axis=1))


def _cell(name: str, one: Interval | None) -> str:
    if one is None:
        return ""
    if name == BEYOND:
        return with_interval(one)
    mean, low, high = (round(value, 2) + 0.0 for value in (one.mean, one.low, one.high))
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def _figure(found: CrossedStudy, out: Output) -> Block:
    """A figure of the share of right answers whose -log p under the base is above each value."""
    unlikely = {one.label: _unlikely(one.seeds) for one in found.policies}
    budget = float(np.log(found.n))
    most = max([1.5 * budget, *(float(np.quantile(each, WIDEST)) for each in unlikely.values() if len(each))])
    nats = np.linspace(0, most, POINTS)
    rows: list[Row] = []
    shades = {"base": "0.15", **dict(zip(list(unlikely)[1:], colours_of(list(unlikely)[1:]), strict=True))}
    with out.figure("budget") as (axes,):
        for label, each in unlikely.items():
            shares = [float((each > x).mean()) if len(each) else 0.0 for x in nats]
            rows += [{"policy": label, "nats": x, "share": y} for x, y in zip(nats.tolist(), shares, strict=True)]
            line = "--" if label == "base" else "-"
            axes.plot(nats, np.multiply(shares, 100), line, color=shades[label], label=label)
        axes.axvline(budget, color="0.6", linestyle=":", label=f"log {found.n}")
        axes.set_xlabel("-log p of the answer under the base, nats")
        axes.set_ylabel("right answers beyond it (%)")
        axes.set_ylim(0, 102)
        legend_beside(axes)
    caption = (
        f"How likely the base is to write right answers; beyond log {found.n} it writes this text less than once in "
        f"{found.n} samples on average."
    )
    return Figure("budget", caption, out.csv("budget", rows))


def _unlikely(seeds: Sequence[Crossed]) -> FloatArray:
    """-log p under the base of every right answer, nats."""
    return np.concatenate([-one.base_logp_PN[one.right_PN.astype(bool)] for one in seeds])


def _notes(found: CrossedStudy) -> list[Block]:
    n = found.n
    return [
        Note(
            f"KL is the mean of log p - log q of whole completions over {found.samples} samples a problem of the "
            "policy that is named first, drawn without a nucleus at the evaluations' temperature, by which the logits "
            "are divided; both policies are computed by the trainer. The mean is unbiased; where one policy gives "
            "almost no probability to what the other writes, a few samples carry it, and so few may have missed them. "
            "Its intervals hold for all methods and both directions at once, the other columns' for all policies; they "
            "are made as the bands against the base are, with their assumptions. It is a sequence's: divided by its "
            "tokens it would fall for a policy that has only become wordier, which the last column shows."
        ),
        Note(
            f"The base's budget is n = {n} samples: a right answer is beyond it where log p under the base is below "
            f"-log {n} = {-np.log(n):.1f} nats, that is, where the base writes this text less than once in {n} samples "
            "on average. It is said of texts: the base may find the same answer in other words, and of long texts "
            "nearly all are beyond. So the base's own right answers stand beside it, and only what a policy has more "
            "of them than its base tells."
        ),
    ]
