from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from corpusmith.core.errors import ParameterError, SourceError
from corpusmith.core.rows import Shape
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.store.workspace import Workspace
from corpusmith.tools.ingest import TOOL, IngestParams

LINES = '{"text": "good words one", "n": 1}\nbroken\n{"text": "good words two"}\n{"n": 2}\n'


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.jsonl").write_text(LINES)
    (folder / "pic.png").write_bytes(b"x")
    return folder


def test_rows_rejects_and_ledger(corpus, call_tool):
    result, data = call_tool(TOOL, IngestParams(sources=(str(corpus),)))
    assert (result.rows, result.files, result.rejected, result.skipped) == (2, 1, 2, 1)
    assert result.shape is Shape.TEXT
    assert result.text_field == "text"
    assert result.skipped_files == ("pic.png: an image (.png) is not read",)
    assert data.table(["row_id", "text"]).to_pylist() == [
        {"row_id": "a.jsonl#0", "text": "good words one"},
        {"row_id": "a.jsonl#2", "text": "good words two"},
    ]
    rejects = [json.loads(line) for line in data.file("rejects.jsonl").read_text().splitlines()]
    assert [(reject["row_id"], reject["raw"]) for reject in rejects] == [
        ("a.jsonl#1", "broken"),
        ("a.jsonl#3", '{"n": 2}'),
    ]
    assert data.record.counts.dropped == {"unreadable": 2}


def test_what_was_not_read_and_kept_aside_is_said(corpus, call_tool):
    for name in ("b.jsonl", "c.jsonl"):
        (corpus / name).write_text('{"body": "words in another column"}\n')
    result, _ = call_tool(TOOL, IngestParams(sources=(str(corpus),), text_field="text"))
    assert "Not read: b.jsonl and 1 more: has no column text." in result.notes
    assert "Not read: pic.png: an image (.png) is not read." in result.notes
    aside = next(note for note in result.notes if "kept aside" in note)
    assert aside.startswith("2 records were kept aside as unreadable (1 x not JSON, 1 x the field text is missing")
    assert aside.endswith("corpusmith why a.jsonl#1")


def test_it_stops_after_max_rows(corpus, call_tool):
    result, data = call_tool(TOOL, IngestParams(sources=(str(corpus),), max_rows=1))
    assert result.rows == data.rows == 1
    assert "stopped after 1 rows" in result.notes[-1]


def test_instruction_rows(tmp_path, call_tool):
    path = tmp_path / "qa.jsonl"
    path.write_text('{"question": "How many?", "answer": "Seven."}\n')
    result, data = call_tool(TOOL, IngestParams(sources=(str(path),)))
    assert result.shape is data.shape is Shape.INSTRUCTION
    assert data.table(["text"]).to_pylist() == [{"text": "How many?\n\nSeven."}]


def test_the_snapshot_follows_the_files(corpus):
    params = IngestParams(sources=(str(corpus),))
    before = TOOL.snapshot(params, {})
    (corpus / "a.jsonl").write_text(LINES + LINES)
    assert TOOL.snapshot(params, {}) != before


@pytest.mark.parametrize(
    "wrong", [{"sources": ()}, {"sources": ("a",), "max_rows": 0}, {"sources": ("a",), "colour": 1}]
)
def test_parameters_are_checked(wrong):
    with pytest.raises(ValidationError):
        IngestParams(**wrong)


def test_errors_name_the_thing(corpus, call_tool):
    with pytest.raises(SourceError, match="nowhere"):
        call_tool(TOOL, IngestParams(sources=(str(corpus / "nowhere"),)))
    with pytest.raises(ParameterError, match="'txt'") as caught:
        call_tool(TOOL, IngestParams(sources=(str(corpus),), text_field="txt"))
    assert "Did you mean text?" in caught.value.hint
    with pytest.raises(ParameterError, match="klingon"):
        IngestParams(sources=(str(corpus),), encoding="klingon")


@pytest.fixture
def runner(tmp_path):
    workspace = Workspace.open(tmp_path / "ws")
    yield Runner(workspace, LocalEngine(workers=1), "r-1")
    workspace.close()


def test_the_same_files_are_read_once_and_changed_files_anew(corpus, runner):
    params = {"sources": [str(corpus)]}
    first, again = runner.run_step(TOOL, params, {}), runner.run_step(TOOL, params, {})
    assert (first.cached, again.cached, again.id) == (False, True, first.id)
    (corpus / "a.jsonl").write_text(LINES + LINES)
    later = runner.run_step(TOOL, params, {})
    assert not later.cached
    assert later.artifact.rows == 4


def test_a_corpus_that_moved_has_the_same_content(corpus, runner):
    here = runner.run_step(TOOL, {"sources": [str(corpus)]}, {})
    there = runner.run_step(TOOL, {"sources": [str(corpus.rename(corpus.parent / "elsewhere"))]}, {})
    assert here.artifact.record.content_digest == there.artifact.record.content_digest


def test_a_source_that_cannot_be_read_leaves_nothing(corpus, runner):
    (corpus / "a.jsonl").write_text('{"text": 1}\n{"text": 2}\n')
    with pytest.raises(SourceError):
        runner.run_step(TOOL, {"sources": [str(corpus)], "text_field": "text"}, {})
    assert runner.workspace.artifacts.ids() == []
