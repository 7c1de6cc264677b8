"""Files in every format and compression, and a reader that returns everything at once."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from corpusmith.sources import SourceReader, open_sources

Rows = list[dict[str, Any]]


def _delimited(rows: Rows, delimiter: str) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _parquet(rows: Rows) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out, row_group_size=2)
    return out.getvalue()


ENCODERS: dict[str, Callable[[Rows], bytes]] = {
    "jsonl": lambda rows: "".join(json.dumps(row) + "\n" for row in rows).encode(),
    "ndjson": lambda rows: "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode(),
    "json": lambda rows: json.dumps(rows, indent=1).encode(),
    "csv": lambda rows: _delimited(rows, ","),
    "tsv": lambda rows: _delimited(rows, "\t"),
    "parquet": _parquet,
}

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda raw: raw,
    ".gz": lambda raw: gzip.compress(raw, mtime=0),
    ".zst": lambda raw: zstandard.ZstdCompressor().compress(raw),
}


@pytest.fixture
def encode() -> Callable[[str, Rows], bytes]:
    """`encode("jsonl.gz", rows)` -> the bytes of such a file."""

    def encoded(suffix: str, rows: Rows) -> bytes:
        kind, dot, packing = suffix.partition(".")
        return COMPRESSORS[dot + packing](ENCODERS[kind](rows))

    return encoded


@pytest.fixture
def compress() -> Callable[[str, bytes], bytes]:
    """`compress(".gz", raw)` -> the packed bytes."""
    return lambda packing, raw: COMPRESSORS[packing](raw)


@pytest.fixture
def read_all() -> Callable[..., tuple[Rows, SourceReader]]:
    """`read_all(*uris, **options)` -> every row as a mapping (meta decoded), and the reader."""

    def read(*uris: Path | str, rows: int = 1024, **options: Any) -> tuple[Rows, SourceReader]:
        reader = open_sources([str(uri) for uri in uris], **options)
        found = [row for table in reader.batches(rows) for row in table.to_pylist()]
        for row in found:
            row["meta"] = json.loads(row["meta"])
        return found, reader

    return read


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str, bytes | str | Sequence[Any]], Path]:
    """`save("a/b.jsonl", …)` writes bytes, text, or objects one per line below the test's folder."""

    def saved(name: str, content: bytes | str | Sequence[Any]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = content.encode()
        elif not isinstance(content, bytes):
            content = "".join(json.dumps(item) + "\n" for item in content).encode()
        path.write_bytes(content)
        return path

    return saved
