"""What the time plan assumes."""

from dataclasses import dataclass, replace

PASS_RATE = 0.5  # part of the problems that pass a filter, for filters that draw again until the batch is full
ELSE = 0.1  # part of a rollout with its steps, added for other work: grading, packing, optimizer, synchronisation


@dataclass(frozen=True)
class Utilisation:
    """Part of the peak that a phase reaches, between 0 and 1.

    Attributes:
        sampling: Generation in a step, by an engine that has many sequences at once.
        evaluation: Generation in an evaluation, where many completions share a prompt and often their first tokens.
        forward: Forward pass of packed micro-batches.
        backward: Backward pass, and what it computes again.
        said_by: Source of the numbers, in words.
    """

    sampling: float
    evaluation: float
    forward: float
    backward: float
    said_by: str

    def over(self, threads: int) -> "Utilisation":
        """Utilisation of the peak of so many threads, where one thread does all the work."""
        shares = {name: share / threads for name, share in vars(self).items() if name != "said_by"}
        return replace(self, **shares)


# The numbers of CPUs in fp32 were measured on one thread of an AMD EPYC by benchmarks/utilisation.py; those in bf16 on
# two threads of an Intel Xeon with AMX by the fourth run of `make reproduce-lm` (speed/mfu_... in its metrics.csv).
# Those of GPUs are guesses, since no GPU has run this. docs/scaling.md compares the plan with measured runs.
SMALL_ON_CPU = Utilisation(
    0.18, 0.40, 0.28, 0.36, "as the embedded default has it on one thread; further ones gain it nothing"
)
ON_CPU = Utilisation(0.40, 0.40, 0.35, 0.60, "as the shapes of SmolLM2-135M have it on one thread")
BF16_ON_CPU = Utilisation(0.09, 0.07, 0.18, 0.09, "as SmolLM2-135M with vLLM has it on two threads with AMX")
ON_GPU = Utilisation(0.10, 0.10, 0.35, 0.35, "a guess: no GPU has run this")
POLICY_ON_GPU = Utilisation(0.02, 0.02, 0.35, 0.35, "a guess: no GPU has run this")  # rollout=hf: decoding by PyTorch
SMALL = 512  # hidden size below which operations are too small for their matrix products to matter most


@dataclass(frozen=True)
class Lengths:
    """Mean tokens of a prompt and a completion, and how they are known."""

    prompt: float
    completion: float
    said_by: str


@dataclass(frozen=True)
class Evaluations:
    """What evaluations sample.

    Attributes:
        n: Samples a problem.
        whole: Problems of the first and of the last one.
        path: Problems of each on the way.
        every_n_steps: Optimizer steps between these.
        said_by: How the number of problems is known, in words.
    """

    n: int
    whole: int
    path: int
    every_n_steps: int
    said_by: str
