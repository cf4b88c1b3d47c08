"""What the entry scripts import when: a library that a start does not need is not waited for."""

import gc
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from rlvr.memory import for_good

# In the order in which one process imports them; what each is for.
STAGES = {
    "rlvr.build": "train.py asks engine and strategy whether they go together",
    "rlvr.report": "report.py, and the end of a run",
    "rlvr.build.profiles": "profile_method.py, after rlvr.report",
    "rlvr.build.evaluation": "eval.py",
    "rlvr.checkpoint.export": "export.py",
    "rlvr.build.planning": "train.py preflight=only",
    "rlvr.build.run": "train.py",
}
# Library: the first of these stages that may import it, and why none before it does. Only a run's own settings bring
# the others.
FIRST = {
    "matplotlib": ("rlvr.report", "it draws"),
    "transformers": ("rlvr.build.evaluation", "a pair that is refused and a report have no model"),
    "lightning": ("rlvr.build.run", "it trains"),
    "torchmetrics": ("rlvr.build.run", "it comes with Lightning, and brings SciPy's signals and statistics"),
    "scipy.signal": ("rlvr.build.run", "torchmetrics brings it"),
    "pandas": (None, "nothing here works with it"),
    "datasets": (None, "for sets that are on the hub"),
    "reasoning_gym": (None, "for its own tasks"),
    "math_verify": (None, "for mathematics; the verifier's processes import it"),
    "latex2sympy2_extended": (None, "as math_verify"),
    "peft": (None, "for LoRA"),
    "deepspeed": (None, "for its own strategy"),
    "vllm": (None, "for its own engine"),
    "gguf": (None, "for a model in one file"),
    "wandb": (None, "for its own logger"),
    "tensorboard": (None, "for its own logger"),
    "optuna": (None, "for searches, and in the process that searches"),
}


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    """Of these libraries, what is there after each stage."""
    code = (
        "import gc, importlib, json, sys; gc.disable(); wanted = json.loads(sys.argv[1])\n"
        "def there(stage): importlib.import_module(stage); return [name for name in wanted[1] if name in sys.modules]\n"
        "print(json.dumps({stage: there(stage) for stage in wanted[0]})); gc.freeze()"
    )
    wanted = json.dumps([list(STAGES), list(FIRST)])
    done = subprocess.run([sys.executable, "-c", code, wanted], capture_output=True, text=True, check=True)
    return {stage: set(names) for stage, names in json.loads(done.stdout).items()}


@pytest.mark.parametrize("stage", STAGES)
def test_a_start_waits_for_what_it_uses(stage: str, imported: dict[str, set[str]]):
    """Torch, transformers and Lightning together take four seconds."""
    order = list(STAGES)
    later = {name for name, (first, _) in FIRST.items() if first is None or order.index(first) > order.index(stage)}
    assert {name: FIRST[name][1] for name in imported[stage] & later} == {}


def test_what_is_imported_for_good_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Until the end of the process, as everything that was there; a second job, which imports nothing, adds nothing."""
    (tmp_path / "brought_for_good.py").write_text("import gc\nKEPT, WALKED = [], gc.isenabled()\n")
    monkeypatch.syspath_prepend(tmp_path)
    counts = [gc.get_freeze_count()]
    try:
        for _ in range(2):
            with for_good():
                module = importlib.import_module("brought_for_good")
            counts.append(gc.get_freeze_count())
            assert gc.isenabled()
        assert not module.WALKED
        assert counts[0] < counts[1]
        assert counts[2] <= counts[1]  # less where something of before has come to its end meanwhile
        assert not any(each is module.KEPT for each in gc.get_objects())
    finally:
        gc.unfreeze()
