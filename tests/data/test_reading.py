import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetInfo
from sets import text_set, write

from rlvr.data.reading import read
from rlvr.errors import ConfigError

COMMIT, OTHER = "0123456789abcdef0123456789abcdef01234567", "f" * 40


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv"])
def test_files(tmp_path, suffix):
    """Each kind of file is read under the columns that the config names; answers stay as they are written."""
    path = tmp_path / f"train.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.table({"question": ["a", "b", "c"], "key": ["007", "None", None]}), path)
    elif suffix == "jsonl":
        path.write_text(
            '{"question": "a", "key": "007"}\n{"question": "b", "key": "None"}\n{"question": "c", "key": null}\n'
        )
    else:
        path.write_text("question,key\na,007\nb,None\nc,\n")
    table = read(text_set(path, problem_column="question", answer_column="key"), "data.train")
    assert table.rows == [("a", "007"), ("b", "None"), ("c", "")]
    assert table.fingerprint == "edce39c58fe1"  # of the rows, so the same for all three
    assert table.revision is None


def test_answers_behind_a_mark_and_in_a_list(tmp_path):
    """GSM8K's answers stand behind the last `####`, OlympiadBench's in a list."""
    path = write(tmp_path / "a.jsonl", ("a", "2 #### 3 = 5\n#### 1,005"), ("b", "no mark"))
    assert read(text_set(path, answer_after="####"), "data.train").rows == [("a", "1,005"), ("b", "")]
    path = write(tmp_path / "b.jsonl", ("a", ["$1$", "$2$"]), ("b", ["$3$"]), ("c", []))
    assert [answer for _, answer in read(text_set(path), "data.train").rows] == ["$1$, $2$", "$3$", ""]


def test_several_columns_make_one_answer(tmp_path):
    """A JSON object under the verifier's names of them, of lists and texts as they are; some tests may be shown."""
    path = tmp_path / "code.jsonl"
    path.write_text('{"text": "a", "asserts": ["f() == 1", "f() == \'x\'"], "imports": null}\n')
    part = text_set(path, problem_column="text", answer_column={"tests": "asserts", "setup": "imports"}, shown_tests=1)
    ((problem, answer),) = read(part, "data.train").rows
    assert problem == "a\nIt must pass tests such as:\nf() == 1"
    assert json.loads(answer) == {"tests": ["f() == 1", "f() == 'x'"], "setup": None}
    path = tmp_path / "code.csv"
    path.write_text("text,asserts,name\na,f() == 007,007\n")
    names = {"tests": "asserts", "entry_point": "name"}
    ((problem, answer),) = read(text_set(path, problem_column="text", answer_column=names), "data.train").rows
    assert (problem, json.loads(answer)) == ("a", {"tests": "f() == 007", "entry_point": "007"})
    part = text_set(path, problem_column="text", answer_column={"tests": "assert"})
    with pytest.raises(ConfigError, match=r"^data\.train\.answer_column\.tests=assert: .* only the columns text, asse"):
        read(part, "data.train")


def test_faults_name_the_setting(tmp_path):
    """A missing file, a wrong column or split and a broken file are told by the setting's name."""
    good = write(tmp_path / "good.jsonl", ("good", "1"))
    (tmp_path / "broken.jsonl").write_text("not json")
    (tmp_path / "nothing.jsonl").write_text("")
    (tmp_path / "list.json").write_text('[{"problem": "a", "answer": "1"}]')
    faults = {
        r"^data\.train\.path=\S+missing\.parquet: there is no such file": text_set(tmp_path / "missing.parquet"),
        r"^data\.train\.answer_column=solution: .* only the columns problem, answer": text_set(
            good, answer_column="solution"
        ),
        r"^data\.train\.path=.*split": text_set(good, split="test"),
        r"^data\.train\.path=.*broken": text_set(tmp_path / "broken.jsonl"),
        r"^data\.train\.path=\S+nothing\.jsonl: is empty or": text_set(tmp_path / "nothing.jsonl"),
        r"^data\.train\.path=\S+list\.json: files are read that end in \.parquet": text_set(tmp_path / "list.json"),
    }
    for sentence, part in faults.items():
        with pytest.raises(ConfigError, match=sentence) as caught:
            read(part, "data.train")
        assert "\n" not in str(caught.value)


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """A cache as `datasets` leaves it after reading nobody/tiny from the hub, and no network."""
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    folder = tmp_path / "nobody___tiny" / "default" / "0.0.0" / COMMIT
    rows = Dataset.from_dict({"problem": ["a", "b"], "answer": ["1", "2"]})
    rows.save_to_disk(str(tmp_path / "saved"))
    folder.mkdir(parents=True)
    (tmp_path / "saved" / "data-00000-of-00001.arrow").rename(folder / "tiny-train.arrow")
    info = {"builder_name": "parquet", "dataset_name": "tiny", "config_name": "default", "version": "0.0.0"}
    splits = {"train": {"name": "train", "num_bytes": 0, "num_examples": 2, "dataset_name": "tiny"}}
    DatasetInfo.from_dict({**info, "features": rows.features.to_dict(), "splits": splits}).write_to_directory(folder)


@pytest.mark.usefixtures("hub_cache")
def test_the_offline_cache_is_read_and_says_its_revision():
    """What a machine with a network has read before is there without one, and the run can say which commit it was."""
    for revision in (None, COMMIT, "main"):
        table = read(text_set("nobody/tiny", revision=revision), "data.train")
        assert (table.rows, table.revision) == ([("a", "1"), ("b", "2")], COMMIT)


@pytest.mark.usefixtures("hub_cache")
def test_a_cache_of_another_revision_is_refused():
    """`datasets` would silently give the newest copy that it has."""
    with pytest.raises(ConfigError, match=f"^data.heldout.revision={OTHER}: the cache holds nobody/tiny at {COMMIT}"):
        read(text_set("nobody/tiny", revision=OTHER), "data.heldout")


@pytest.mark.usefixtures("hub_cache")
def test_a_hub_out_of_reach():
    """Without a network, the error says what to do instead."""
    with pytest.raises(ConfigError, match=r"^data\.heldout\.path=nobody/no-such-set: .*beforehand.*\.parquet"):
        read(text_set("nobody/no-such-set"), "data.heldout")
