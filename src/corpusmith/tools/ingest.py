"""ingest: read files and folders into canonical rows. Bad records are kept aside with their reason, never lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pydantic import Field, field_validator

from corpusmith import sources
from corpusmith.core.ids import row_id
from corpusmith.core.rows import LEDGER_SCHEMA, ROW_ID, Shape
from corpusmith.core.tools import Effect, StepContext, Tool, ToolParams, ToolResult
from corpusmith.sources.encoding import known_encoding

REJECTS_FILE = "rejects.jsonl"
RULE_UNREADABLE = "unreadable"
NOT_READ = "Not read:"
"""How a note on files that were found and not read begins."""

_NAMED_SKIPS = 20
_NAMED_REASONS = 3
_NOTE_CHARS = 400


class IngestParams(ToolParams):
    """What to read and how. Left alone, everything but `sources` is found by looking."""

    sources: tuple[str, ...] = Field(min_length=1, description="files, folders, globs, file:// or other fsspec URLs")
    text_field: str | None = Field(None, description="dotted path of the text, for example content.Content")
    shape: Shape | None = Field(None, description="what a row is to be; recognised by the fields' names when null")
    fields: dict[str, str] = Field(
        default_factory=dict, description="canonical column -> dotted path, for example {'output': 'reply'}"
    )
    encoding: str | None = Field(None, description="text encoding of the files; found per file when null")
    lines: bool = Field(False, description="plain text files hold one row per line instead of one row per file")
    max_rows: int | None = Field(None, ge=1, description="stop after this many rows")
    max_decompressed_bytes: int = Field(1 << 36, ge=1, description="most bytes one compressed file may unpack to")

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, name: str | None) -> str | None:
        return None if name is None else known_encoding(name)


class IngestResult(ToolResult):
    """What was read."""

    rows: int
    files: int = Field(description="files read")
    rejected: int = Field(description="records kept aside in rejects.jsonl")
    repaired: int = Field(description="lines and values that were not valid text and were repaired")
    skipped: int = Field(description="files found and not read")
    skipped_files: tuple[str, ...] = Field(description="the first 20 of them, with the reason")
    shape: Shape
    text_field: str | None = Field(description="the column the text came from, when it is one for all files")
    notes: tuple[str, ...] = Field(description="what was decided and noticed")


def ingest(params: IngestParams, ctx: StepContext) -> IngestResult:
    """Read `params.sources` into `ctx.writer`.

    Raises:
        SourceError: A source is missing, empty, unreadable or holds no text.
        ParameterError: A column named is not there, or the shape does not fit.
    """
    options = sources.ReadOptions(
        encoding=params.encoding, max_decompressed_bytes=params.max_decompressed_bytes, lines=params.lines
    )
    reader = sources.open_sources(
        params.sources, text_field=params.text_field, shape=params.shape, fields=params.fields, options=options
    )
    ctx.writer.path(REJECTS_FILE).unlink(missing_ok=True)  # of an attempt that was killed
    rows, rejected = 0, Rejected()
    with closing(reader.batches()) as tables:
        for table in tables:
            ctx.cancel.check()
            kept = table if params.max_rows is None else table.slice(0, params.max_rows - rows)
            if kept.num_rows:
                ctx.writer.write(kept)
            rows += kept.num_rows
            rejected.add(_keep_aside(reader.take_rejects(), ctx))
            ctx.emit(f"ingest: {rows} rows read, {rejected.count} records kept aside")
            if rows == params.max_rows:
                break
    rejected.add(_keep_aside(reader.take_rejects(), ctx))
    notes = [note[:_NOTE_CHARS] for note in (*not_read(reader.skipped), *rejected.note(), *reader.notes)]
    if rows == params.max_rows:
        notes.append(f"Reading stopped after {rows} rows, as asked for.")
    return IngestResult(
        rows=rows,
        files=len(reader.files),
        rejected=rejected.count,
        repaired=reader.repaired,
        skipped=len(reader.skipped),
        skipped_files=tuple(f"{item.uri}: {item.reason}" for item in reader.skipped[:_NAMED_SKIPS]),
        shape=reader.shape,
        text_field=reader.text_field,
        notes=tuple(notes),
    )


@dataclass
class Rejected:
    """The records kept aside so far: how many, the first of them, and how often which reason."""

    count: int = 0
    first: str = ""
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, rejects: Sequence[sources.Reject]) -> None:
        """Count some more."""
        if rejects and not self.first:
            self.first = row_id(rejects[0].uri, rejects[0].position)
        self.count += len(rejects)
        self.reasons.update(reject.reason.split(":")[0] for reject in rejects)

    def note(self) -> Iterator[str]:
        """One sentence for the person, none when all went well."""
        if self.count:
            records = "record was" if self.count == 1 else "records were"
            why = ", ".join(f"{count} x {reason}" for reason, count in self.reasons.most_common(_NAMED_REASONS))
            yield f"{self.count:,} {records} kept aside as unreadable ({why}): corpusmith why {self.first}"


def not_read(skipped: Sequence[sources.Skipped]) -> Iterator[str]:
    """One sentence on files found and not read, by reason; none when all were read."""
    by_reason: dict[str, list[str]] = {}
    for item in skipped:
        by_reason.setdefault(item.reason, []).append(item.uri)
    for reason, uris in by_reason.items():
        more = f" and {len(uris) - 1:,} more" if len(uris) > 1 else ""
        yield f"{NOT_READ} {uris[0]}{more}: {reason}."


def _keep_aside(rejects: list[sources.Reject], ctx: StepContext) -> list[sources.Reject]:
    """Append rejects to the side file and the ledger; hands them on."""
    if not rejects:
        return rejects
    ids = [row_id(reject.uri, reject.position) for reject in rejects]
    with ctx.writer.path(REJECTS_FILE).open("a", encoding="utf-8", errors="replace") as file:
        for name, reject in zip(ids, rejects, strict=True):
            line = {"row_id": name, "source": reject.uri, "position": reject.position}
            file.write(json.dumps(line | {"reason": reject.reason, "raw": reject.raw}, ensure_ascii=True) + "\n")
    lines = [
        {ROW_ID: name, "action": "drop", "rule": RULE_UNREADABLE, "detail": json.dumps({"reason": reject.reason})}
        for name, reject in zip(ids, rejects, strict=True)
    ]
    ctx.writer.ledger(pa.Table.from_pylist(lines, schema=LEDGER_SCHEMA))
    return rejects


def _snapshot(params: IngestParams, services: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001 - the contract
    return sources.snapshot(params.sources)


TOOL = Tool(
    name="ingest",
    version=1,
    kind="observe",
    params=IngestParams,
    run=ingest,
    summary="Read files, folders and saved datasets into rows; find the text column, the shape and the encoding.",
    inputs=(),
    effects=frozenset({Effect.READ_FILES, Effect.WRITE_STORE}),
    makes="dataset",
    snapshot=_snapshot,
)
