"""What an optimizer step minimises: a surrogate, factors of its tokens, and terms beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from torch import Tensor

from rlvr.algo.auxiliary import Auxiliary, Remembers
from rlvr.algo.choices import Chooses
from rlvr.algo.reference import KL, Replay, divergence
from rlvr.algo.statistics import NeedsStatistics, Statistic
from rlvr.algo.surrogates import Surrogate
from rlvr.algo.tokens import Sums, Tokens, TokenWeight


@dataclass(frozen=True)
class Objective:
    """The sum over tokens of weight x factors x surrogate, plus the mean of each auxiliary term.

    Attributes:
        surrogate: See `algo.surrogates`.
        token_weights: Factors of the tokens' surrogates, the correction for the engine among them.
        auxiliary: Terms beside the surrogate, see `algo.auxiliary`.
        replay: A loss on answers stored before training; None: fresh rollouts alone. See `algo.reference`.
    """

    surrogate: Surrogate
    token_weights: Sequence[TokenWeight] = ()
    auxiliary: Sequence[Auxiliary] = ()
    replay: Replay | None = None

    @property
    def entropy_gradient(self) -> bool:
        """Whether a term needs the entropy with its gradient."""
        return any(term.entropy_gradient for term in self.auxiliary)

    @property
    def kl(self) -> KL | None:
        """The term that needs a reference policy; None: no term does."""
        return next((term for term in self.auxiliary if isinstance(term, KL)), None)

    @property
    def needs_every_completion(self) -> bool:
        """Whether completions without advantage go through the policy, too: auxiliary terms learn from them."""
        return bool(self.auxiliary)

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """What the forward pass has to give, each once."""
        asked = [one.statistics for one in (*self.token_weights, *self.auxiliary) if isinstance(one, NeedsStatistics)]
        return tuple(dict.fromkeys(chain.from_iterable(asked)))

    @property
    def choosers(self) -> tuple[Chooses, ...]:
        """What chooses tokens of a whole optimizer step, each once."""
        return tuple(dict.fromkeys(one for one in (*self.token_weights, *self.auxiliary) if isinstance(one, Chooses)))

    def __call__(self, tokens: Tokens) -> tuple[Tensor, Sums]:
        """The loss of a micro-batch, which adds up over micro-batches and ranks, and what there is to log."""
        replayed, tokens = tokens.replayed(), tokens.fresh()
        loss_BT, clipped_BT = self.surrogate(tokens.logp_BT, tokens.old_logp_BT, tokens.advantage_BT, tokens.mask_BT)
        # Tensors, so that the device need not be waited for before the backward pass.
        sums = {
            "tokens": tokens.mask_BT.sum(),
            "clipped": clipped_BT.sum(),
            "entropy": tokens.entropy_BT.detach().sum(),
        }
        for factor in self.token_weights:
            factor_BT, logged = factor(tokens)
            loss_BT = loss_BT * factor_BT
            sums |= logged
        loss = (loss_BT * tokens.weight_BT).sum()
        for term in self.auxiliary:
            loss = loss + (term(tokens) * tokens.auxiliary_weight_BT).sum()
        if self.kl is not None and tokens.reference_logp_BT is not None:
            k3_BT = divergence(tokens.logp_BT.detach(), tokens.reference_logp_BT, "k3")
            sums["kl"] = (k3_BT * tokens.mask_BT).sum()
        if self.replay is not None:
            if len(replayed.mask_BT):
                loss = loss + (self.replay(replayed.logp_BT, replayed.reference_logp_BT) * replayed.weight_BT).sum()
            sums |= {"replayed": replayed.mask_BT.sum(), "replay_logp": replayed.logp_BT.detach().sum()}
        return loss, sums

    def after_step(self, total: Callable[[float], float]) -> None:
        """Tell the terms that remember something; see `Remembers`."""
        for term in self._remembering().values():
            term.after_step(total)

    def state_dict(self) -> dict[str, Any]:
        """What terms remember; empty where none does."""
        return {name: term.state_dict() for name, term in self._remembering().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue with what terms remembered; a term without a saved state begins anew."""
        for name, term in self._remembering().items():
            if name in state:
                term.load_state_dict(state[name])

    def _remembering(self) -> dict[str, Remembers]:
        terms = [term for term in self.auxiliary if isinstance(term, Remembers)]
        return {f"{type(term).__name__}.{number}": term for number, term in enumerate(terms)}

    def metrics(self, sums: Sums) -> dict[str, float]:
        """What the trained tokens of a step show, by stable names.

        Args:
            sums: Those of all its micro-batches together.
        """
        numbers = {name: float(value) for name, value in sums.items()}
        tokens = max(numbers["tokens"], 1.0)
        metrics = {"train/clipped_share": numbers["clipped"] / tokens, "train/entropy": numbers["entropy"] / tokens}
        if "kl" in numbers:
            metrics["train/kl"] = numbers["kl"] / tokens
        if "replayed" in numbers:
            metrics["train/replayed_tokens"] = numbers["replayed"]
            metrics["train/replay_logp"] = numbers["replay_logp"] / max(numbers["replayed"], 1.0)
        for factor in self.token_weights:
            metrics |= factor.metrics(numbers)
        return metrics
