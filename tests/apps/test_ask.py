"""`corpusmith ask`: passages with their rows, a text written from files, and clear answers to what is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from retrieval_corpus import ROWS
from retrieval_doubles import build_index

from corpusmith.apps.commands.ask import Asking, ask


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A workspace with an index, and the index's id."""
    folder = tmp_path_factory.mktemp("ask")
    return folder, build_index(folder, ROWS, questions=0).id


def asking(**more: Any) -> Asking:
    plain: dict[str, Any] = {"model": None, "write": False, "add": (), "k": 3, "filters": (), "mode": None}
    plain |= {"store": None, "encoder": None, "reranker": None, "max_tokens": 64}
    return Asking(**(plain | more))


def asked(place: tuple[Path, str], capsys: pytest.CaptureFixture[str], question: str, **more: Any) -> dict[str, Any]:
    ask(place[1][:10], question, asking(**more), place[0], True)
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_without_a_model_the_passages_are_the_answer(place: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(place, capsys, "Who built the stone bridge of granite, by Bob Ray?")
    assert (found["found"], found["answer"]) == (True, None)
    assert found["citations"][0]["row_id"] == "in.jsonl#1"
    assert found["filters"] == {"author": "Bob Ray"}
    ask(place[1], "Who built the stone bridge?", asking(), place[0], False)
    out = capsys.readouterr().out
    assert "[1] The bridge of Aldwick  in.jsonl#1  https://medium.example/1" in out
    ask(place[1], "Which tariffs hold for semiconductors?", asking(), place[0], False)
    assert "Not found in the index." in capsys.readouterr().out


def test_a_text_is_written_from_files(place: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    note = tmp_path / "note.md"
    note.write_text("# Ovens\n\nA stone oven holds its heat for six hours after the fire is out.\n")
    found = asked(place, capsys, "A post on bread and starters", write=True, add=[f"file://{note}"])
    assert found["citations"][0]["title"] == "note.md"
    text = found["messages"][-1]["content"]
    assert "> A stone oven holds its heat for six hours after the fire is out." in text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"filters": ["colour=red"]}, "no field 'colour'"),
        ({"filters": ["author"]}, "the filter 'author' is none"),
        ({"add": ["x.md"]}, "--add is for writing"),
        ({"write": True, "add": ["https://example.org"]}, "not fetched"),
        ({"write": True, "add": ["/nowhere/x.md"]}, "x.md"),
        ({"mode": "fuzzy"}, "no mode 'fuzzy'"),
        ({"mode": "dense"}, "no vectors"),
        ({"store": "http://127.0.0.1:9"}, "cannot be reached"),
        ({"model": "nobody@1"}, "nobody"),
    ],
)
def test_what_is_wrong_is_named(
    place: Any, capsys: pytest.CaptureFixture[str], more: dict[str, Any], said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        ask(place[1], "bridges?", asking(**more), place[0], False)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_the_command_is_declared() -> None:
    from typer.testing import CliRunner

    from corpusmith.apps.cli import app

    shown = CliRunner().invoke(app, ["ask", "--help"], env={**os.environ, "COLUMNS": "160"}).output
    assert all(option in shown for option in ("--model", "--write", "--add", "--filter", "--store"))
