"""A tokenizer with one token a character, for policies that are made from scratch."""

from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def character_tokenizer(characters: str) -> "PreTrainedTokenizerFast":
    """A tokenizer of these characters and of an end-of-sequence token, the first of all, which also pads.

    That token has Qwen2's name: transformers reads any folder of a Qwen2 model with Qwen2's tokenizer class, which
    would add its own end token as a further one otherwise.
    """
    from transformers import PreTrainedTokenizerFast  # slow to import, and only a policy from scratch needs it

    end = "<|endoftext|>"
    vocabulary = {token: index for index, token in enumerate([end, *characters])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=end))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex("."), behavior="isolated")
    backend.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=end, pad_token=end, padding_side="left")
