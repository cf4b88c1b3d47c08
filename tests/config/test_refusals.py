"""Every wrong setting is refused in one sentence that names its key."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException

from rlvr.config import Evaluate, Export, Report, Train, check_types
from rlvr.config.composing import explanation
from rlvr.errors import ConfigError
from rlvr.preflight.settings import check, check_evaluation

CONFIGS = Path(__file__).parents[2] / "configs"
SGD = ["~optimizer", "+optimizer._target_=torch.optim.SGD"]
NSR = ["algo=bbg", "algo/loss=nsr"]


def composed(overrides: list[str], entry: str = "train"):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(entry, ["paths.run_dir=run", *overrides])


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["seed=-1"], "seed=-1: must be a whole number from 0 to 4,294,967,295."),
        (["seed=abc"], "seed=abc: must be a whole number from 0 to"),
        (["seed=${nothing}"], "seed=${nothing}: can't be resolved (Interpolation key 'nothing' not found)."),
        (["trainer.max_steps=1.5"], "trainer.max_steps=1.5: must be a whole number above 0."),
        (["data.numbers=0"], "data.numbers=0: must be a whole number from 2 to 7."),
        (["data.train_size=1000000000"], "data.train_size=1000000000: must be a whole number from 1 to 10,000,000."),
        (["data=files"], "data.train.path: not given; it must be text: hub name, or a local .parquet"),
        (["data=files", "data.train.path=a.csv"], "data.heldout.path: not given"),
        (["model=pretrained"], "model.name: not given; it must be text: folder or hub name."),
        (["+foo=1"], "foo=1: there is no such key; here are model, verifier, data"),
        (["+batch.grop_size=1"], "batch.grop_size=1: there is no such key; did you mean group_size?"),
        (["+model.size.hiden_size=64"], "model.size.hiden_size=64: there is no such key; did you mean hidden_size?"),
        (["+trainer.limit_train_batchs=2"], "trainer.limit_train_batchs=2: there is no such key; did you mean limit_t"),
        (["+trainer.callbacks=[]"], "trainer.callbacks=[]: there is no such key"),
        (["batch=null"], "batch=null: must be a group of keys."),
        (["optimizer=5"], "optimizer=5: must be a group of keys."),
        (["~optimizer"], "optimizer: is missing; it must be a group of keys: what moves the parameters."),
        (["~batch.group_size"], "batch.group_size: is missing; it must be a whole number above 0 (rollouts)"),
        (
            ["optimizer.betas=[0.9]"],
            "optimizer.betas=[0.9]: must be a list of 2, each a number of at least 0 and below",
        ),
        (["optimizer.lr=.nan"], "optimizer.lr=.nan: must be a number above 0."),
        (["lr_schedule=cosin"], "lr_schedule=cosin: must be constant or cosine (did you mean cosine?)."),
        (["trainer.devices=many"], "trainer.devices=many: must be auto or -1, or a whole number of at least 0"),
        (["+callbacks.mine=3"], "callbacks.mine=3: must be a group of keys."),
        (["model._target_=rlvr.algo.BBG"], "model._target_=rlvr.algo.BBG: does not belong here; it must be one of"),
        ([*SGD], "optimizer._partial_: must be true"),
        ([*SGD, "+optimizer._partial_=true", "+optimizer.lrr=1"], "optimizer.lrr=1: torch.optim.SGD has no such arg"),
        (["+callbacks.mine._target_=no.such.Thing"], "callbacks.mine._target_=no.such.Thing: can't be imported (Modu"),
        (
            ["callbacks.collapse._target_=rlvr.callbacks.ColapseGuard"],
            "callbacks.collapse._target_=rlvr.callbacks.Cola",
        ),
        (
            ["+callbacks.mine._target_=lightning.pytorch.callbacks.LambdaCallback", "+callbacks.mine.x=1"],
            "callbacks.mi",
        ),
    ],
)
def test_a_key_by_itself(overrides: list[str], sentence: str):
    """Of the wrong type, out of its range, missing, unknown."""
    with pytest.raises(ConfigError) as caught:
        check_types(composed(overrides), Train)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["data.target_max=9"], "data.target_min=10: must not be above data.target_max=9."),
        (["model.size.hidden_size=63"], "model.size.hidden_size=63: must be divisible by model.size.num_attention_h"),
        (["model.size.hidden_size=6"], "model.size.hidden_size=6: a head would be 3 wide, and rotary embeddings need"),
        (
            ["model.size.num_key_value_heads=4"],
            "model.size.num_key_value_heads=4: must divide model.size.num_attention",
        ),
        (["data=n_queens", "data.given=11"], "data.given=11: must be below data.queens=11."),
        (["data.operator_shares=[0.5,0.5,0.5]"], "data.operator_shares=[0.5, 0.5, 0.5]: must sum to 1, not 1.5."),
        (["algo=bbg", "algo.filter.tau=5"], "algo.filter.tau=5: the gate would drop every problem that loss w_reinf"),
        (["algo=bbg", "algo/filter=bbg_posterior", "algo.filter.tau=5"], "algo.filter.tau=5: the gate would drop eve"),
        ([*NSR, "algo.filter.tau=0.67"], "algo.filter.tau=0.67: the gate would drop every problem that loss nsr can"),
        (["algo=bbg", "algo/loss=grpo", "algo.filter.tau=0.3"], "algo.filter.tau=0.3: the gate would drop every pro"),
        (
            ["algo=passk", "algo.loss.advantage.k=8"],
            "algo.loss.advantage.k=8: loss passk takes k from a group, and lear",
        ),
        (["algo=nft", "algo.loss.signs.positive=0.1"], "algo.loss.signs: NFT's surrogate reads the success rate off"),
        (
            ["algo=nft", "algo.loss.advantage._target_=rlvr.algo.advantages.centred", "~algo.loss.advantage.floor"],
            "algo.loss.surrogate: NFT's needs NFT's advantage",
        ),
        (["algo=pkpo", "algo.loss.advantage.k=9"], "algo.loss.advantage.k=9: loss pkpo takes k from a group, and lear"),
        (
            ["algo=clip_cov", "algo.token_weight.low=5"],
            "algo.token_weight.low=5: must be below algo.token_weight.high=5",
        ),
        (["trainer.devices=0"], "trainer.devices=0: must be at least one."),
        (["trainer.devices=[1,1]"], "trainer.devices=[1, 1]: names a device twice."),
        (["+trainer.strategy=dpp"], "trainer.strategy=dpp: must be one of auto, ddp"),
        (["objective=3"], "objective=3: must be a power of two and at most eval.n=256"),
        (["extras.enforce_tags=true"], "tags=[]: none is given, and extras.enforce_tags asks for some"),
        (["pool=63"], "pool=63: is smaller than one batch of batch.problems_per_step=64"),
        (["eval=math500"], "eval.suite: a suite is for src/eval.py"),
    ],
)
def test_keys_together(tmp_path, overrides: list[str], sentence: str):
    """What one says about another."""
    with pytest.raises(ConfigError) as caught:
        check(composed([f"paths.log_dir={tmp_path}", *overrides]))
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tau", ["0.66", "0"])
def test_the_largest_tau_of_the_sentence_passes(tmp_path, tau: str):
    """As does no gate at all."""
    check(composed([f"paths.log_dir={tmp_path}", *NSR, f"algo.filter.tau={tau}"]))


def test_a_callback_without_its_package(monkeypatch, tmp_path):
    """Lightning's own error would come after the base was made."""
    monkeypatch.setattr("rlvr.preflight.rules.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"callbacks\.device_stats: the package psutil is not installed"):
        check(composed([f"paths.log_dir={tmp_path}", "callbacks=device_stats"]))


@pytest.mark.parametrize("logger", ["wandb", "tensorboard"])
def test_a_logger_without_its_package(monkeypatch, tmp_path, logger: str):
    """With the command that installs it."""
    monkeypatch.setattr("rlvr.preflight.rules.find_spec", lambda name: None)
    install = rf"logger\.{logger}: the package {logger} is not installed; `pip install 'rlvr\[{logger}\]'` brings it"
    with pytest.raises(ConfigError, match=install):
        check(composed([f"paths.log_dir={tmp_path}", f"logger={logger}"]))


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("foo=1", "foo: there is no such key; docs/configuration.md has all keys."),
        ("batch.grop_size=1", "batch.grop_size: there is no such key; did you mean batch.group_size?"),
        ("group_size=1", "group_size: there is no such key; did you mean batch.group_size?"),
        ("algo.filter.tau=5", "algo.filter.tau: the chosen algo.filter has no such key; BBG or BBGPosterior has."),
        ("algo=nonsense", "algo=nonsense: there is no such choice; choose one of as"),
        ("algo=w_reinforc", "algo=w_reinforc: there is no such choice; did you mean w_reinforce"),
        ("experiment=self_qwen7", "experiment=self_qwen7: there is no such choice; did you mean one of self_qwen7b"),
        ("seed=[", "seed=[: can't be read as KEY=VALUE"),
        ("seed", "seed: can't be read as KEY=VALUE"),
        ("~foo", "~foo: there is no such key to delete"),
        ("+seed=3", "+seed: the key is there already; leave the + out."),
        ("algo=grpo,self", "algo=grpo,self: several values are a sweep, which wants -m"),
        ("algo=5", ": a group is chosen by a name"),
        ("data/suite@data.train=x", "data/suite@data.train: nothing is chosen there; + before it adds"),
        ("hydra.run.dirr=x", "hydra.run.dirr: there is no such key"),
    ],
)
def test_what_hydra_refuses(monkeypatch, override: str, sentence: str):
    """Before any function of ours runs."""
    monkeypatch.setattr("sys.argv", ["train.py"])
    with pytest.raises((HydraException, ValueError)) as caught:
        composed([override])
    said = explanation(caught.value)
    assert said is not None
    assert said.startswith(sentence)
    assert "\n" not in said


