"""Fresh samples for claims: drawn from the real policies of runs, once, and gone on with after a stop."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from on_disk import N, rows_of

from rlvr.build.confirmation import confirm
from rlvr.errors import ConfigError
from rlvr.eval import Evaluation, Outcome, RunRecord, SampleStore
from rlvr.eval.confirmation import Confirmation, read_confirmations
from rlvr.report import report_together
from rlvr.report.claimed import claimed
from rlvr.step import SCHEMA

SMALL = ["data.numbers=3", "data.train_size=64", "data.heldout_size=24"]
CONFIGS = Path(__file__).parents[2] / "configs"
TIMES = 4
CLAIMED = {"heldout": 2, "train": 1}


@pytest.fixture(scope="module")
def folders(four_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A run of each method, whose record says that the first problems were always solved and never are now."""
    copies = tmp_path_factory.mktemp("claiming")
    for run in (four_runs[0], four_runs[2]):
        shutil.copytree(run, copies / run.name)
        record = json.loads((run / "pass_at_k.json").read_text())
        for split, count in CLAIMED.items():
            sides = record["splits"][split]
            for index, base in enumerate(sides["base"]["correct"]):
                sides["base"]["correct"][index] = N if index < count else base
                sides["trained"]["correct"][index] = 0 if index < count else base
        (copies / run.name / "pass_at_k.json").write_text(json.dumps(record))
    return [copies / run.name for run in (four_runs[0], four_runs[2])]


def paths(cache: Path, logs: Path) -> DictConfig:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        cfg = compose("confirm", [f"paths.cache_dir={cache}", f"paths.log_dir={logs}", f"paths.run_dir={logs}"])
    return cfg.paths


def rows(logs: Path) -> list[dict]:
    stores = [SampleStore(folder).read(SCHEMA.names).to_pylist() for folder in sorted((logs / "samples").iterdir())]
    return [row for store in stores for row in store]


@pytest.mark.full
def test_exactly_what_is_claimed_is_drawn(folders: list[Path], cache_dir: Path, tmp_path: Path):
    """Of base and trained policy, four times as many samples, other ones than the evaluation's, counted as graded."""
    confirm(claimed(folders[:1]), TIMES, [], paths(cache_dir, tmp_path))
    splits = RunRecord.read(folders[0]).splits
    wanted = {problem for split, count in CLAIMED.items() for problem in splits[split].base.problem_ids[:count]}
    drawn = rows(tmp_path)
    assert {row["problem_id"] for row in drawn} == wanted
    assert len(drawn) == 2 * 3 * TIMES * N
    found = read_confirmations(folders[0])
    assert {split: len(one.drawn) for split, one in found.items()} == CLAIMED
    for one in found.values():
        assert (one.n, one.samples) == (N, TIMES * N)
        for fresh in one.drawn:
            right = sum(row["problem_id"] == fresh.problem_id and row["status"] == "right" for row in drawn)
            assert fresh.base + fresh.now == right
            assert fresh.kind == "loss"


@pytest.mark.full
def test_two_runs_share_their_bases_samples(folders: list[Path], cache_dir: Path, tmp_path: Path):
    """Three folders of samples: one base, two trained policies."""
    confirm(claimed(folders), TIMES, [], paths(cache_dir, tmp_path))
    assert len(list((tmp_path / "samples").iterdir())) == 3
    base = [{one.problem_id: one.base for one in read_confirmations(run)["heldout"].drawn} for run in folders]
    assert base[0] == base[1]


@pytest.mark.full
def test_two_ranks_draw_what_one_does(folders: list[Path], cache_dir: Path, tmp_path: Path):
    """Under torchrun each draws its part of the problems, and the counts are of all of them."""
    confirm(claimed(folders[:1]), TIMES, [], paths(cache_dir, tmp_path / "one"))
    alone = read_confirmations(folders[0])
    (folders[0] / "confirmation.json").unlink()
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    where = [f"paths.cache_dir={cache_dir}", f"paths.log_dir={tmp_path / 'two'}", f"hydra.run.dir={tmp_path}"]
    command = [*launch, "src/confirm.py", f"runs=[{folders[0]}]", f"times={TIMES}", *where]
    subprocess.run(command, cwd=CONFIGS.parent, check=True, timeout=600)
    found = read_confirmations(folders[0])
    assert {split: [(one.problem_id, one.kind) for one in each.drawn] for split, each in found.items()} == {
        split: [(one.problem_id, one.kind) for one in each.drawn] for split, each in alone.items()
    }
    drawn, right = (
        rows(tmp_path / "two"),
        dict.fromkeys((o.problem_id for each in found.values() for o in each.drawn), 0),
    )
    assert len(drawn) == 2 * 3 * TIMES * N
    for row in drawn:
        right[row["problem_id"]] += row["status"] == "right"
    assert right == {one.problem_id: one.base + one.now for each in found.values() for one in each.drawn}


