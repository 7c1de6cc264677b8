"""A log of bounded size, also when several processes write to it and turn it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from corpusmith.core.errors import ParameterError
from corpusmith.models.serving.log_file import LogFile, clear_logs, open_log

WRITER = """
import sys
from pathlib import Path
from corpusmith.models.serving.log_file import LogFile
log = LogFile(Path(sys.argv[1]), most_bytes=4000, older=60)
print("ready", flush=True)
input()
for n in range(400):
    log.write('{"by": %s, "n": %d}\\n' % (sys.argv[2], n))
"""


def whole(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("a.log*"))


def test_a_full_file_is_turned_and_the_oldest_goes(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a.log", most_bytes=100, older=2)
    for n in range(100):
        log.write(f"line {n:03d}\n")
        assert whole(tmp_path) <= 300
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log", "a.log.1", "a.log.2", "a.log.lock"]
    kept = "".join((tmp_path / name).read_text() for name in ("a.log.2", "a.log.1", "a.log"))
    assert kept.splitlines() == [f"line {n:03d}" for n in range(100 - len(kept) // 9, 100)]


def test_a_line_that_is_larger_than_a_file_is_written_whole(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a.log", most_bytes=10, older=1)
    log.write("x" * 50 + "\n")
    log.write("y\n")
    log.close()
    assert (tmp_path / "a.log").read_text() == "y\n"
    assert len((tmp_path / "a.log.1").read_text()) == 51


def test_several_processes_and_threads_lose_no_line_and_break_none(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    words = [sys.executable, "-c", WRITER, str(path)]
    writers = [
        subprocess.Popen([*words, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for n in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    log = LogFile(path, most_bytes=4000, older=60)

    def write(by: int) -> None:
        for n in range(400):
            log.write(json.dumps({"by": by, "n": n}) + "\n")

    threads = [threading.Thread(target=write, args=(by,)) for by in (2, 3)]
    for thread in threads:
        thread.start()
    for writer in writers:
        writer.communicate("\n", timeout=60)
    for thread in threads:
        thread.join(60)
    log.close()
    files = sorted(tmp_path.glob("a.log*"), key=lambda file: file.name)
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert sorted((line["by"], line["n"]) for line in lines) == [(by, n) for by in range(4) for n in range(400)]
    assert len(files) >= 1600 * 20 // 4000


def test_what_is_printed_goes_where_the_log_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom corpusmith.models.serving.log_file import LogFile\n"
        "log = LogFile(Path(sys.argv[1]), most_bytes=40, older=1)\n"
        "log.write('x' * 39 + chr(10))\nlog.write('y' + chr(10))\nprint('by hand', file=sys.stderr)\n"
    )
    with path.open("ab") as out:
        subprocess.run([sys.executable, "-c", program, str(path)], stdout=out, stderr=out, check=True)
    assert path.read_text() == "y\nby hand\n"


def test_a_file_that_somebody_took_away_is_made_anew(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a.log")
    log.write("one\n")
    (tmp_path / "a.log").rename(tmp_path / "elsewhere")
    log.write("two\n")
    log.close()
    assert ((tmp_path / "elsewhere").read_text(), (tmp_path / "a.log").read_text()) == ("one\n", "two\n")


def test_of_processes_that_ended_the_oldest_logs_go(tmp_path: Path) -> None:
    (tmp_path / "replicas").mkdir()
    names = ("a.log.1", "a.log", "replicas/b.log", "replicas/c.log", "d.jsonl")
    for age, name in enumerate(names):
        (tmp_path / name).write_text("x" * 10)
        os.utime(tmp_path / name, (age, age))
    clear_logs(tmp_path, [str(tmp_path / "a.log"), None], most_bytes=10)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"a.log", "a.log.1", "replicas/c.log", "d.jsonl"}


def test_a_log_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ParameterError, match="cannot be written"):
        open_log(tmp_path / "file" / "a.log", tmp_path, [])
