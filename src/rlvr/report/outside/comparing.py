"""Brings policies to the same problems and numbers of samples, or says in one sentence why that is not possible."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from rlvr.errors import ConfigError
from rlvr.eval import Evaluation
from rlvr.report.outside.reading import Policy, Sample, Wanted
from rlvr.report.samples import READ
from rlvr.step import SCHEMA
from rlvr.step.table import text_id


@dataclass(frozen=True)
class Compared:
    """One policy, with the same number of samples of every problem as all other policies.

    Attributes:
        policy: The policy with everything that was read of it.
        samples: The first n samples of every problem, with the problems in the order of the base.
    """

    policy: Policy
    samples: Mapping[str, Sequence[Sample]]

    @property
    def evaluation(self) -> Evaluation:
        """The counts of right answers by problem. Numbers that the files do not have are NaN."""
        return Evaluation(
            n=len(next(iter(self.samples.values()))),
            problem_ids=tuple(self.samples),
            correct=tuple(sum(one.right for one in those) for those in self.samples.values()),
            mean_length=self.mean_tokens,
            truncated_share=math.nan,
            entropy=self.entropy,
        )

    @property
    def mean_tokens(self) -> float:
        """Mean tokens of an answer; NaN where the length of any answer is not known."""
        tokens = [one.tokens for those in self.samples.values() for one in those if one.tokens is not None]
        return sum(tokens) / len(tokens) if len(tokens) == self._count else math.nan

    @property
    def entropy(self) -> float:
        """Mean of -log p over tokens, nats; NaN where the log-probability or length of any answer is not known."""
        logps = [one.logp for those in self.samples.values() for one in those if one.logp is not None]
        length = self.mean_tokens * self._count
        return -math.fsum(logps) / length if len(logps) == self._count and length > 0 else math.nan

    @property
    def _count(self) -> int:
        return sum(map(len, self.samples.values()))

    def table(self) -> pa.Table | None:
        """A table of all samples for the report's section on texts; None where any sample has no text."""
        rows = [(problem, place, one) for problem, those in self.samples.items() for place, one in enumerate(those)]
        texts = [one.text for _, _, one in rows]
        if any(text is None for text in texts):
            return None
        ids = {text: text_id(str(text)) for text in set(texts)}
        columns = {
            "problem_id": [problem for problem, _, _ in rows],
            "prompt": [one.prompt for _, _, one in rows],
            "sample": [place for _, place, _ in rows],
            "status": ["right" if one.right else "wrong" for _, _, one in rows],
            "text_id": [ids[text] for text in texts],
            "text": texts,
        }
        return pa.table(columns, schema=pa.schema([SCHEMA.field(name) for name in READ]))


def compared(policies: Sequence[Policy], wanted: Wanted) -> list[Compared]:
    """All policies in a form that can be compared, the base first.

    Args:
        policies: The policies that were read.
        wanted: Has the name of the base and the number of samples that count.

    Raises:
        ConfigError: When there is no base or no other policy, or problems or numbers of samples differ.
    """
    names = [policy.label for policy in policies]
    if wanted.base not in names:
        raise ConfigError(f"base={wanted.base}: is none of {', '.join(names)}; name the one to compare with.")
    if wanted.base != "base" and "base" in names:
        raise ConfigError(f"base={wanted.base}: tables call it base, and so is another policy called; rename that.")
    if len(policies) < 2:
        raise ConfigError(f"samples: hold {wanted.base} alone; give the samples of a policy to compare with it, too.")
    base = policies[names.index(wanted.base)]
    others = [policy for policy in policies if policy is not base]
    for policy in others:
        _check_problems(base, policy)
        _check_problems(policy, base)
    n = wanted.n or min(_samples_each(policy) for policy in policies)
    for policy in policies:
        for problem, samples in policy.samples.items():
            if len(samples) < n:
                raise ConfigError(f"n={n}: {policy.label} has {len(samples)} samples of problem {problem}; take fewer.")
    return [
        Compared(each, {problem: _first(each.samples[problem], n) for problem in base.samples})
        for each in (base, *others)
    ]


def _check_problems(one: Policy, other: Policy) -> None:
    """Raise a ConfigError when `other` lacks a problem that `one` has."""
    missing = [problem for problem in one.samples if problem not in other.samples]
    if missing:
        raise ConfigError(
            f"samples.{other.label}: lacks {len(missing)} of {one.label}'s {len(one.samples)} problems, "
            f"{missing[0]} for one; give the same problems of every policy, under the same names."
        )


def _samples_each(policy: Policy) -> int:
    """The number of samples of each problem. Raises a ConfigError when problems have different numbers."""
    counts = {problem: len(samples) for problem, samples in policy.samples.items()}
    few, many = min(counts, key=lambda name: counts[name]), max(counts, key=lambda name: counts[name])
    if counts[few] != counts[many]:
        raise ConfigError(
            f"samples.{policy.label}: has {counts[few]} samples of problem {few} and {counts[many]} of problem {many}, "
            f"and Pass@k needs as many of each; n={counts[few]} takes the first {counts[few]} of every problem."
        )
    return counts[few]


def _first(samples: Sequence[Sample], n: int) -> list[Sample]:
    return sorted(samples, key=lambda one: one.order)[:n]
