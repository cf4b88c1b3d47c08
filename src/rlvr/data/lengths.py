"""Whether prompts and completions fit into what policy and engine can hold."""

from collections.abc import Sequence

from rlvr.errors import ConfigError
from rlvr.types import Problem


def longest_sequence(problems: Sequence[Problem], new_tokens: int, context: int) -> int:
    """Tokens of the longest prompt and completion together, which end where the context does."""
    return min(max(len(problem.prompt_ids) for problem in problems) + new_tokens, context)


def check_lengths(problems: Sequence[Problem], new_tokens: int, context: int) -> None:
    """Refuse problems whose answers would not fit: all of a rollout's answer, or the first token of an evaluation's,
    since engines cut evaluated completions where the context ends.

    Args:
        problems: The problems.
        new_tokens: What must fit behind each prompt.
        context: Longest prompt and completion together, tokens.

    Raises:
        ConfigError: With the longest prompt's id and length.
    """
    longest = max(problems, key=lambda problem: len(problem.prompt_ids))
    length = len(longest.prompt_ids)
    if length + new_tokens > context:
        answer = f"rollout.sampling.max_new_tokens={new_tokens}" if new_tokens > 1 else "an answer"
        raise ConfigError(
            f"Problem {longest.id}: its prompt of {length} tokens and {answer} do not fit into the context of "
            f"{context} tokens (the policy's, or rollout.engine.max_model_len); shorten one of them, or leave long "
            "prompts out with data.max_prompt_tokens."
        )
