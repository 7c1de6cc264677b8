from __future__ import annotations

import shutil

import pytest

from corpusmith.core.errors import SourceError
from corpusmith.core.fingerprints import fingerprint
from corpusmith.sources import snapshot


def test_a_snapshot_is_plain_data_and_says_what_would_be_read(save, tmp_path):
    save("d/b.txt", "hello")
    save("d/a.jsonl", "{}\n")
    save("d/pic.png", "x")
    found = snapshot([str(tmp_path / "d")])
    assert [(file["uri"], file["size_bytes"]) for file in found["files"]] == [("a.jsonl", 3), ("b.txt", 5)]
    assert fingerprint(found)


def test_it_follows_content_and_not_place(save, tmp_path):
    save("d/a.txt", "hello")
    before = snapshot([str(tmp_path / "d")])
    shutil.copytree(tmp_path / "d", tmp_path / "e")
    assert snapshot([str(tmp_path / "e")]) == before
    save("d/a.txt", "hallo")
    assert snapshot([str(tmp_path / "d")]) != before


def test_a_saved_dataset_changes_with_its_files(save, tmp_path):
    save("ds/state.json", "{}")
    save("ds/data-00000-of-00001.arrow", "x")
    before = snapshot([str(tmp_path / "ds")])
    assert [file["uri"] for file in before["files"]] == ["ds"]
    save("ds/data-00000-of-00001.arrow", "y")
    assert snapshot([str(tmp_path / "ds")]) != before


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(SourceError, match="nothing_here"):
        snapshot([str(tmp_path / "nothing_here")])
