"""Planting: the corpus is what the truth says it is, row by row, and the same seed gives the same bytes."""

from __future__ import annotations

import csv
import gzip
import html
import json
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from corpusmith.core.errors import ParameterError, SourceError
from corpusmith.evals.planting import PROFILES, PlantedTruth, ProfileName, plant, planter
from corpusmith.evals.planting.__main__ import main
from corpusmith.evals.planting.prose import is_clean, jaccard
from corpusmith.evals.planting.wording import words_of

_NOUNS = words_of(
    "river cabin tower garden market station harbour village bridge library forest window kitchen valley signal "
    "letter mirror engine ladder carpet basket meadow pillar tunnel barrel lantern orchard pocket saddle temple"
)
_VERBS = words_of("crosses follows carries watches repairs remembers measures protects surrounds describes")
_PATTERNS = (
    "The {0} {4} a {1}, and it is used by those who have been to that {2} or to any other {3}.",
    "When one {0} {4} its own {1}, there can be no {2} for the {3} at all.",
    "This {0} is so old that each {1} of it {4} more than a {2} does with some {3}.",
    "If you have seen how a {0} {4} this {1}, then you may also know why all {2} must be like an old {3}.",
    "Only the first {0} was not {1} when they {4} into their {2}, but that has been the {3} of it.",
    "Where a {0} and a {1} are at the same {2}, which {3} {4} by day is for you to say.",
)


