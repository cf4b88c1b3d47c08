"""What a term may ask the forward pass for, beyond log-probability and entropy: one number a token each.

A term says what it needs, and the objective collects these wishes. The output head, which never holds all logits,
computes them chunk by chunk. What no term asks for is not computed.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable


@dataclass(frozen=True)
class NucleusEntropy:
    """Entropy, nats, of the distribution inside its nucleus, renormalised to sum 1; with gradient.

    Attributes:
        top_p: The nucleus is the smallest set of most likely tokens that holds this much probability; tokens as likely
            as its last one are in it, too.
    """

    top_p: float
    of_old: ClassVar[bool] = False


@dataclass(frozen=True)
class MinPLogp:
    """Log-probability, nats, of the token where unlikely ones are left out and the rest is renormalised to 1; -inf
    where the token is left out itself; without gradient.

    It belongs to the old policy: with several optimizer steps on a rollout, to the policy before the first of them.

    Attributes:
        min_p: Left out are tokens with less than this times the probability of the likeliest.
    """

    min_p: float
    of_old: ClassVar[bool] = True


Statistic = NucleusEntropy | MinPLogp


@runtime_checkable
class NeedsStatistics(Protocol):
    """A term or factor that asks for statistics; it finds them in `Tokens.statistic_BT`, by what it asked for."""

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """What it needs."""
