"""What a policy would solve if it knew the answers of a set, but nothing of its questions."""

from collections import Counter
from collections.abc import Sequence

from rlvr.types import Problem
from rlvr.verify import Verifier


def borrowed_rates(problems: Sequence[Problem], verifier: Verifier) -> dict[str, float]:
    """Chance that the answer to another problem of the set, drawn at random, is right; by problem.

    A floor that Pass@k has to be read against: in MATH "0", "1" and "2" each are right for two or three problems in a
    hundred. Answers count as the same when they have the same spelling, so that the floor is a little low.

    Args:
        problems: P problems with different ids.
        verifier: Brings answers into one spelling.
    """
    spelled = {problem.id: verifier.answer(rf"\boxed{{{problem.answer}}}") for problem in problems}
    counts = Counter(spelled.values())
    others = max(len(problems) - 1, 1)
    return {name: (counts[answer] - 1) / others if answer else 0.0 for name, answer in spelled.items()}
