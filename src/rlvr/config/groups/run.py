"""The entry scripts' own configs: `train.yaml`, `eval.yaml`, `confirm.yaml`, `report.yaml`, `export.yaml`,
`profile.yaml`."""

from typing import Literal

from rlvr.config.groups.algo import Algo
from rlvr.config.groups.data import Data, Suite
from rlvr.config.groups.model import Lora, Model
from rlvr.config.groups.rollout import Rollout
from rlvr.config.groups.trainer import Callback, Logger, Optimizer, Trainer
from rlvr.config.groups.verifier import Verifier
from rlvr.config.keys import Group, key

LARGEST_SEED = 2**32 - 1  # numpy's


class Paths(Group):
    """Where things are written."""

    log_dir: str = key("everything a run leaves")
    cache_dir: str = key("base policies and their evaluations, common to all runs")
    run_dir: str = key("this run's folder")


class Batch(Group):
    """What a rollout and an optimizer step hold."""

    problems_per_step: int = key("P, over all ranks", unit="problems", low=1)
    group_size: int = key("G, rollouts a problem", unit="rollouts", low=1)
    minibatches_per_rollout: int = key("optimizer steps on each rollout batch; 1 is exactly on-policy", low=1)
    micro_batch_tokens: int = key(
        "packed tokens that go through the policy at a time, a rank: what the memory allows", unit="tokens", low=1
    )


class Evaluation(Group):
    """How Pass@k is measured."""

    n: int = key("samples a problem; Pass@k for k = 1, 2, 4, .. n", low=1)
    temperature: float = key("of the softmax; 0: greedy", low=0)
    top_p: float = key("probability kept of the distribution's head", above=0, high=1)
    max_new_tokens: int | None = key("longest completion; null: as in training", unit="tokens", low=1)
    every_n_steps: int = key("between evaluations along the way", unit="optimizer steps", low=1)
    path_problems: int = key("held-out problems in those, and as many of the training problems", low=1)
    train_problems: int = key("training problems in the first and the last one", low=1)
    cross: bool = key(
        "score samples of base and trained policy under both, for the KL between them; holds a copy of the base"
    )
    path: str = key("of eval=files: a .parquet, .jsonl or .csv file", optional=True)
    suite: Suite = key("the set; only for src/eval.py", optional=True)


class Extras(Group):
    """What a run shows, and what it demands, in addition to its work."""

    print_config: bool = key("show the composed config as a tree before the run; its folder has it as config.yaml")
    ignore_warnings: bool = key("leave Python's warnings out of the terminal")
    enforce_tags: bool = key("refuse a run without tags")


class Common(Group):
    """What training and evaluation share."""

    model: Model = key("the base policy")
    verifier: Verifier = key("what is right, and what it is worth")
    data: Data = key("the problems")
    rollout: Rollout = key("what samples completions")
    eval: Evaluation = key("how Pass@k is measured")
    paths: Paths = key("where things are written")
    seed: int = key("of everything random in a run", low=0, high=LARGEST_SEED)
    deterministic: bool = key("true: the same to the bit on GPUs, too, slower; on a CPU it always is")


class Train(Common):
    """`python src/train.py`: one training run."""

    task_name: str | None = key("a study's name: its runs go to logs/NAME/runs; null: to logs/runs")
    tags: list[str] = key("words by which loggers find the run again")
    extras: Extras = key("what a run shows and asks for beside its work")
    pool: int | None = key("train on the first so many of the training problems; null: all", unit="problems", low=1)
    rollouts: int = key("length of the run; each is followed by batch.minibatches_per_rollout optimizer steps", low=1)
    algo: Algo = key("the method")
    batch: Batch = key("what a rollout and an optimizer step hold")
    optimizer: Optimizer = key("what moves the parameters")
    lora: Lora | None = key("adapters; none: all parameters are trained", optional=True)
    trainer: Trainer = key("Lightning's Trainer")
    logger: dict[str, Logger] = key("where metrics go, by any name")
    callbacks: dict[str, Callback] = key("called along the way, by any name")
    warmup_steps: int = key("until the full learning rate", unit="optimizer steps", low=0)
    lr_schedule: Literal["constant", "cosine"] = key("after the warm-up; cosine: down to 0 at the last step")
    gradient_checkpointing: bool = key("keep one activation a layer: less memory, a third more time")
    ckpt_path: str | None = key(
        "last: go on in the newest run's folder, or in that of hydra.run.dir; or a checkpoint's folder"
    )
    allow_changes: bool = key("go on from a checkpoint although model, data or method have changed since")
    objective: int | None = key("k: the run returns its held-out Pass@k, for hparams_search to maximise", low=1)
    preflight: Literal["run", "only"] = key("only: print the plan and stop")
    gpu_gib: float = key("memory of a GPU, for a plan where there is none", unit="GiB", above=0)


class Profile(Train):
    """`python src/profile_method.py`: what methods learn from."""

    methods: list[str] = key("names as in algo=, each with overrides behind it where quoted; none: algo itself")


class Evaluate(Common):
    """`python src/eval.py`: Pass@k of a policy."""

    label: str | int | float | None = key(
        "what tables call the policy; null: its run's folder, its hub name or its config"
    )


class Confirm(Group):
    """`python src/confirm.py`: fresh samples for the problems that the ledger claims as lost or won."""

    runs: list[str] = key("folders of finished runs, of multiruns or of evaluations")
    times: int = key("fresh samples a problem and policy, as a multiple of the evaluation's", low=4, high=16)
    temperatures: list[float] = key("confirmed losses are drawn again at these, too", above=0)
    paths: Paths = key("where things are written")


class Columns(Group):
    """Which column of a file of samples holds what; null: the one with a known name."""

    problem: str | None = key("the problem: a name, a number or its text")
    sample: str | None = key("number of the sample among those of its problem")
    correct: str | None = key("right or wrong")
    prompt: str | None = key("what the policy was asked")
    text: str | None = key("what it answered")
    tokens: str | None = key("length of the answer, or its tokens")
    logp: str | None = key("log-probability of the whole answer, or of each token, nats")
    policy: str | None = key("the policy, where one file holds several")


class Report(Group):
    """`python src/report.py`, or `rlvr-report`: runs side by side, or samples made elsewhere."""

    runs: list[str] = key("folders of finished runs or of multiruns")
    output_dir: str = key("where table and figures go")
    samples: str | dict[str, str | list[str]] | None = key("files of each policy by its name, or one file of all")
    base: str = key("name of the policy that the others are compared with")
    n: int | None = key("of each problem the first so many; null: all", unit="samples", low=1)
    threshold: float | None = key("scores of at least this are right; null: scores must be 0 or 1")
    filter: str | None = key("of lm-evaluation-harness's filters the one that counts, where a file has several")
    columns: Columns = key("which column holds what, where its name is not a known one")


class Export(Group):
    """`python src/export.py`: a checkpoint as a Hugging Face folder."""

    checkpoint: str = key("a folder step-N under checkpoints/ of a run")
    output: str = key("the folder to be made")
