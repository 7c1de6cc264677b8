"""Examples in the provider's formats, checked by the loopback provider's own strict reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fine_tuning_server import problem_of
from hypothesis import given
from hypothesis import strategies as st

from corpusmith.core.errors import PreconditionError
from corpusmith.models.hosted import files
from corpusmith.models.hosted.files import chat_line, check_training_file, preference_line, write_file


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def answer(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


WORDS = st.text(min_size=1, max_size=40).filter(lambda text: bool(text.strip()))


@given(st.lists(st.tuples(WORDS, WORDS), min_size=10, max_size=14), st.one_of(st.none(), WORDS))
def test_any_text_makes_lines_that_the_provider_reads(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], system: str | None
) -> None:
    opening = [{"role": "system", "content": system}] if system else []
    lines = [chat_line(f"in#{n}", [*opening, user(q), answer(a)]) for n, (q, a) in enumerate(rows)]
    path = tmp_path_factory.getbasetemp() / "training.jsonl"
    file = write_file(lines, path)
    content = path.read_bytes()
    assert problem_of(content, "supervised", True) is None
    assert (file.rows, file.size_bytes) == (len(rows), len(content))
    assert [json.loads(line) for line in content.decode().split("\n")[:-1]] == [line for _, line in lines]


def test_preference_lines_are_read(tmp_path: Path) -> None:
    pairs = [preference_line(f"in#{n}", [user(f"Q {n}")], "yes", "no") for n in range(10)]
    write_file(pairs, tmp_path / "pairs.jsonl")
    assert problem_of((tmp_path / "pairs.jsonl").read_bytes(), "dpo", True) is None


def test_measuring_is_what_writing_gives(tmp_path: Path) -> None:
    lines = [chat_line(f"in#{n}", [user("How long? " * n + "?"), answer("So long.")]) for n in range(12)]
    written, measured = write_file(lines, tmp_path / "a.jsonl"), write_file(lines, None)
    assert (written.sha256, written.tokens, written.rows) == (measured.sha256, measured.tokens, measured.rows)
    assert written.name == measured.name == f"corpusmith-{written.sha256[:24]}.jsonl"
    assert written.longest[1] == "in#11"


@pytest.mark.parametrize(
    ("messages", "named"),
    [
        ([user("Why?")], "does not end with an answer"),
        ([], "does not end with an answer"),
        ([user("Why?"), answer(" \n")], "an empty turn"),
        ([user(""), answer("So.")], "an empty turn"),
        ([{"role": "tool", "content": "4"}, answer("So.")], "a turn of 'tool'"),
    ],
)
def test_a_row_that_is_no_chat_is_named(messages: list[dict[str, str]], named: str) -> None:
    with pytest.raises(PreconditionError, match=f"in#7.*{named}") as caught:
        chat_line("in#7", messages)
    assert caught.value.fields["row"] == "in#7"


@pytest.mark.parametrize(
    ("prompt", "chosen", "rejected", "named"),
    [
        ([], "yes", "no", "no question"),
        ([answer("yes")], "yes", "no", "no question"),
        ([user("Why?")], "yes", "", "an empty turn"),
        ([user("Why?")], "yes", "yes", "the same"),
    ],
)
def test_a_row_that_is_no_pair_is_named(prompt: Any, chosen: str, rejected: str, named: str) -> None:
    with pytest.raises(PreconditionError, match=f"in#7.*{named}"):
        preference_line("in#7", prompt, chosen, rejected)


def test_a_file_that_is_too_large_is_refused_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 300)
    lines = (chat_line(f"in#{n}", [user("Why?"), answer("So.")]) for n in range(1000))
    with pytest.raises(PreconditionError, match="larger than the 300 bytes"):
        write_file(lines, tmp_path / "a.jsonl")
    assert next(lines)[0] != "in#999"


def test_too_few_examples_are_refused() -> None:
    nine = write_file([chat_line(f"in#{n}", [user("Why?"), answer("So.")]) for n in range(9)], None)
    with pytest.raises(PreconditionError, match="9 examples in split train"):
        check_training_file(nine, "train")
