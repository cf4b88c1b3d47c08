"""How a problem becomes the prompt that the policy sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.errors import ConfigError

# Llama's template writes the date into the prompt: today's, unless it is given one. This one is its own fallback.
TEMPLATE_DATE = "26 Jul 2024"


@dataclass(frozen=True)
class Template:
    r"""How a problem becomes a prompt.

    Attributes:
        instruction: What follows the problem on a line of its own, for example how to mark the final answer.
        system: System message; null leaves it to the tokenizer's chat template.
        chat: Through the tokenizer's chat template, as one user message; else plain text.
        enable_thinking: For chat templates that know it, as Qwen3's, whose prompt ends in an empty think block when
            false; null: not handed over.
    """

    instruction: str
    system: str | None
    chat: bool
    enable_thinking: bool | None = None

    def check(self, tokenizer: Any) -> None:
        """Check that this tokenizer can render the template.

        Raises:
            ConfigError: When it has no chat template, or none that could think.
        """
        if self.chat and not tokenizer.chat_template:
            raise ConfigError("data.template.chat=true: this model's tokenizer has no chat template; set it to false.")
        if self.enable_thinking and "enable_thinking" not in str(tokenizer.chat_template):
            raise ConfigError("data.template.enable_thinking=true: this model's chat template knows no such switch.")

    def render(self, problem: str, tokenizer: Any) -> str:
        """The prompt, up to where the policy's answer starts."""
        request = _lines(problem, self.instruction)
        if not self.chat:
            return _lines(self.system, request)
        messages = [{"role": "system", "content": self.system}] if self.system else []
        messages.append({"role": "user", "content": request})
        switches = {} if self.enable_thinking is None else {"enable_thinking": self.enable_thinking}
        prompt: str = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, date_string=TEMPLATE_DATE, **switches
        )
        return prompt

    def tokenize(self, prompts: Sequence[str], tokenizer: Any) -> list[tuple[int, ...]]:
        """Token ids of rendered prompts; a chat template has the special tokens in its text already."""
        if not prompts:
            return []
        return [tuple(ids) for ids in tokenizer(list(prompts), add_special_tokens=not self.chat)["input_ids"]]


def _lines(*parts: str | None) -> str:
    return "\n".join(part for part in parts if part)
