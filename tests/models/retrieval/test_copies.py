"""Copies of indexes in a workspace: one owner each, begun anew when not whole, removed when nobody needs them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from retrieval_corpus import ROWS
from retrieval_doubles import DIMENSION, build_index

from corpusmith.core.errors import PreconditionError, WorkspaceError
from corpusmith.models.retrieval.copies import MOST_COPIES, UNUSED_DAYS, open_copy, sweep
from corpusmith.models.retrieval.copy_lock import TakenError, lock_of, own
from corpusmith.models.retrieval.edge_store import EdgeStore
from corpusmith.models.retrieval.opening import open_index
from corpusmith.models.retrieval.store import StoredPoint

KEPT, GONE = "a" * 32, "b" * 32


def opened(folder: Path, points: list[StoredPoint]) -> EdgeStore:
    return open_copy(folder, DIMENSION, lambda store: store.upsert(points))


def age(folder: Path, days: float) -> None:
    then = time.time() - days * 86_400
    for path in folder.iterdir():
        os.utime(path, (then, then))


def test_a_copy_that_was_not_finished_is_begun_anew(tmp_path: Path, points: list[StoredPoint]) -> None:
    def broken(store: EdgeStore) -> None:
        store.upsert(points[:2])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_copy(tmp_path / KEPT, DIMENSION, broken)
    store = opened(tmp_path / KEPT, points[3:])
    assert store.digests().keys() == {point.id for point in points[3:]}
    store.close()
    assert [path.name for path in (tmp_path / KEPT).iterdir() if path.is_dir()] == ["0"]


def test_a_copy_that_another_filled_while_one_waited_for_it_is_left_whole(
    tmp_path: Path, points: list[StoredPoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(place: Path) -> int:
        monkeypatch.undo()
        opened(tmp_path / KEPT, points).close()
        return own(place)

    monkeypatch.setattr("corpusmith.models.retrieval.copies.own", late)
    store = opened(tmp_path / KEPT, [])
    assert store.count() == len(points)
    store.close()


def test_copies_of_an_artifact_that_is_gone_are_removed_save_those_in_use(
    tmp_path: Path, points: list[StoredPoint]
) -> None:
    opened(tmp_path / KEPT, points).close()
    first, second = opened(tmp_path / GONE, points), opened(tmp_path / GONE, points)
    first.close()
    (tmp_path / "vectors.sqlite").touch()
    (tmp_path / "notes").mkdir()
    assert sweep(tmp_path, lambda id_: id_ == KEPT) == [tmp_path / GONE / "0"]
    assert second.count() == len(points)
    assert sorted(path.name for path in (tmp_path / GONE).iterdir()) == ["1", "1.lock", "1.ready"]
    second.close()
    assert sweep(tmp_path, lambda id_: id_ == KEPT) == [tmp_path / GONE / "1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [KEPT, "notes", "vectors.sqlite"]


def test_copies_that_nobody_opened_for_long_are_removed(tmp_path: Path, points: list[StoredPoint]) -> None:
    opened(tmp_path / KEPT, points).close()
    assert sweep(tmp_path, lambda _id: True) == []
    age(tmp_path / KEPT, UNUSED_DAYS + 1)
    store = opened(tmp_path / KEPT, points)
    store.close()
    assert sweep(tmp_path, lambda _id: True) == []  # it was opened just now
    age(tmp_path / KEPT, UNUSED_DAYS + 1)
    store = opened(tmp_path / KEPT, points)
    age(tmp_path / KEPT, UNUSED_DAYS + 1)  # open for longer than that
    assert sweep(tmp_path, lambda _id: True) == []
    store.close()
    assert sweep(tmp_path, lambda _id: True) == [tmp_path / KEPT / "0"]
    assert not (tmp_path / KEPT).exists()


def test_another_process_keeps_what_it_reads(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from corpusmith.models.retrieval.copy_lock import own
own(Path({str(tmp_path / GONE / "0")!r}))
print("mine", flush=True)
input()
"""
    (tmp_path / GONE / "0").mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "mine\n"
        assert sweep(tmp_path, lambda _id: False) == []
        with pytest.raises(TakenError):
            own(tmp_path / GONE / "0")
        reader.communicate("\n")
    assert sweep(tmp_path, lambda _id: False) == [tmp_path / GONE / "0"]


def test_opening_while_everything_is_removed_never_loses_an_open_copy(
    tmp_path: Path, points: list[StoredPoint]
) -> None:
    failed, stop = list[object](), threading.Event()

    def remove() -> None:
        while not stop.is_set():
            sweep(tmp_path, lambda _id: False)

    def read() -> None:
        try:
            for _ in range(5):
                store = opened(tmp_path / GONE, points[:2])
                if store.count() != 2:
                    failed.append(store.count())
                store.close()
        except Exception as error:  # noqa: BLE001 - shown by the test
            failed.append(error)

    remover, readers = threading.Thread(target=remove), [threading.Thread(target=read) for _ in range(3)]
    for thread in (remover, *readers):
        thread.start()
    for thread in readers:
        thread.join()
    stop.set()
    remover.join()
    assert failed == []


def test_a_lock_on_a_file_that_was_removed_counts_for_nothing(tmp_path: Path) -> None:
    place = tmp_path / "x" / "0"
    first = own(place)
    lock_of(place).unlink()
    second = own(place)  # as another process would after a sweep
    with pytest.raises(TakenError):
        own(place)
    os.close(first)
    os.close(second)
    os.close(own(place))
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match="cannot be written"):
        own(tmp_path / "file" / "0")


def test_no_more_than_so_many_copies(tmp_path: Path) -> None:
    held = [own(tmp_path / KEPT / str(number)) for number in range(MOST_COPIES)]
    with pytest.raises(PreconditionError, match="is open 64 times"):
        opened(tmp_path / KEPT, [])
    for handle in held:
        os.close(handle)


def test_opening_an_index_removes_the_copies_of_artifacts_that_are_gone(tmp_path: Path) -> None:
    index = build_index(tmp_path, ROWS[:2], questions=0)
    old = tmp_path / "retrieval" / GONE / "0"
    os.close(own(old))
    old.mkdir()
    with open_index(index) as found:
        assert found.retriever.store.count() == found.manifest.chunks
        assert sorted(path.name for path in (tmp_path / "retrieval").iterdir() if path.is_dir()) == [index.id]