def test_any_other_error_is_not_explained_away():
    """A fault of the program keeps its stack trace."""
    assert explanation(ValueError("x")) is None
    assert explanation(RuntimeError("x")) is None


@pytest.mark.parametrize(
    ("entry", "declared", "overrides", "sentence"),
    [
        ("eval", Evaluate, ["eval.n=0"], "eval.n=0: must be a whole number above 0."),
        ("eval", Evaluate, ["eval=files"], "eval.path: not given; it must be text: of eval=files"),
        ("report", Report, ["runs=a"], "runs=a: must be a list, each item text."),
        ("export", Export, [], "checkpoint: not given; it must be text: a folder step-N"),
    ],
)
def test_the_other_scripts(entry: str, declared, overrides: list[str], sentence: str):
    """Each has its own declaration."""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        paths = ["paths.run_dir=run"] if entry == "eval" else ["output_dir=x"] if entry == "report" else []
        cfg = compose(entry, [*paths, *overrides])
    with pytest.raises(ConfigError) as caught:
        check_types(cfg, declared)
    assert str(caught.value).startswith(sentence)


def test_eval_py_checks_its_problems(tmp_path):
    """They are made for an evaluation, too."""
    with pytest.raises(ConfigError, match=r"data\.target_min=10: must not be above"):
        check_evaluation(composed([f"paths.log_dir={tmp_path}", "data.target_max=9"], "eval"))


def test_eval_py_has_no_base_to_compare_with(tmp_path):
    """One policy is all that it loads."""
    with pytest.raises(ConfigError, match=r"eval\.cross=true: compares a trained policy with its base"):
        check_evaluation(composed([f"paths.log_dir={tmp_path}", "eval.cross=true"], "eval"))


def test_what_the_report_alone_does_not_bring():
    """Its installation is the smaller one; any other missing module is an error of ours, with its stack trace."""
    said = explanation(ModuleNotFoundError("No module named 'torch'", name="torch"))
    rest = "this environment has the report alone, and `pip install .` in the checkout brings the rest"
    assert said == f"torch is not installed: {rest}."
    assert explanation(ModuleNotFoundError("No module named 'rlvr.gone'", name="rlvr.gone")) is None
