from __future__ import annotations

from pathlib import Path

import pytest

from corpusmith.core.errors import PreconditionError
from corpusmith.models.hosted.notes import NOTE_FILE, Notebook


def test_a_note_is_on_the_disk_when_it_is_written_and_read_by_the_next(tmp_path: Path) -> None:
    book = Notebook(tmp_path / NOTE_FILE, "http://a", "order")
    assert not book.path.exists()
    book.write(training_file="file-1")
    book.write(job="ftjob-1", ours=True)
    again = Notebook(tmp_path / NOTE_FILE, "http://a", "order")
    assert again.now == book.now
    assert (again.now.training_file, again.now.job) == ("file-1", "ftjob-1")
    assert [path.name for path in tmp_path.iterdir()] == [NOTE_FILE]


@pytest.mark.parametrize(("endpoint", "order"), [("http://b", "order"), ("http://a", "other")])
def test_the_note_of_another_job_is_never_overwritten(tmp_path: Path, endpoint: str, order: str) -> None:
    Notebook(tmp_path / NOTE_FILE, "http://a", "order").write(job="ftjob-1")
    with pytest.raises(PreconditionError, match="a job for another order \\(ftjob-1"):
        Notebook(tmp_path / NOTE_FILE, endpoint, order)


def test_a_note_of_files_alone_gives_way(tmp_path: Path) -> None:
    Notebook(tmp_path / NOTE_FILE, "http://a", "order").write(training_file="file-1")
    assert Notebook(tmp_path / NOTE_FILE, "http://a", "other").now.training_file is None
