"""Small policies, and prompts with completions of very different lengths, for tests of packing."""

import random

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr.step import TrainingSample
from rlvr.types import Completion, Problem

VOCABULARY = 31
SIZE = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=48)


def policy(architecture: str, **settings):
    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, vocab_size=VOCABULARY, initializer_range=0.3, **SIZE, **settings)
    return AutoModelForCausalLM.from_config(config).train()


def samples(problems: int = 7, group: int = 4, longest: int = 60, seed: int = 0) -> list[TrainingSample]:
    """Prompts and completions of very different lengths, completions of one token among them."""
    draw = random.Random(seed)

    def tokens(most: int) -> tuple[int, ...]:
        return tuple(draw.randrange(VOCABULARY) for _ in range(draw.randint(1, most)))

    made = []
    for number in range(problems):
        problem = Problem(str(number), "", tokens(20), "")
        for _ in range(group):
            completion = tokens(longest)
            rollout = Completion(completion, (0.0,) * len(completion), "", "stop")
            made.append(TrainingSample(problem, rollout, draw.uniform(-1, 1), 1 / len(completion)))
    draw.shuffle(made)
    return made


def alone(model, sample: TrainingSample, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and entropies by a plain forward pass over this sequence only, with plain attention."""
    prompt, completion = sample.problem.prompt_ids, sample.completion.token_ids
    logits_TV = model(torch.tensor([[*prompt, *completion]])).logits[0, len(prompt) - 1 : -1] / temperature
    logp_TV = logits_TV.log_softmax(-1)
    return logp_TV[torch.arange(len(completion)), torch.tensor(completion)], -(logp_TV.exp() * logp_TV).sum(-1)
