"""Data from a path and from the demo: what is read, how it is split, and that a stale cache is never opened."""

import json
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

STORIES = [f"story {i}: " + " ".join(f"word{i * j % 97}" for j in range(60)) for i in range(200)]


def all_documents(parts: list[object]) -> list[str]:
    return [document for part in parts for document in part()]  # type: ignore[operator]


def write(path: Path, kind: str) -> Path:
    file = path / f"data.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"text": STORIES, "n": list(range(200))}), file, row_group_size=50)
    elif kind == "jsonl":
        file.write_text("".join(json.dumps({"text": story}) + "\n" for story in STORIES))
    else:
        file.write_text("\n\n".join(story + "\n" + story for story in STORIES))
    return file


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "txt", "md"])
@pytest.mark.parametrize("as_folder", [True, False])
def test_a_path_is_read_whole_and_split_without_overlap(
    corpus: ModuleType, tmp_path: Path, kind: str, as_folder: bool
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    file = write(folder, kind)
    opened = corpus.open_corpus(str(folder if as_folder else file), 1)
    train, val = all_documents(opened.train), all_documents(opened.val)
    assert train and not set(train) & set(val)
    for story in STORIES:
        assert any(story in document for document in [*train, *val])
    if kind in {"parquet", "jsonl"}:
        assert val and len(train) + len(val) == 200


def test_equal_documents_fall_on_the_same_side(corpus: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "twice.jsonl").write_text("".join(json.dumps({"text": story}) + "\n" for story in STORIES * 2))
    opened = corpus.open_corpus(str(tmp_path / "twice.jsonl"), 1)
    assert not set(all_documents(opened.train)) & set(all_documents(opened.val))


def test_the_demo_is_the_same_each_time_and_keeps_whole_files_for_validation(corpus: ModuleType) -> None:
    one, two = corpus.open_corpus("demo", 1), corpus.open_corpus("demo", 1)
    assert one.data_hash == two.data_hash
    files = [{part.args[0] for part in parts} for parts in (one.train, one.val)]
    assert files[0] and files[1] and not files[0] & files[1]
    assert all_documents(one.val) == all_documents(two.val)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet="ab \n", max_size=400), size=st.integers(1, 50))
def test_cutting_loses_nothing(corpus: ModuleType, text: str, size: int) -> None:
    assert "".join(corpus.cut(text, size)) == text


def test_changed_data_has_another_hash_and_so_another_cache(
    prepare: ModuleType, corpus: ModuleType, tmp_path: Path
) -> None:
    file = write(tmp_path, "jsonl")
    first = prepare.prepare(str(file), "byte", 1)
    assert prepare.prepare(str(file), "byte", 1) == first
    with file.open("a") as out:
        out.write(json.dumps({"text": "one more"}) + "\n")
    second = prepare.prepare(str(file), "byte", 1)
    assert second["data_hash"] != first["data_hash"] and second["cache"] != first["cache"]
    assert second["train_docs"] + second["val_docs"] == first["train_docs"] + first["val_docs"] + 1
    assert prepare.prepare(str(file), "char", 1)["data_hash"] == second["data_hash"]
    assert len(list((tmp_path / "cache" / "tokens").iterdir())) == 3, "and nothing half made is left"


def test_pinned_data_that_changed_is_refused(
    prepare: ModuleType, corpus: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path, "jsonl")
    monkeypatch.setattr(prepare, "DATA_HASH", "0" * 64)
    with pytest.raises(corpus.CorpusError, match="DATA_HASH") as refusal:
        prepare.prepare(str(file), "byte", 1)
    assert corpus.open_corpus(str(file), 1).data_hash in str(refusal.value)


@pytest.mark.parametrize(
    "name, content, says",
    [
        ("nothing.bin", "x", "expected a .parquet"),
        ("bad.jsonl", '{"text": "a"}\n{"body": "b"}\n', "line 2"),
        ("bad.jsonl", '{"text": "a"}\nnot json\n', "line 2"),
        ("bad.jsonl", '{"text": 5}\n', "expected a string"),
        ("empty.txt", "  \n", "too little text"),
    ],
)
def test_unusable_data_is_refused_with_its_place(
    prepare: ModuleType, corpus: ModuleType, tmp_path: Path, name: str, content: str, says: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(corpus.CorpusError, match=says):
        prepare.prepare(str(tmp_path / name), "byte", 1)


def test_a_parquet_file_without_text_is_refused_with_its_columns(
    prepare: ModuleType, corpus: ModuleType, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"body": ["a"]}), tmp_path / "x.parquet")
    with pytest.raises(corpus.CorpusError, match="no column `text`, only body"):
        prepare.prepare(str(tmp_path / "x.parquet"), "byte", 1)
