"""What a method, a policy and a run are called."""

import subprocess
import sys

import pytest

from rlvr.names import name_of, pair_of, run_name

ALGO = {"name": "SELF", "pair": "self+grpo", "filter": {"name": "self"}, "loss": {"name": "grpo"}}


def test_a_method_by_its_pair():
    """The published name only for the pair that it stands for; a label before both."""
    other = {**ALGO, "loss": {"name": "nsr"}}
    assert name_of({"algo": ALGO}) == "SELF"
    assert name_of({"algo": other}) == pair_of(other) == "self+nsr"
    shaped = {**ALGO, "shaping": {"name": "overlong"}}
    assert name_of({"algo": shaped}) == pair_of(shaped) == "self+grpo+overlong"
    assert pair_of({**shaped, "token_weight": {"name": "high_entropy"}}) == "self+grpo+overlong+high_entropy"
    assert name_of({"algo": ALGO, "label": "mine"}) == "mine"
    assert run_name(name_of({"algo": ALGO}), 3) == "SELF, seed 3"


@pytest.mark.parametrize(
    ("name", "label", "expected"),
    [
        ("logs/runs/A/policy", None, "A"),
        ("Qwen/Qwen2.5-Math-7B", None, "Qwen2.5-Math-7B"),
        (None, None, "tiny"),
        (None, "mine", "mine"),
        (None, 7, "7"),
    ],
)
def test_a_policy_by_where_it_is_from(name: str | None, label: object, expected: str):
    assert name_of({"label": label, "model": {"name": name}}, "tiny") == expected


def test_names_need_neither_hydra_nor_torch():
    """Whoever reads results in a notebook can use them."""
    script = "import sys, rlvr.names; assert not {'torch', 'hydra'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
