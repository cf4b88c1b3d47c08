"""Collects one rollout batch: rounds of drawing, filtering, sampling and grading, until the batch is full."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

import torch
from torch import Tensor

from rlvr.algo import Filter, Loss, Outcomes
from rlvr.data.cursor import ProblemCursor
from rlvr.ranks import Ranks
from rlvr.rollout.engine import RolloutEngine, Sampling, call_seed
from rlvr.step.batch import RolloutBatch
from rlvr.step.sampling import sample_groups
from rlvr.timing import Stopwatch
from rlvr.types import Group, Problem
from rlvr.verify.verifier import Verifier

# A round draws at most this many times what is missing, however little the filter let through.
MAX_OVERDRAW = 8
NUMBERS = 5  # of each completion, that are sent to all ranks, see `_outcome`


def pass_rate(part: int, whole: int, before: float) -> float:
    """Share that a filter lets through, for the size of the next draw; the old one where the filter saw nothing."""
    return max(part / whole, 1 / MAX_OVERDRAW) if whole else before


@dataclass
class _Gathered:
    """What the rounds of a step have brought: this rank's groups, and every rank's numbers in the order drawn."""

    groups: list[Group] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)
    outcomes: list[list[list[float]]] = field(default_factory=list)  # see `_outcome`
    seen: set[str] = field(default_factory=set)
    skipped: list[Problem] = field(default_factory=list)
    rounds: int = 0
    selected: int = 0
    drawn: int = 0  # problems drawn, those put back among them,
    passed: int = 0  # let through before sampling,
    sampled: int = 0
    fit: int = 0  # and let through after grading, also beyond a full batch
    greedy_tokens: int = 0


class Collector:
    """Draws, filters, samples and grades; the step that trains learns from what it collects.

    All ranks take the same decisions on the same draws and share only the work, so that a step holds the same problems
    on one rank as on many.

    Args:
        problems: The pool.
        engine: Samples completions.
        verifier: Judges them.
        filter: Which problems may update the policy.
        loss: Gives completions their advantages.
        sampling: How completions are drawn.
        problems_per_step: P, problems in a rollout batch over all ranks.
        group_size: G, completions a problem.
        seed: Of problem order and sampling.
        ranks: This one among all.
        clock: Gets the seconds of each phase.
        claimed: Ids of problems that are never sampled, since stored answers stand for them.
        standalone: Mean log-probability of each completion of some groups without its prompt, a collective; called
            only where the loss reads it.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        engine: RolloutEngine,
        verifier: Verifier,
        filter: Filter,
        loss: Loss,
        sampling: Sampling,
        problems_per_step: int,
        group_size: int,
        seed: int,
        ranks: Ranks,
        clock: Stopwatch,
        claimed: Container[str] = (),
        standalone: Callable[[Sequence[Group]], list[list[float]]] | None = None,
    ) -> None:
        self.cursor = ProblemCursor(problems, seed)
        self.engine = engine
        self.verifier = verifier
        self.filter = filter
        self.loss = loss
        self.sampling = sampling
        self.problems_per_step = problems_per_step
        self.group_size = group_size
        self.seed = seed
        self.ranks = ranks
        self.clock = clock
        self.claimed = claimed
        self.standalone = standalone
        self.rates = (1.0, 1.0)  # of the last step's problems, what the filter let through before and after sampling

    def collect(self, version: int) -> RolloutBatch:
        """Collect one batch with the policy at `version`, in rounds until it is full or there is nothing to draw."""
        with self.clock.phase("sync"):
            self.engine.sync(version)
        so_far = _Gathered()
        rates = self.rates if self.filter.refill else (1.0, 1.0)
        while so_far.rounds < self.filter.max_rounds and so_far.selected < self.problems_per_step:
            found = self._round(so_far, version, *rates)
            if found is None:
                break  # Every problem of the pool was tried in this step.
            rates = found
            if not self.filter.refill:
                break
        self.engine.sleep()
        # The next step begins with what it will probably need: a round waits for its longest answer, however few.
        before, after = self.rates
        self.rates = (pass_rate(so_far.passed, so_far.drawn, before), pass_rate(so_far.fit, so_far.sampled, after))
        return self._batch(so_far, version)

    def _round(
        self, so_far: _Gathered, version: int, chosen_rate: float, selected_rate: float
    ) -> tuple[float, float] | None:
        """Draw what is probably missing, and add what comes of it; the rates that this round has seen, or None."""
        missing = self.problems_per_step - so_far.selected
        to_sample = ceil(missing / selected_rate)
        to_draw = min(ceil(to_sample / chosen_rate), MAX_OVERDRAW * missing)
        drawn = self.cursor.draw(to_draw, exclude=so_far.seen)
        if not drawn:
            return None
        so_far.rounds += 1
        candidates = self._candidates(drawn, version, so_far)
        chosen, spare = candidates[:to_sample], candidates[to_sample:]
        self.cursor.put_back(spare)
        so_far.seen |= {problem.id for problem in drawn} - {problem.id for problem in spare}
        passed = {problem.id for problem in candidates}
        so_far.skipped += [problem for problem in drawn if problem.id not in passed]
        # The turn goes on from round to round, so that small rounds do not all fall to rank 0.
        groups = self._sample(self.ranks.shard(chosen, so_far.sampled), version, so_far.rounds)
        outcomes = self.ranks.gather(list(map(_outcome, groups)), so_far.sampled)
        success_P = torch.tensor([sum(right) for _, right, *_ in outcomes])
        weight_P = self.filter.weigh([problem.id for problem in chosen], success_P, self.group_size)
        fit = int((weight_P > 0).sum())
        # What a round brings beyond a full batch is left out, so that every step has the same size.
        weight_P[(weight_P > 0).cumsum(0) > missing] = 0
        selected = int((weight_P > 0).sum())
        so_far.groups += groups
        so_far.weights.append(weight_P)
        so_far.outcomes += outcomes
        so_far.selected += selected
        so_far.drawn += len(drawn)
        so_far.passed += len(candidates)
        so_far.sampled += len(chosen)
        so_far.fit += fit
        before = pass_rate(len(candidates), len(drawn), chosen_rate)
        return before, pass_rate(selected, len(chosen), selected_rate)

    def _candidates(self, drawn: Sequence[Problem], version: int, so_far: _Gathered) -> list[Problem]:
        """The problems that the filter lets through before sampling, in the order drawn; it decides on every rank."""

        def solved_greedily(problems: Sequence[Problem]) -> list[bool]:
            mine = self.ranks.shard(problems)
            greedy = replace(self.sampling, temperature=0.0)
            services = (self.engine, self.verifier)
            groups = sample_groups(*services, mine, 1, greedy, version, seed=0, clock=self.clock, phase="greedy")
            so_far.greedy_tokens += sum(len(group.completions[0].token_ids) for group in groups)
            return self.ranks.gather([group.successes > 0 for group in groups])

        unclaimed = [problem for problem in drawn if problem.id not in self.claimed]
        passed = {problem.id for problem in self.filter.before(unclaimed, solved_greedily)}
        return [problem for problem in drawn if problem.id in passed]

    def _sample(self, problems: Sequence[Problem], version: int, round_: int) -> list[Group]:
        seed = call_seed(self.seed, "sample", version, round_, 0)
        services, size = (self.engine, self.verifier), self.group_size
        return sample_groups(*services, problems, size, self.sampling, version, seed, self.clock)

    def _batch(self, so_far: _Gathered, version: int) -> RolloutBatch:
        """This rank's part; advantages are computed over the groups of all ranks."""
        weight_P = torch.cat([torch.empty(0), *so_far.weights])
        outcomes = self._outcomes(so_far)
        if self.loss.reads_standalone:
            outcomes = replace(outcomes, standalone_logp_PG=self._standalone_logps(so_far.groups, weight_P))
        advantage_PG = self.loss.advantages(outcomes, weight_P)
        selected_P = weight_P > 0
        place_P = torch.where(selected_P, selected_P.cumsum(0) - 1, -1)
        return RolloutBatch(
            groups=tuple(so_far.groups),
            weight_P=self.ranks.shard(weight_P),
            advantage_PG=self.ranks.shard(advantage_PG),
            place_P=self.ranks.shard(place_P),
            selected=so_far.selected,
            drawn=len(so_far.seen),
            rounds=so_far.rounds,
            version=version,
            greedy_tokens=so_far.greedy_tokens,
            skipped=tuple(so_far.skipped),
        )

    def _outcomes(self, so_far: _Gathered) -> Outcomes:
        numbers = torch.tensor(so_far.outcomes).reshape(len(so_far.outcomes), NUMBERS, self.group_size)
        reward_PG, right_PG, length_PG, truncated_PG, logp_PG = numbers.unbind(1)
        return Outcomes(
            reward_PG, right_PG > 0, length_PG, truncated_PG > 0, logp_PG, max_tokens=self.sampling.max_new_tokens
        )

    def _standalone_logps(self, groups: Sequence[Group], weight_P: Tensor) -> Tensor:
        """For all ranks' groups [P, G]; 0 for groups of weight 0, which do not go through the policy."""
        if self.standalone is None:
            raise ValueError(f"loss {self.loss.name} reads completions without their prompts, and nobody scores them.")
        selected = (self.ranks.shard(weight_P) > 0).tolist()
        scored = iter(self.standalone([group for group, chosen in zip(groups, selected, strict=True) if chosen]))
        mine = [next(scored) if chosen else [0.0] * self.group_size for chosen in selected]
        return torch.tensor(self.ranks.gather(mine)).reshape(len(weight_P), self.group_size)

    def state_dict(self) -> dict[str, Any]:
        """The cursor, the filter's rates and what it remembers, the same on every rank; sampling seeds derive from the
        policy version and need no state."""
        remembered = self.filter.state_dict()
        state = {"cursor": self.cursor.state_dict(), "rates": list(self.rates)}
        return {**state, "filter": remembered} if remembered else state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the problem that would have come next."""
        self.cursor.load_state_dict(state["cursor"])
        first, second = state.get("rates", self.rates)
        self.rates = (first, second)
        self.filter.load_state_dict(state.get("filter", {}))


def _outcome(group: Group) -> list[list[float]]:
    """The numbers of each completion by which all groups are compared: see `Outcomes`, in its order."""
    verdicts, completions = group.verdicts, group.completions
    return [
        [verdict.reward for verdict in verdicts],
        [float(verdict.status == "right") for verdict in verdicts],
        [float(one.trainable_tokens) for one in completions],
        [float(one.finish == "length") for one in completions],
        [one.trainable_logp / max(one.trainable_tokens, 1) for one in completions],
    ]
