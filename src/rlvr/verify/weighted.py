"""Several rewards in one: a weighted sum, with the status of one of them."""

from collections.abc import Iterable, Mapping, Sequence

from rlvr.errors import ConfigError
from rlvr.types import Problem, Verdict
from rlvr.verify.verifier import Verifier


class WeightedVerifier:
    """The reward is the weighted sum of its parts' rewards; what is right, one part says."""

    def __init__(self, parts: Mapping[str, Verifier], weights: Mapping[str, float], status_from: str) -> None:
        """Take the parts as they are.

        Args:
            parts: Verifiers by any name.
            weights: What each part's reward is multiplied by.
            status_from: The part whose status, format and answer count.

        Raises:
            ConfigError: When the names do not fit.
        """
        if fault := refusal("verifier", parts, weights, status_from):
            raise ConfigError(fault)
        self._parts, self._weights, self._status_from = dict(parts), dict(weights), status_from

    def grade(self, items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """A verdict for each (problem, completion text), in order, with what each part gave."""
        graded = {name: part.grade(items) for name, part in self._parts.items()}
        return [
            self._verdict(verdict, {name: verdicts[index].reward for name, verdicts in graded.items()})
            for index, verdict in enumerate(graded[self._status_from])
        ]

    def _verdict(self, main: Verdict, rewards: Mapping[str, float]) -> Verdict:
        reward = sum(self._weights[name] * worth for name, worth in rewards.items())
        return Verdict(main.status, reward, main.formatted, tuple(rewards.items()))

    def readable(self, answers: Sequence[str]) -> list[bool]:
        """Those that the part reads which says what is right."""
        return self._parts[self._status_from].readable(answers)

    def answer(self, text: str) -> str:
        """What that part takes for the final answer."""
        return self._parts[self._status_from].answer(text)


def refusal(key: str, parts: Iterable[str], weights: Iterable[str], status_from: str) -> str | None:
    """One sentence on names that do not fit, at a key of the config; None: they do."""
    names = sorted(parts)
    if sorted(weights) != names:
        listed = ", ".join(sorted(weights)) or "nothing"
        return f"{key}.weights: must give each part of {key}.parts a weight, {', '.join(names)}, but names {listed}."
    if status_from not in names:
        listed = ", ".join(names) or "there is none"
        return f"{key}.status_from={status_from}: must name a part of {key}.parts: {listed}."
    return None
