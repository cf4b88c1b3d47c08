"""Several rewards in one: a weighted sum, with the status of one of them."""

from collections.abc import Iterable, Mapping, Sequence

from rlvr.errors import ConfigError
from rlvr.types import Problem, Verdict
from rlvr.verify.verifier import Verifier


class WeightedVerifier:
    """The reward is the weighted sum of its parts' rewards. One part decides which answers are right."""

    def __init__(self, parts: Mapping[str, Verifier], weights: Mapping[str, float], status_from: str) -> None:
        """Keep the parts and their weights.

        Args:
            parts: Verifiers under any names.
            weights: The factor of each part's reward.
            status_from: The name of the part that decides on status, format and final answer.

        Raises:
            ConfigError: When the names do not match.
        """
        if fault := refusal("verifier", parts, weights, status_from):
            raise ConfigError(fault)
        self._parts, self._weights, self._status_from = dict(parts), dict(weights), status_from

    def grade(self, items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """A verdict for each (problem, completion text), in order, with the reward of each part."""
        graded = {name: part.grade(items) for name, part in self._parts.items()}
        return [
            self._verdict(verdict, {name: verdicts[index].reward for name, verdicts in graded.items()})
            for index, verdict in enumerate(graded[self._status_from])
        ]

    def _verdict(self, main: Verdict, rewards: Mapping[str, float]) -> Verdict:
        reward = sum(self._weights[name] * worth for name, worth in rewards.items())
        return Verdict(main.status, reward, main.formatted, tuple(rewards.items()))

    def readable(self, answers: Sequence[str]) -> list[bool]:
        """Whether the part that decides on the status can read each answer."""
        return self._parts[self._status_from].readable(answers)

    def answer(self, text: str) -> str:
        """The final answer as the part reads it that decides on the status."""
        return self._parts[self._status_from].answer(text)


def refusal(key: str, parts: Iterable[str], weights: Iterable[str], status_from: str) -> str | None:
    """One sentence on names that do not match at this key of the config, or None if they do."""
    names = sorted(parts)
    if sorted(weights) != names:
        listed = ", ".join(sorted(weights)) or "nothing"
        return f"{key}.weights: must give each part of {key}.parts a weight, {', '.join(names)}, but names {listed}."
    if status_from not in names:
        listed = ", ".join(names) or "there is none"
        return f"{key}.status_from={status_from}: must name a part of {key}.parts: {listed}."
    return None
