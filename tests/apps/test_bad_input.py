"""Bad input: one clear message, the right status, and nothing half-written: no workspace, no run, no folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CLEAN = "Make a clean corpus"


@pytest.fixture
def one(tmp_path: Path) -> str:
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps({"a": "some words that stand for a text"}) + "\n")
    return str(path)


def empty_file(folder: Path) -> str:
    (folder / "empty.jsonl").touch()
    return "empty.jsonl"


def images(folder: Path) -> str:
    (folder / "images").mkdir()
    (folder / "images" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n0000")
    return "images"


def missing(_folder: Path) -> str:
    return "nothing-here.jsonl"


@pytest.mark.parametrize(("make", "says"), [(missing, "does not exist"), (empty_file, "is empty"), (images, "no file")])
def test_a_source_that_cannot_be_read_leaves_nothing(call: Any, tmp_path: Path, make: Any, says: str) -> None:
    source = make(tmp_path)
    done = call("run", CLEAN, "--source", source, "--workspace", "ws", "--json")
    assert done.status == 2
    assert says in done.json["error"]["message"]
    assert done.json["status"] == 2
    assert source in done.err
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((CLEAN,), "names no source"),
        (("tlhIngan Hol vIjatlh nuqneH", "--source", "one.jsonl"), "not understood"),
        (("Clean corpus with at most 150% near-duplicates", "--source", "one.jsonl"), "impossible"),
        (("Clean corpus, the text is in the column body", "--source", "one.jsonl"), "no column 'body'"),
        ((f"{CLEAN} decontaminated against exam.jsonl", "--source", "one.jsonl"), "exam.jsonl"),
        ((CLEAN, "--source", "one.jsonl", "--engine", "ray"), "not in this version"),
        ((CLEAN, "--source", "one.jsonl", "--engine", "steam"), "--engine steam"),
        ((CLEAN, "--source", "one.jsonl", "--planner", "llm"), "needs a model"),
        ((CLEAN, "--source", "one.jsonl", "--planner", "oracle"), "--planner oracle"),
        ((CLEAN, "--source", "one.jsonl", "--max-minutes", "-1"), "--max-minutes"),
        ((CLEAN, "--source", "one.jsonl", "--seed", "seven"), "--seed"),
        ((CLEAN, "--source", "one.jsonl", "--approve", "policy"), "needs a file"),
        ((CLEAN, "--source", "one.jsonl", "--approve", "policy", "--policy", "no.yaml"), "no policy file"),
        ((CLEAN, "--source", "one.jsonl", "--approve", "policy", "--policy", "one.jsonl"), "one.jsonl"),
        ((CLEAN, "--source", "one.jsonl", "--colour", "red"), "--colour"),
        ((), "request"),
    ],
)
def test_a_request_that_cannot_work_leaves_nothing(
    call: Any, tmp_path: Path, one: str, words: tuple[str, ...], says: str
) -> None:
    done = call("run", *words, "--workspace", "ws", "--json")
    assert done.status == 2
    assert says in done.json["error"]["message"]
    assert done.json["error"]["hint"]
    assert "Traceback" not in done.err
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("show", "last"),
        ("runs",),
        ("report", "last"),
        ("recipe", "last"),
        ("resume", "last"),
        ("approve", "last"),
        ("why", "a#1"),
        ("diff", "a", "b"),
        ("data", "list"),
        ("data", "show", "a"),
        ("data", "export", "a", "--to", "out"),
    ],
)
def test_looking_makes_no_workspace(call: Any, tmp_path: Path, words: tuple[str, ...]) -> None:
    done = call(*words, "--workspace", "ws", "--json")
    assert (done.status, done.json["error"]["type"]) == (2, "NotFoundError")
    assert "no workspace at" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("runs",), ("run", CLEAN, "--source", "one.jsonl")])
def test_a_workspace_that_is_a_file(call: Any, one: str, words: tuple[str, ...]) -> None:
    done = call(*words, "--workspace", one)
    assert done.status == 2
    assert "is a file" in done.err
    assert Path(one).stat().st_size > 10


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_workspace_that_cannot_be_written(call: Any, tmp_path: Path, one: str) -> None:
    (tmp_path / "ws").mkdir(mode=0o555)
    done = call("run", CLEAN, "--source", one, "--workspace", "ws")
    assert done.status == 2
    assert "cannot be written" in done.err


def test_a_workspace_below_a_file(call: Any, one: str) -> None:
    done = call("run", CLEAN, "--source", one, "--workspace", f"{one}/ws", "--json")
    assert done.status == 2
    assert "cannot be written" in done.json["error"]["message"]


def test_a_workspace_where_no_folder_can_be(call: Any, one: str) -> None:
    done = call("run", CLEAN, "--source", one, "--workspace", "w" * 300, "--json")
    assert done.status == 2
    assert "cannot be made" in done.json["error"]["message"]


def test_data_without_a_text_column_says_how_to_name_one(call: Any, tmp_path: Path) -> None:
    (tmp_path / "numbers.jsonl").write_text('{"a": 1}')
    done = call("run", CLEAN, "--source", "numbers.jsonl", "--workspace", "ws", "--json")
    assert done.status == 2
    assert "no text was found" in done.json["error"]["message"]
    assert "the text is in COLUMN" in done.json["error"]["hint"]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """`mounted("size=2m")`: a folder with a file system of its own."""
    folder = tmp_path / "disk"

    def mount(options: str) -> Path:
        folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
        if done.returncode:
            pytest.skip("file systems cannot be mounted here")
        return folder

    if os.geteuid() or shutil.which("mount") is None:
        pytest.skip("only root mounts file systems")
    yield mount
    subprocess.run(["umount", "--lazy", str(folder)], check=folder.is_mount(), capture_output=True)


def test_a_workspace_on_a_read_only_disk(call: Any, mounted: Any, one: str) -> None:
    disk = mounted("ro,size=1m")
    done = call("run", CLEAN, "--source", one, "--workspace", f"{disk}/ws", "--json")
    assert done.status == 2
    assert "cannot be written" in done.json["error"]["message"]
    assert "--workspace" in done.json["error"]["hint"]


@pytest.mark.parametrize("left_kib", [0, 60, 200, 330, 420, 600])
def test_a_disk_that_is_full_ends_the_run_with_one_line_and_the_run_goes_on_later(
    call: Any, mounted: Any, articles: Path, left_kib: int
) -> None:
    disk = mounted("size=2m")
    words = ("run", CLEAN, "--source", str(articles), "--workspace", f"{disk}/ws", "--json")
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * ((2048 - left_kib) << 10))
    done = call(*words)
    assert done.status == 2
    assert "full" in done.json["error"]["message"] or "No space" in done.json["error"]["message"]
    assert "Traceback" not in done.err
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    runs = call("runs", "--workspace", f"{disk}/ws", "--json").json.get("runs", [])
    if runs:
        assert f"`corpusmith resume {runs[0]['id']}" in done.json["error"]["hint"]
        assert runs[0]["status"] in ("failed", "interrupted")
        assert call("resume", "last", "--workspace", f"{disk}/ws", "--json").status == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show", "r-nothing"), "no run 'r-nothing'"),
        (("data", "show", "novel"), "no dataset 'novel'"),
        (("data", "export", "novel", "--to", "out"), "no dataset 'novel'"),
        (("data", "export", "dataset", "--to", "out", "--as", "xml"), "--as xml"),
        (("data", "export", "dataset", "--to", "no/such/folder"), "does not exist"),
        (("data", "export", "dataset", "--to", "."), "exists already"),
        (("data", "show", "dataset", "--rows", "-1"), "--rows"),
        (("why", "no such words anywhere"), "holds that text"),
        (("why", "  "), "no row is named"),
        (("approve", "last"), "nothing waits"),
        (("approve", "tools"), "nothing waits"),
        (("tool", "run", "juggle"), "no tool 'juggle'"),
        (("tool", "schema", "juggle"), "no tool 'juggle'"),
        (("tool", "run", "clean"), "lacks the input 'data'"),
        (("tool", "run", "clean", "--data", "dataset", "--approve", "maybe"), "--approve maybe"),
        (("tool", "run", "clean", "--data", "dataset", "--params", "no.yaml"), "no file"),
        (("replay", "no.yaml"), "no recipe"),
        (("trace", "export"), "no Opik server"),
    ],
)
def test_what_is_not_there(call: Any, tmp_path: Path, finished: Any, words: tuple[str, ...], says: str) -> None:
    done = call(*words, "--workspace", finished["workspace"], "--json")
    assert done.status == 2
    assert says in done.json["error"]["message"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["- a list", "{ broken", "lowercase: maybe", "no_such_parameter: 1", "\x00\x01", "7: 8"]
)
def test_parameters_that_do_not_fit(call: Any, tmp_path: Path, finished: Any, text: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    done = call("tool", "run", "clean", "--params", "p.yaml", "--data", "dataset", "--workspace", finished["workspace"])
    assert done.status == 2
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "text",
    ["", "- a", "{", "corpusmith_recipe: 1", "corpusmith_recipe: 9", "\x00"],
)
def test_a_recipe_that_is_none(call: Any, tmp_path: Path, text: str) -> None:
    (tmp_path / "r.yaml").write_text(text)
    done = call("replay", "r.yaml", "--workspace", "ws", "--json")
    assert done.status == 2
    assert "is not a recipe" in done.json["error"]["message"]
    assert not (tmp_path / "ws").exists()


def test_a_recipe_of_another_version_is_refused_before_anything_runs(call: Any, tmp_path: Path, finished: Any) -> None:
    text = Path(finished["outcome"]["recipe"]).read_text()
    changed, count = re.subn(r"(tool: dedup\n  version:) \d+", r"\1 99", text)
    assert count
    (tmp_path / "r.yaml").write_text(changed)
    done = call("replay", "r.yaml", "--workspace", "ws")
    assert done.status == 2
    assert "version 99" in done.err
    assert not (tmp_path / "ws").exists()
