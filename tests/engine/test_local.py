"""The engine contract: same rows, same order, same digest, whatever the parts and workers; no row lost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
import pytest

from corpusmith.core.errors import CorpusmithError
from corpusmith.core.rows import TEXT, mark, note_changed, set_column
from corpusmith.core.tools import Decided
from corpusmith.engine import local
from corpusmith.engine.local import LocalEngine
from corpusmith.store.writer import StagedWriter


@dataclass(frozen=True)
class Upper:
    name: str = "upper"

    def apply(self, batch: pa.Table) -> pa.Table:
        upper = pc.utf8_upper(batch.column(TEXT))
        changed = np.asarray(pc.not_equal(upper, batch.column(TEXT))).astype(np.int64)
        return note_changed(set_column(batch, TEXT, upper), "upper", changed)


@dataclass(frozen=True)
class DropShort:
    least: int = 3
    name: str = "short"

    def apply(self, batch: pa.Table) -> pa.Table:
        n = np.asarray(pc.utf8_length(batch.column(TEXT)))
        return mark(batch, n < self.least, "short", n, self.least)


@dataclass(frozen=True)
class Forgetful:
    name: str = "forgetful"

    def apply(self, batch: pa.Table) -> pa.Table:
        return batch.slice(1)


@dataclass(frozen=True)
class Lengths:
    name: str = "lengths"

    def initial(self) -> tuple[int, ...]:
        return ()

    def fold(self, batch: pa.Table) -> tuple[int, ...]:
        return tuple(pc.utf8_length(batch.column(TEXT)).to_pylist())

    def merge(self, left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
        return left + right


TEXTS = ["a", "bb", "ccc", "dddd", "", "EEEEE", "ff", "ggg"] * 5


def run(make_dataset, folder: Path, part_rows: int | None, workers: int = 1):
    data = make_dataset(TEXTS, part_rows=part_rows)
    writer = StagedWriter(folder)
    engine = LocalEngine(workers=workers)
    engine.map_rows(data, [Upper(), DropShort()], writer)
    engine.close()
    return data, writer


@pytest.mark.parametrize("part_rows", [None, 1, 7])
def test_no_row_is_lost_and_the_digest_ignores_parts(make_dataset, tmp_path: Path, part_rows: int | None) -> None:
    _, whole = run(make_dataset, tmp_path / "a", None)
    _, parts = run(make_dataset, tmp_path / "b", part_rows)
    want, got = whole.finish(), parts.finish()
    assert got[2] == want[2]
    assert got[1] == want[1]
    assert got[1].rows_out + got[1].dropped["short"] == len(TEXTS)
    assert got[1].changed["upper"] == 30


@pytest.mark.slow
def test_worker_processes_give_the_same_bytes(make_dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "IN_PROCESS_BYTES", 0)
    _, one = run(make_dataset, tmp_path / "a", 5, workers=1)
    _, two = run(make_dataset, tmp_path / "b", 5, workers=2)
    assert one.finish() == two.finish()


def test_finished_parts_are_not_done_again(make_dataset, tmp_path: Path) -> None:
    data, _ = run(make_dataset, tmp_path / "a", 5)
    again = StagedWriter(tmp_path / "a")
    LocalEngine().map_rows(data, [Forgetful()], again)  # would fail if it ran
    assert again.counts()["rows_out"] == 20


def test_an_operator_that_loses_rows_is_caught(make_dataset, tmp_path: Path) -> None:
    with pytest.raises(CorpusmithError, match="forgetful"):
        LocalEngine().map_rows(make_dataset(TEXTS), [Forgetful()], StagedWriter(tmp_path / "x"))


def test_select_writes_evidence_for_every_dropped_row(make_dataset, tmp_path: Path) -> None:
    data = make_dataset(TEXTS, part_rows=7)
    keep = np.arange(len(TEXTS)) % 3 > 0
    writer = StagedWriter(tmp_path / "s")
    kept = [None if k else "in.jsonl#1" for k in keep]
    LocalEngine().select(data, Decided(keep, "third", np.arange(len(TEXTS), dtype=float), 3.0, kept), writer)
    _, counts, _ = writer.finish()
    assert counts.rows_out == keep.sum()
    lines = pa.concat_tables([pa.parquet.read_table(p) for p in sorted((tmp_path / "s" / "ledger").iterdir())])
    assert lines.column("row_id").to_pylist() == [f"in.jsonl#{n}" for n in np.flatnonzero(~keep)]
    assert lines.column("value").to_pylist() == np.flatnonzero(~keep).tolist()
    assert set(lines.column("kept_row_id").to_pylist()) == {"in.jsonl#1"}


def test_stream_and_fold_keep_row_order(make_dataset) -> None:
    data = make_dataset(TEXTS, part_rows=6)
    streamed = pa.concat_tables(list(LocalEngine().stream(data, [Upper()], ["row_id", "text"])))
    assert streamed.column("text").to_pylist() == [t.upper() for t in TEXTS]
    assert LocalEngine().fold(data, [], Lengths()) == tuple(len(t) for t in TEXTS)