def prose(root: Path, documents: int) -> Path:
    """A folder of made-up English prose."""
    rng = random.Random(5)
    for number in range(documents):
        sentences = [rng.choice(_PATTERNS).format(*rng.sample(_NOUNS, 4), rng.choice(_VERBS)) for _ in range(80)]
        text = "\n\n".join(" ".join(sentences[place : place + 3]) for place in range(0, 80, 3))
        if number % 2:
            body = "".join(f"<p>{piece}</p>" for piece in text.split("\n\n"))
            (root / f"page{number}.html").write_text(f"<title>page</title><nav>Home</nav>{body}", "utf-8")
        else:
            (root / f"text{number}.txt").write_text(text, "utf-8")
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough for a hundred rows."""
    return prose(tmp_path_factory.mktemp("prose"), 16)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Enough for five hundred rows; read once for all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planter, "folder_rows", cache(planter.folder_rows))
        yield prose(tmp_path_factory.mktemp("large"), 70)


@pytest.fixture(scope="module", params=list(ProfileName))
def planted(request: pytest.FixtureRequest, large: Path, tmp_path_factory: pytest.TempPathFactory) -> PlantedTruth:
    out = tmp_path_factory.mktemp("out") / request.param
    return plant(out, base=large, profile=request.param, seed=3, rows=500)


def read_rows(root: Path) -> dict[str, str]:
    """Every row of a planted corpus by id, read with nothing but the standard library and pyarrow."""
    rows: dict[str, str] = {}
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        name = path.relative_to(root).as_posix()
        if name.endswith((".jsonl", ".jsonl.gz")):
            raw = path.read_bytes()
            lines = (gzip.decompress(raw) if name.endswith("gz") else raw).decode().rstrip("\n").split("\n")
            records = [json.loads(line) for line in lines]
        elif name.endswith(".csv"):
            encoding = re.sub(r"^notes-", "", path.stem) if name.startswith("legacy/") else "utf-8"
            with path.open(encoding=encoding, newline="") as file:
                records = list(csv.DictReader(file))
        elif name.endswith(".parquet"):
            records = pq.read_table(path).to_pylist()
        else:
            records = [{"text": html.unescape(re.sub(r"</?p>", "\n", path.read_text("utf-8")))}]
        for place, record in enumerate(records):
            parts = [record.get(key) or "" for key in ("instruction", "input", "output")]
            text = record.get("text", record.get("body", record.get("content")))
            rows[f"{name}#{place}"] = text if text is not None else "\n\n".join(part for part in parts if part)
    return rows


def test_the_truth_names_every_row_once(planted: PlantedTruth) -> None:
    rows = read_rows(planted.corpus)
    assert sorted(row.id for row in planted.rows) == sorted(rows)
    assert set(planted.kinds()) >= set(PROFILES[ProfileName(planted.profile)].shares) - {"pii_copy"}
    assert 470 <= len(rows) <= 500


def test_the_damage_stands_in_the_rows(planted: PlantedTruth) -> None:
    rows = read_rows(planted.corpus)
    for row in planted.rows:
        text = rows[row.id]
        assert all(value.value in text for value in row.pii), row.id
        assert all(line in text.splitlines() for line in row.lines), row.id
        assert row.canary is None or row.canary in text
        if row.kind == "empty":
            assert not re.search(r"\w", text)
        if row.kind == "file_encoding":
            assert text == row.clean
        if row.kind in {"encoding", "html"}:
            assert text != row.clean


def test_copies_are_as_close_as_the_truth_says(planted: PlantedTruth) -> None:
    rows = read_rows(planted.corpus)
    table = re.compile(r"\.(jsonl|gz|csv|parquet)#")
    for row in planted.rows:
        if row.of is None or not (table.search(row.id) and table.search(row.of)):
            continue
        found = jaccard(rows[row.id], rows[row.of])
        if row.kind in {"near_copy", "leak"}:
            assert found >= 0.8
        elif row.kind == "exact_copy":
            assert found == 1.0
        else:
            assert found < 0.75, row
        assert row.jaccard == pytest.approx(found, abs=1e-4)


def test_what_is_removable_follows_from_the_kind(planted: PlantedTruth) -> None:
    stay = {"clean", "distant_copy", "boilerplate", "pii", "html", "file_encoding", "eval_decoy", "order"}
    for row in planted.rows:
        if row.kind == "encoding":
            assert row.removable is (None if row.edit == "replacement_char" else False)
        else:
            assert row.removable is (row.kind not in stay)


def test_clean_rows_pass_the_checks_of_a_base_row(planted: PlantedTruth) -> None:
    rows = read_rows(planted.corpus)
    clean = [rows[row.id] for row in planted.rows if row.kind == "clean" and ".jsonl" in row.id]
    texts = [text.rsplit("?\n\n")[-1] if planted.profile == "instructions" else text for text in clean]
    assert planted.profile == "instructions" or all(is_clean(text) for text in texts)


def test_the_truth_reads_back(planted: PlantedTruth) -> None:
    assert PlantedTruth.load(planted.corpus.parent) == planted
    assert (planted.evals is None) == (planted.profile in {"crawl", "multilingual"})
    assert str(planted.corpus) in planted.request
    if planted.evals:
        assert str(planted.evals) in planted.request
        assert len(planted.evals.read_text("utf-8").splitlines()) >= 150


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(folder: Path, tmp_path: Path) -> None:
    def contents(name: str, seed: int) -> dict[str, bytes]:
        plant(tmp_path / name, base=folder, seed=seed, rows=100)
        root = tmp_path / name
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    first = contents("a", 1)
    assert contents("b", 1) == first
    assert contents("a", 1) == first
    assert contents("c", 2) != first


def test_too_little_base_text_is_refused_with_a_size_that_fits(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="clean base rows") as caught:
        plant(tmp_path / "out", base=folder, rows=100_000)
    assert re.search(r"at most \d+ rows", caught.value.hint)


@pytest.mark.parametrize(("profile", "rows"), [("nosuch", 300), ("demo", 5)])
def test_wrong_parameters_are_refused(profile: str, rows: int, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError):
        plant(tmp_path / "out", base=folder, profile=profile, rows=rows)


def test_a_folder_that_holds_something_else_is_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me", "utf-8")
    with pytest.raises(SourceError, match="not empty"):
        plant(tmp_path, base=folder, rows=300)
    assert (tmp_path / "mine.txt").read_text("utf-8") == "keep me"


def test_the_command_line_writes_and_reports(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main([str(tmp_path / "out"), "--profile", "crawl", "--rows", "100", "--base", str(folder)])
    assert status == 0
    assert "rows in" in capsys.readouterr().out
    assert main([str(tmp_path / "out2"), "--base", str(tmp_path / "missing")]) == 2
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.slow
def test_the_documentation_of_every_python_is_enough_for_the_demo(tmp_path: Path) -> None:
    truth = plant(tmp_path / "demo", seed=7, rows=2800)
    assert len(truth.rows) >= 2700
    assert len({row.id.split("#")[0].rsplit(".", 1)[1] for row in truth.rows}) >= 4
