"""`configs/data/`: the problems that are trained on, and those held out."""

from typing import Any, Literal

from rlvr.config.keys import Built, key

MOST_PROBLEMS = 10_000_000  # about 10 GiB of prompts and answers on every rank


class Data(Built):
    """Problems."""


class Countdown(Data):
    """Countdown: reach a number with digits and + - *."""

    numbers: int = key("digits a problem; at 4, blind guessing solves nearly all in 256 tries", low=2, high=7)
    target_min: int = key("smallest target", low=1, high=9999)
    target_max: int = key("largest target", low=1, high=9999)
    train_size: int = key("problems in the pool that RL draws from", low=1, high=MOST_PROBLEMS)
    heldout_size: int = key("problems kept for evaluation", low=1, high=MOST_PROBLEMS)
    seed: int = key("of the problems, not of the run: all runs share them", low=0)
    operator_shares: tuple[float, float, float] = key(
        "chances of + - * in the demonstrations for model=tiny and model=taught; problems have them evenly",
        low=0,
        high=1,
        optional=True,
    )
    prompt: str = key("what the policy reads, with {digits} or {numbers}, and {target}", optional=True)


class NQueens(Data):
    """N queens: complete a board so that no queen attacks another."""

    queens: int = key("queens on a board, as many as it has rows; the more, the rarer is a right guess", low=4, high=12)
    given: int = key("queens that stand already; the more, the fewer answers are right", low=0, high=12)
    train_size: int = key("problems in the pool that RL draws from", low=1, high=MOST_PROBLEMS)
    heldout_size: int = key("problems kept for evaluation", low=1, high=MOST_PROBLEMS)
    seed: int = key("of the problems, not of the run: all runs share them", low=0)


class Template(Built):
    """How a problem becomes a prompt."""

    instruction: str = key("what follows the problem on a line of its own")
    system: str | None = key("system message; null: what the tokenizer's chat template does without one")
    chat: bool = key("through the tokenizer's chat template; false: plain text")
    enable_thinking: bool | None = key("for chat templates that know it; null: not handed over", optional=True)


class TextSet(Built):
    """One set of problems in words, from the hub or a file."""

    path: str = key("hub name, or a local .parquet, .jsonl or .csv file")
    name: str | None = key("configuration of a hub data set that has several")
    split: str = key("split, a slice such as train[:100] included; a file has only train")
    revision: str | None = key("commit, tag or branch of a hub name")
    problem_column: str = key("column with the problem")
    answer_column: str | dict[str, str] = key(
        "column with the reference answer, in a form that the verifier reads; or several, by its names of them"
    )
    answers: Literal["all", "any"] = key(
        "several answers in one row: all of them are the answer, or any is", optional=True
    )
    answer_after: str | None = key("the answer follows the last of these; null: all of the column", optional=True)
    shown_tests: int = key("so many of answer_column.tests, a list, stand below the problem", low=0, optional=True)
    limit: int | None = key("problems at most", low=1)


class InWords(Built):
    """Problems in words."""

    template: Template = key("how a problem becomes a prompt")
    max_prompt_tokens: int = key("problems with a longer prompt are left out", unit="tokens", low=1)


class TextProblems(InWords, Data):
    """Sets of problems with reference answers."""

    train: TextSet = key("the pool that RL draws from")
    heldout: TextSet = key("problems for evaluation")
    on_bad: Literal["drop", "refuse"] = key("rows without a readable answer, repeated or too long: drop, or an error")
    contamination: Literal["remove", "report"] = key("training problems that are held out, too: remove, or only say so")
    keep_apart: dict[str, TextSet] = key("further sets that training must not see")


class ReasoningGym(InWords, Data):
    """A task of the package reasoning_gym."""

    task: str = key("its name in reasoning_gym")
    settings: dict[str, Any] = key("the task's own options, beyond its defaults")
    train_size: int = key("problems in the pool that RL draws from", low=1, high=MOST_PROBLEMS)
    heldout_size: int = key("problems kept for evaluation", low=1, high=MOST_PROBLEMS)
    seed: int = key("of the problems, not of the run: all runs share them", low=0)
    cache_dir: str = key("where the problems are kept, made once for all ranks and runs")


class Suite(InWords):
    """A set for evaluation alone."""

    questions: TextSet = key("the set")
    on_bad: Literal["drop", "refuse"] = key("rows without a readable answer, repeated or too long: drop, or an error")