@pytest.mark.full
def test_it_goes_on_where_it_was_stopped(folders: list[Path], cache_dir: Path, tmp_path: Path):
    """Files that are lost are drawn again, the others stay, and the counts are the same; a third start draws none."""
    confirm(claimed(folders[:1]), TIMES, [], paths(cache_dir, tmp_path))
    whole, files = read_confirmations(folders[0]), sorted(tmp_path.glob("samples/*/*.parquet"))
    kept = {path: path.read_bytes() for path in files[1::2]}
    for path in files[::2]:
        path.unlink()
    (folders[0] / "confirmation.json").unlink()
    confirm(claimed(folders[:1]), TIMES, [], paths(cache_dir, tmp_path))
    assert read_confirmations(folders[0]) == whole
    again = sorted(tmp_path.glob("samples/*/*.parquet"))
    assert all(path.read_bytes() == content for path, content in kept.items())
    confirm(claimed(folders[:1]), TIMES, [], paths(cache_dir, tmp_path))
    assert sorted(tmp_path.glob("samples/*/*.parquet")) == again


@pytest.mark.full
def test_the_report_says_what_became_of_the_claims(folders: list[Path], cache_dir: Path, tmp_path: Path):
    """These policies have hardly moved, and so no loss is confirmed."""
    confirm(claimed(folders[:1]), TIMES, [], paths(cache_dir, tmp_path))
    report_together(folders[:1], tmp_path / "report")
    found = read_confirmations(folders[0])
    for row in rows_of(tmp_path / "report", "claims"):
        judged = {one.fresh.problem_id: one for one in found[row["split"]].judged()}[row["problem_id"]]
        assert (row["fresh_base"], row["fresh_now"]) == (str(judged.fresh.base), str(judged.fresh.now))
        assert row["verdict"] == judged.verdict
    counts = {row["split"]: row for row in rows_of(tmp_path / "report", "claim_counts")}
    assert {split: int(row["lost"]) for split, row in counts.items()} == CLAIMED
    page = (tmp_path / "report" / "report.md").read_text()
    assert f"of which {TIMES * N} fresh samples a problem confirm" in page


@pytest.mark.full
def test_confirmed_losses_at_another_temperature(
    folders: list[Path], cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Both policies are drawn again for exactly these, colder; the report has a row of it."""
    first = RunRecord.read(folders[0]).splits["heldout"].base.problem_ids[0]
    monkeypatch.setattr(Confirmation, "losses", lambda self: [one.problem_id for one in self.drawn][:1])
    confirm(claimed(folders[:1]), TIMES, [0.5], paths(cache_dir, tmp_path))
    heldout = read_confirmations(folders[0])["heldout"]
    (tempered,) = heldout.tempered
    assert (tempered.temperature, [one.problem_id for one in tempered.drawn]) == (0.5, [first])
    assert len(rows(tmp_path)) == 2 * 3 * TIMES * N + 2 * 2 * TIMES * N
    report_together(folders[:1], tmp_path / "report")
    row = next(row for row in rows_of(tmp_path / "report", "claims_tempered") if row["split"] == "heldout")
    assert (row["temperature"], row["back"]) == ("0.5", str(heldout.back(tempered)))
    assert row["gone"] == str(heldout.gone(tempered))
    assert "Confirmed losses at other temperatures" in (tmp_path / "report" / "report.md").read_text()


@pytest.mark.full
def test_evaluations_on_a_suite(folders: list[Path], cache_dir: Path, tmp_path: Path):
    """The base's evaluation brings the base, that of a run's policy brings the policy; fresh samples of either."""
    model = {"base": ["model.steps=150"], "now": ["model=pretrained", f"model.name='{folders[0]}/policy'"]}
    counts = {"base": [0, N, N, N], "now": [0, N, 0, 0]}
    ids: tuple[str, ...] = RunRecord.read(folders[0]).splits["heldout"].base.problem_ids[:4]
    for name, overrides in model.items():
        folder = tmp_path / "evals" / name
        found = Evaluation(N, ids, tuple(counts[name]), 5.0, 0.0, 0.5)
        Outcome(name, "default", found, {}, {"right": sum(counts[name])}, 9, 1.0, 1.0, str(tmp_path)).write(folder)
        shared = [f"paths.cache_dir={cache_dir}", f"paths.log_dir={tmp_path}", f"paths.run_dir={tmp_path}"]
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            cfg = compose("eval", [*overrides, *SMALL, f"eval.n={N}", *shared])
        OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    confirm(claimed([tmp_path / "evals"]), TIMES, [], paths(cache_dir, tmp_path))
    (confirmation,) = read_confirmations(tmp_path / "evals" / "now").values()
    names = [one.problem_id for one in confirmation.drawn]
    assert sorted(names) == sorted(ids[2:])
    assert len(rows(tmp_path)) == 2 * 2 * TIMES * N
    stores = [SampleStore(folder).read(SCHEMA.names).to_pylist() for folder in (tmp_path / "samples").iterdir()]
    solved = [[row["problem_id"] for row in store if row["status"] == "right"] for store in stores]
    right = {tuple(those.count(name) for name in names) for those in solved}
    assert right == {tuple(one.base for one in confirmation.drawn), tuple(one.now for one in confirmation.drawn)}


@pytest.mark.full
def test_a_run_that_cannot_be_sampled_again_is_refused(folders: list[Path], tmp_path: Path):
    """In one sentence."""
    run = shutil.copytree(folders[0], tmp_path / "run")
    shutil.rmtree(run / "policy", ignore_errors=True)
    with pytest.raises(ConfigError, match="has no policy, by which its policy could be sampled again"):
        claimed([run])
