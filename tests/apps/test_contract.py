"""The command line as a contract: options, `--json`, exit statuses, what a finished run answers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = ("numba", "langgraph", "langchain_core", "matplotlib", "datasets", "torch", "trafilatura")


def test_run_prints_what_the_contract_names(finished: Any, call: Any) -> None:
    done = call("resume", finished["outcome"]["run_id"], "--workspace", finished["workspace"], "--json")
    assert done.status == done.json["status"] == 0
    for name in ("run_id", "brief", "not_understood", "dataset", "gates", "decisions", "report", "recipe", "trace"):
        assert name in done.json
    assert set(done.json["dataset"]) >= {"ref", "path", "rows", "splits"}
    assert all(set(gate) >= {"metric", "op", "target", "value", "passed", "severity"} for gate in done.json["gates"])
    assert all(set(decision) >= {"chosen", "why", "kept"} for decision in done.json["decisions"])
    for name in ("report", "recipe", "trace"):
        assert Path(done.json[name]).is_file()


def test_a_finished_run_resumed_answers_the_same_for_a_person(finished: Any, call: Any) -> None:
    done = call("resume", "last", "--workspace", finished["workspace"])
    assert done.status == 0
    for word in ("gate", "dataset", "report", "recipe", "trace", f"--workspace {finished['workspace']}"):
        assert word in done.out


@pytest.mark.parametrize(
    "words",
    [
        ("runs",),
        ("show", "last"),
        ("report", "last"),
        ("recipe", "last"),
        ("why", "articles.jsonl#0"),
        ("diff", "last", "dataset"),
        ("data", "list"),
        ("data", "show", "dataset"),
        ("doctor",),
        ("tool", "list"),
        ("tool", "schema", "clean"),
        ("model", "list"),
        ("run", "Make a clean corpus from ./x", "--plan"),
    ],
)
def test_every_command_takes_workspace_and_ends_with_one_object(
    finished: Any, call: Any, words: tuple[str, ...]
) -> None:
    where = () if words[0] == "run" else ("--workspace", finished["workspace"])
    done = call(*words, *where, "--json")
    assert done.status == 0
    assert len(done.out.splitlines()) == 1
    assert isinstance(done.json, dict)
    plain = call(*words, *where)
    assert plain.status == 0
    assert plain.out.strip()


def test_show_names_the_methods_and_the_verdicts(finished: Any, call: Any) -> None:
    out = call("show", "last", "--workspace", finished["workspace"]).out
    assert "kept: " in out
    assert "deliver" in out
    assert re.search(r"status +done", out)


def test_plan_runs_nothing(call: Any, tmp_path: Path) -> None:
    done = call("run", "Make a clean corpus from ./articles, 3 rows; and flurbish it", "--plan", "--workspace", "ws")
    assert done.status == 0
    assert "Nothing was run" in done.out
    assert "flurbish" in done.out
    assert list(tmp_path.iterdir()) == []


def test_data_show_hides_personal_data_of_raw_rows(finished: Any, call: Any) -> None:
    first = next(iter(call("show", "last", "--workspace", finished["workspace"], "--json").json["path"]))
    done = call("data", "show", first["artifact"], "--rows", "50", "--workspace", finished["workspace"])
    assert "anna.berg" not in done.out
    assert "[EMAIL]" in done.out


@pytest.mark.parametrize("files", ["parquet", "jsonl", "hf"])
def test_export_writes_a_whole_folder_and_keeps_the_splits(
    finished: Any, call: Any, tmp_path: Path, files: str
) -> None:
    words = ("data", "export", "dataset", "--to", "out", "--as", files, "--workspace", finished["workspace"], "--json")
    done = call(*words)
    assert done.status == 0
    assert done.json["rows"] == finished["outcome"]["dataset"]["rows"]
    assert any("train" in path.name for path in (tmp_path / "out").iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert call(*words).status == 2


def test_a_tool_runs_by_itself(finished: Any, call: Any, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"lowercase": true}')
    words = ("tool", "run", "clean", "--params", "p.json", "--data", "dataset", "--workspace", finished["workspace"])
    first, again = call(*words, "--json"), call(*words, "--json")
    assert first.status == again.status == 0
    assert (first.json["cached"], again.json["cached"]) == (False, True)
    assert first.json["artifact"] == again.json["artifact"]


def test_a_guarded_tool_waits_for_a_person_once_for_each_time(finished: Any, call: Any, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(f"to: {tmp_path / 'public'}\n")
    where = ("--workspace", finished["workspace"])
    publish = ("tool", "run", "publish", "--params", "p.yaml", "--data", "dataset", *where)
    asked = call(*publish, "--json")
    assert (asked.status, asked.json["error"]["type"]) == (4, "ApprovalRequired")
    assert not (tmp_path / "public").exists()
    action = asked.json["action"].split("/")[-1]
    assert action in call("runs", *where).out
    granted = call("approve", "tools", "--action", action, *where, "--json")
    assert (granted.status, granted.json["state"]) == (0, "granted")
    assert granted.json["by"]
    assert call(*publish).status == 0
    assert (tmp_path / "public" / "README.md").is_file()
    assert call(*publish, "--approve", "deny").status == 2


def test_a_policy_decides_instead_of_a_person(finished: Any, call: Any, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(f"to: {tmp_path / 'by-policy'}\n")
    (tmp_path / "allow.yaml").write_text("publish: grant\n")
    publish = ("tool", "run", "publish", "--params", "p.yaml", "--data", "dataset")
    done = call(*publish, "--approve", "policy", "--policy", "allow.yaml", "--workspace", finished["workspace"])
    assert done.status == 0
    assert (tmp_path / "by-policy").is_dir()


def test_a_denied_effect_does_not_happen(finished: Any, call: Any, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(f"to: {tmp_path / 'never'}\n")
    where = ("--workspace", finished["workspace"])
    publish = ("tool", "run", "publish", "--params", "p.yaml", "--data", "dataset", *where)
    action = call(*publish, "--json").json["action"].split("/")[-1]
    assert call("deny", "tools", "--action", action, *where).status == 0
    assert call(*publish).status == 2
    assert not (tmp_path / "never").exists()


def test_replay_gives_the_same_digests_and_names_what_breaks_on_other_input(
    finished: Any, call: Any, tmp_path: Path
) -> None:
    recipe = finished["outcome"]["recipe"]
    again = call("replay", recipe, "--workspace", "ws", "--json")
    assert again.status == 0
    assert again.json["same"] is True
    (tmp_path / "few.jsonl").write_text(json.dumps({"text": "Dies ist ein deutscher Satz ueber den Hafen."}) + "\n")
    other = call("replay", recipe, "--source", "few.jsonl", "--workspace", "ws", "--json")
    assert other.status in (2, 3)
    said = json.dumps(other.json)
    assert "-1" in said or "-2" in said  # a step is named
    assert call("replay", recipe, "--source", "gone.jsonl", "--workspace", "ws").status == 2


def test_a_defect_of_ours_is_status_1_with_one_object(
    call: Any, finished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from corpusmith.apps.commands import records

    def broken(*_given: Any) -> None:
        raise ZeroDivisionError("so it goes")

    monkeypatch.setattr(records, "load_story", broken)
    done = call("show", "last", "--workspace", finished["workspace"], "--json")
    assert (done.status, done.json["status"]) == (1, 1)
    assert "Traceback" in done.err
    assert "so it goes" in done.json["error"]["message"]


def test_help_and_the_light_commands_import_nothing_heavy(finished: Any) -> None:
    def imported(statement: str) -> set[str]:
        code = f"import sys\n{statement}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
        return set(
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        )

    assert imported("import corpusmith.apps.cli; assert 'pyarrow' not in sys.modules") == set()
    light = ", ".join(f"corpusmith.apps.commands.{name}" for name in ("records", "data", "models", "endpoints", "keys"))
    assert imported(f"import {light}") == set()


def test_no_command_shows_the_help_with_status_2(call: Any) -> None:
    done = call()
    assert done.status == 2
    assert "Commands:" in done.err
