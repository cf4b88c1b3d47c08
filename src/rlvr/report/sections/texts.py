"""Shows how many different right answers the policies write, and some of their completions side by side."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from rlvr.eval import Evaluation, bootstrap_mean, ledger, pass_at_k
from rlvr.eval.diversity import chao1, effective_number, unseen_mass
from rlvr.report.page import Block, Note, Output, Pair, Section, Side, Table
from rlvr.report.pool import Method
from rlvr.report.samples import Samples, read_samples
from rlvr.report.study import Study, spelled
from rlvr.tables import Grid, Row

# Different texts are counted among this many right answers, so that a policy with more right answers has no advantage.
# With few samples of each problem it is half of the samples.
AMONG = 8
# Problems shown of each kind, and texts shown of each policy, right ones and others.
SHOWN, TEXTS = 1, 3
MEASURES = {"effective": effective_number, "unseen": unseen_mass, "chao1": chao1}
OUTSIDE = "a sample of theirs, or of their base's, came without one"


def texts(study: Study, out: Output) -> Section:
    """The section with the diversity of right answers and pairs of completions."""
    blocks: list[Block] = []
    pairs: list[Block] = []
    diversity: list[Row] = []
    means: list[Row] = []
    shown: list[Row] = []
    for split, methods in study.methods.items():
        missing: list[str] = []
        lines: list[list[str]] = []
        effective: list[list[str]] = []
        for method in methods:
            rows: list[Row] = []
            for index, both in _both(method):
                if not rows and split == next(iter(study.methods)):
                    found_pairs, found_rows = _pairs(split, method, index, both)
                    pairs += found_pairs
                    shown += found_rows
                rows += _diversity(split, method, index, both)
            if not rows:
                missing.append(method.label)
                continue
            diversity += rows
            about: Row = {"split": split, "method": method.label}
            mine = {measure: mean_diversity(rows, measure) for measure in ("different", *MEASURES)}
            means += [{**about, "measure": measure, **found} for measure, found in mine.items()]
            lines.append(_diversity_line(about | mine["different"]))
            effective.append(_diversity_line(about | mine["effective"]))
        if missing:
            outside = any(run.given is not None for method in methods for run in method.runs)
            why = OUTSIDE if outside else "these runs left no samples, or not those that belong to their counts"
            blocks.append(Note(f"No texts on {spelled(split)} problems of {', '.join(missing)}: {why}."))
        if lines:
            head = ["", "problems", "base", "trained", "difference"]
            title = (
                f"Different texts among {among(methods[0].n)} right answers, {spelled(split)} problems [95 % interval]"
            )
            blocks.append(Table(Grid(f"{title}; * excludes 0", head, lines), "csv/diversity_means.csv"))
            title = f"Effective number of different right answers, {spelled(split)} problems [95 % interval]"
            blocks.append(Table(Grid(f"{title}; * excludes 0", head, effective), "csv/diversity_means.csv"))
    out.csv("diversity", diversity)
    out.csv("diversity_means", means)
    out.csv("sample_pairs", shown)
    return Section("What the policies write", blocks + pairs)


def different(count_T: Sequence[int], draws: int) -> float:
    """Expected number of different texts among `draws` drawn without replacement, from how often each was written.

    The chance that a text is drawn is Pass@k for k = `draws`, with the count of this text as the right answers.
    """
    total = sum(count_T)
    return float(pass_at_k(count_T, total, draws).sum())


def among(n: int) -> int:
    """Number of right answers among which texts are counted, with n samples of each problem."""
    return min(AMONG, max(2, n // 2))


def mean_diversity(rows: Sequence[Row], measure: str = "different") -> Row:
    """Mean over problems on which both policies have enough right answers. Seeds are averaged first."""
    by_problem: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        before, now = (row[f"{policy}_{measure}"] for policy in ("base", "trained"))
        if before is not None and now is not None:
            pair = (float(before), float(now))
            by_problem.setdefault(str(row["problem_id"]), []).append(pair)
    about: Row = {"problems": len(by_problem)}
    if not by_problem:
        return about
    value_P2 = np.array([np.mean(pairs, axis=0) for pairs in by_problem.values()])
    columns = {"base": value_P2[:, 0], "trained": value_P2[:, 1], "difference": value_P2[:, 1] - value_P2[:, 0]}
    for name, value_P in columns.items():
        interval = bootstrap_mean(value_P[None])
        about |= {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return about


Both = tuple[Samples, Samples]


def _both(method: Method) -> Iterator[tuple[int, Both]]:
    """(index of the run, samples of base and trained policy) for each run that has both, one run at a time."""
    for index, (run, evaluations) in enumerate(zip(method.runs, method.pairs(), strict=True)):
        base, trained = (
            read_samples(run, method.split_name, policy, evaluation)
            for policy, evaluation in zip(("base", "trained"), evaluations, strict=True)
        )
        if base is not None and trained is not None:
            yield index, (base, trained)


def _diversity(split: str, method: Method, index: int, both: Both) -> list[Row]:
    rows: list[Row] = []
    counts = [samples.right_texts for samples in both]
    least = among(method.n)
    base, _ = method.pairs()[index]
    for problem in base.problem_ids:
        row: Row = {"split": split, "method": method.label, "seed": method.seeds[index], "problem_id": problem}
        for name, found in zip(("base", "trained"), counts, strict=True):
            count_T = found.get(problem, [])
            row |= {f"{name}_right": sum(count_T), f"{name}_distinct": len(count_T)}
            enough = sum(count_T) >= least
            row[f"{name}_different"] = different(count_T, least) if enough else None
            row |= {f"{name}_{what}": of(count_T) if enough else None for what, of in MEASURES.items()}
        rows.append(row)
    return rows


def _pairs(split: str, method: Method, index: int, both: Both) -> tuple[list[Block], list[Row]]:
    """Completions of base and trained policy side by side, on the problems that changed most, and rows for the CSV."""
    blocks: list[Block] = []
    rows: list[Row] = []
    for kind, problem in telling(*method.pairs()[index]):
        sides = []
        for policy, samples in zip(("base", method.label), both, strict=True):
            found = samples.of(problem)
            right = sum(row["status"] == "right" for row in found)
            often = common_texts(found)
            sides.append(Side(policy, f"{right} of {len(found)} right", often))
            about: Row = {"split": split, "method": method.label, "seed": method.seeds[index], "problem_id": problem}
            about |= {"kind": kind, "policy": policy, "right": right, "samples": len(found)}
            rows += [{**about, "verdict": status, "times": times, "text": text} for status, times, text in often]
            prompt = str(found[0]["prompt"] or "")
        title = f"{kind}, {method.runs[index].name}: {problem}"
        blocks.append(Pair(title, prompt, (sides[0], sides[1])))
    return blocks, rows


def telling(base: Evaluation, now: Evaluation) -> list[tuple[str, str]]:
    """(change, problem) for the surest loss and entry, and for the largest fall and rise of the success rate."""
    found = ledger(base, now)
    chosen = [("Lost", found.of("loss")[:SHOWN]), ("Won", found.of("entry")[:SHOWN])]
    changed = [(c - b, p) for p, b, c in zip(base.problem_ids, base.correct, now.correct, strict=True) if b and c]
    changed.sort()
    telling = [(name, change.problem_id) for name, changes in chosen for change in changes]
    telling += [("Less often right", problem) for gain, problem in changed[:SHOWN] if gain < 0]
    return telling + [("More often right", problem) for gain, problem in changed[-SHOWN:] if gain > 0]


def common_texts(samples: Sequence[Mapping[str, object]]) -> list[tuple[str, int, str]]:
    """(verdict, how often, text) of the most frequent texts, the right ones first."""
    times = Counter((str(row["status"]), row["text_id"]) for row in samples)
    text = {(str(row["status"]), row["text_id"]): str(row["text"]) for row in samples if row["text"] is not None}
    often = sorted(text, key=lambda key: (-times[key], text[key]))
    right = [key for key in often if key[0] == "right"][:TEXTS]
    other = [key for key in often if key[0] != "right"][:TEXTS]
    return [(status, times[status, id_], text[status, id_]) for status, id_ in (*right, *other)]


def _diversity_line(row: Row) -> list[str]:
    cells = [
        with_value(row, name, signed=name == "difference") if row["problems"] else ""
        for name in ("base", "trained", "difference")
    ]
    return [str(row["method"]), str(row["problems"]), *cells]


def with_value(row: Row, name: str, signed: bool) -> str:
    """A mean and its interval as text, for example `3.20 [3.00, 3.40]`."""
    mean, low, high = (float(str(row[key])) for key in (name, f"{name}_low", f"{name}_high"))
    star = "*" if signed and (low > 0 or high < 0) else ""
    return f"{mean:{'+' if signed else ''}.2f}{star} [{low:.2f}, {high:.2f}]"
