"""Bundled documents: the same everywhere, nothing imported, and halves that share no paragraph."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

from corpusmith.core.errors import SourceError
from corpusmith.evals.planting.base import stdlib_rows
from corpusmith.sources.bundled import base_documents, bundled_documents, paragraph_key

STDLIB = Path(sysconfig.get_path("stdlib"))


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Forty modules; each has one paragraph of its own, one that all share, and an empty one."""
    for number in range(40):
        source = f'"""Module {number} does thing {number}.\n\nShared   by ALL modules.\n\n\n\n"""\n'
        (tmp_path / f"m{number}.py").write_text(
            source + "raise SystemExit('imported')\n# A comment,\n# on two lines.\n"
        )
    (tmp_path / "broken.py").write_text("def (:\n")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "m.py").write_text('"""Not this one."""')
    (tmp_path / "pydoc_data").mkdir()
    (tmp_path / "pydoc_data" / "topics.py").write_text("topics = {'with': 'The `with` statement.', 'if': 'On if.'}")
    return tmp_path


def test_documents_of_a_library(library: Path) -> None:
    found = {one.name: one for one in bundled_documents(library)}
    assert set(found) == {*(f"m{n}" for n in range(40)), "pydoc_data.topics.with", "pydoc_data.topics.if"}
    assert found["m7"].paragraphs == ("Module 7 does thing 7.", "Shared   by ALL modules.", "A comment, on two lines.")
    assert found["pydoc_data.topics.with"].title == "Python topic with"
    assert found["pydoc_data.topics.with"].paragraphs == ("The with statement.",)
    with pytest.raises(SourceError, match="no documentation of Python modules"):
        list(bundled_documents(library / "nothing"))


def test_halves_follow_from_the_name(library: Path) -> None:
    run = [one.name for one in bundled_documents(library, "run")]
    base = [one.name for one in bundled_documents(library, "base")]
    assert not set(run) & set(base)
    assert len(run) + len(base) == 42
    assert min(len(run), len(base)) > 10
    (library / "m3.py").write_text('"""Another text."""')
    (library / "m4.py").unlink()
    assert [name for name in run if name != "m4"] == [one.name for one in bundled_documents(library, "run")]


def test_the_base_half_gives_up_what_both_have(library: Path) -> None:
    kept = base_documents(library)
    assert kept
    assert {len(one.paragraphs) for one in kept if one.name.startswith("m")} == {1}
    assert {one.half for one in kept} == {"base"}


@pytest.mark.parametrize("folder", [STDLIB / "asyncio", pytest.param(STDLIB, marks=pytest.mark.slow)])
def test_no_paragraph_of_a_run_stands_in_the_base(folder: Path) -> None:
    base = {paragraph_key(text) for one in base_documents(folder) for text in one.paragraphs}
    assert base
    assert "" not in base
    assert base.isdisjoint(paragraph_key(text) for one in bundled_documents(folder, "run") for text in one.paragraphs)


def test_planting_takes_rows_of_one_half() -> None:
    base = {paragraph_key(text) for one in base_documents(STDLIB / "asyncio") for text in one.paragraphs}
    rows = stdlib_rows(STDLIB / "asyncio", "run")
    assert rows
    assert base.isdisjoint(paragraph_key(text) for row in rows for text in row.text.split("\n\n"))
    assert len(stdlib_rows(STDLIB / "asyncio")) > len(rows)
