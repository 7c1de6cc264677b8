"""Killed and stopped work: what it leaves is taken up again, and the end is the same."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from corpusmith.core.errors import Cancelled, CorpusmithError
from corpusmith.engine import local
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.worker import map_part
from corpusmith.evals.planting import plant
from corpusmith.ops.quality import LengthFilter
from corpusmith.ops.repair import Lowercase
from corpusmith.store.writer import StagedWriter, finished_part
from corpusmith.tools.registry import TOOLS

TEXTS = [f"Row {n} " + "of Words " * (n % 9) for n in range(60)]
OPERATORS = (Lowercase(), LengthFilter("words", 3, None))


class StopAfter:
    """A `core.tools.Cancel` that stops after some parts."""

    def __init__(self, parts: int) -> None:
        self.left = parts

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Cancelled("stopped")


def finished(folder: Path) -> int:
    return len(list((folder / "done").iterdir()))


def whole(data: Any, folder: Path) -> Any:
    writer = StagedWriter(folder)
    LocalEngine().map_rows(data, OPERATORS, writer)
    return writer.finish()


def test_work_that_was_cancelled_between_parts_goes_on_with_the_next(make_dataset, tmp_path: Path) -> None:
    data, folder = make_dataset(TEXTS, part_rows=10), tmp_path / "stopped"
    with pytest.raises(Cancelled):
        LocalEngine(cancel=StopAfter(2)).map_rows(data, OPERATORS, StagedWriter(folder))
    assert finished(folder) == 2
    first = (folder / "parts" / "00000.parquet").stat().st_mtime_ns
    writer = StagedWriter(folder)
    LocalEngine().map_rows(data, OPERATORS, writer)
    assert (folder / "parts" / "00000.parquet").stat().st_mtime_ns == first
    assert writer.finish() == whole(data, tmp_path / "whole")


def test_a_part_whose_bytes_are_missing_is_done_again(make_dataset, tmp_path: Path) -> None:
    data, folder = make_dataset(TEXTS), tmp_path / "cut"
    StagedWriter(folder)
    map_part(data.part_paths[0], OPERATORS, folder, 0)
    assert finished_part(folder, 0) is not None
    (folder / "parts" / "00000.parquet").write_bytes(b"")
    assert finished_part(folder, 0) is None
    writer = StagedWriter(folder)
    LocalEngine().map_rows(data, OPERATORS, writer)
    assert writer.finish() == whole(data, tmp_path / "whole")


def test_drafts_of_a_killed_process_are_no_part_of_the_result(make_dataset, tmp_path: Path) -> None:
    data, folder = make_dataset(TEXTS), tmp_path / "drafts"
    writer = StagedWriter(folder)
    (folder / "parts" / "00000.4711").write_bytes(b"half a part")
    LocalEngine().map_rows(data, OPERATORS, writer)
    assert writer.finish() == whole(data, tmp_path / "whole")
    assert [path.name for path in (folder / "parts").iterdir()] == ["00000.parquet"]


@pytest.mark.slow
def test_a_dead_worker_is_a_clear_error_and_the_rest_is_done_later(
    make_dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "IN_PROCESS_BYTES", 0)
    data, folder = make_dataset(TEXTS, part_rows=3), tmp_path / "dead"
    engine = LocalEngine(workers=2)

    def kill_workers(_rows: int) -> None:
        assert engine._pool is not None
        for process in list(engine._pool._processes.values()):
            os.kill(process.pid, signal.SIGKILL)

    engine.on_rows = kill_workers
    with pytest.raises(CorpusmithError, match="worker process was killed") as raised:
        engine.map_rows(data, OPERATORS, StagedWriter(folder))
    assert "resume" in raised.value.hint
    assert 1 <= finished(folder) < 20
    engine.on_rows = lambda _rows: None
    writer = StagedWriter(folder)
    engine.map_rows(data, OPERATORS, writer)  # the same engine opens a new pool
    engine.close()
    assert writer.finish() == whole(data, tmp_path / "whole")


@pytest.mark.slow
def test_workers_make_no_difference_to_any_tool(make_dataset, call_tool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_dataset([*TEXTS, *TEXTS[:20]], part_rows=9)
    steps = [
        ("dedup", {}),
        ("clean", {"lowercase": True, "boilerplate": True, "gopher_quality": True, "pii": True}),
        ("profile", {}),
    ]
    ends = []
    for workers in (1, 2):
        monkeypatch.setattr(local, "IN_PROCESS_BYTES", 0)
        call_tool.engine = LocalEngine(workers=workers)
        made = [call_tool(TOOLS[name], TOOLS[name].params(**given), {"data": data}, seed=3) for name, given in steps]
        ends.append([(result, artifact.record.content_digest, artifact.record.counts) for result, artifact in made])
        call_tool.engine.close()
    assert ends[0] == ends[1]


@pytest.mark.slow
def test_killed_runs_end_like_one_left_alone(tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "benchmarks" / "crash.py"
    spec = importlib.util.spec_from_file_location("crash_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    crash = importlib.util.module_from_spec(spec)
    sys.modules["crash_benchmark"] = crash
    spec.loader.exec_module(crash)
    _, want, played = crash.rounds(tmp_path, 3, seed=5, rows=120, workers=1)
    assert [one.faults for one in played] == [[], [], []]
    assert want.published == 1


@pytest.mark.slow
def test_the_same_request_and_seed_give_the_same_digest_with_two_workers(tmp_path: Path) -> None:
    plant(tmp_path, profile="demo", seed=7, rows=120)
    main = "import sys; from corpusmith.apps.cli import main; sys.exit(main())"
    many_parts = "from corpusmith.engine import local; from corpusmith.store import writer\n"
    many_parts += "local.IN_PROCESS_BYTES, writer.PART_BYTES = 0, 20_000\n" + main
    request = "Clean, deduplicated English corpus from ./corpus without personal data, 30 documents"
    digests = []
    for workers, program in (("1", main), ("2", many_parts)):
        done = subprocess.run(
            [sys.executable, "-c", program, "run", request, "--workspace", f"ws{workers}", "--seed", "3", "--json"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, "CORPUSMITH_WORKERS": workers},
        )  # fmt: skip
        assert done.returncode in (0, 3), done.stderr
        digests.append(json.loads(done.stdout.splitlines()[-1])["dataset"]["digest"])
    assert digests[0] == digests[1]
