"""The front of `sources`: point at files, get canonical rows."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence

import pyarrow as pa

from corpusmith.core.errors import SourceError
from corpusmith.core.ids import row_id
from corpusmith.core.rows import Shape
from corpusmith.sources.canonical import RowBuilder, meta_json
from corpusmith.sources.files import SourceFile, find_files
from corpusmith.sources.formats import read_items
from corpusmith.sources.items import RAW_CHARS, Bad, FileReport, ReadOptions, Reject, Skipped
from corpusmith.sources.plan import FilePlan, Plan, Wishes, make_plan
from corpusmith.sources.shapes import UnfitError

_REJECTS_HELD = 4096


class SourceReader:
    """What was pointed at, decided and ready to be read.

    Attributes:
        files: What is read, in order.
        shape: Shape of every row.
        text_field: The column the text comes from, when there is one.
        skipped: Files found and not read, with the reason.
        rows: Rows handed out so far.
        rejected: Records kept aside so far.
        repaired: Lines and values so far that were not valid text and were repaired.
    """

    def __init__(self, plan: Plan, options: ReadOptions) -> None:
        self.files: tuple[SourceFile, ...] = tuple(item.file for item in plan.files)
        self.shape: Shape = plan.shape
        self.text_field = plan.text_field
        self.skipped: tuple[Skipped, ...] = plan.skipped
        self.rows = 0
        self.rejected = 0
        self.repaired = 0
        self._plan = plan
        self._options = options
        self._rejects: list[Reject] = []
        self._seen: list[str] = []

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided and noticed so far, in plain sentences."""
        return (*self._plan.notes, *self._seen)

    @property
    def rejects(self) -> list[Reject]:
        """The records kept aside since the last `take_rejects`."""
        return self._rejects

    def take_rejects(self) -> list[Reject]:
        """Hand over the records kept aside so far; call it per batch to keep memory bounded."""
        taken, self._rejects = self._rejects, []
        return taken

    def batches(self, rows: int = 1024) -> Generator[pa.Table, None, None]:
        """The rows in file order, as tables of `core.rows.schema_of(self.shape)`.

        A table holds at most `rows` rows and about 32 Mi characters; it may be empty where only bad records were read.

        Raises:
            SourceError: A file vanished, or not one record could be read.
        """
        builder = RowBuilder(self.shape, rows)
        self.rows = self.rejected = self.repaired = 0
        self._rejects, self._seen = [], []
        first: Reject | None = None
        for plan in self._plan.files:
            report = FileReport()
            for _ in self._read(plan, report, builder):
                first = first or next(iter(self._rejects), None)
                yield self._taken(builder)
            first = first or next(iter(self._rejects), None)
            self._note(plan.file, report)
        if len(builder):
            yield self._taken(builder)
        self.repaired += builder.repaired
        if builder.repaired:
            self._seen.append(f"{builder.repaired} values held lone surrogates, now U+FFFD.")
        if not self.rows and first is not None:
            raise SourceError(
                f"not one of {self.rejected} records could be read; {first.uri}#{first.position}: {first.reason}",
                hint="Look at the file, or name the columns with text_field or fields.",
            )

    def _read(self, plan: FilePlan, report: FileReport, builder: RowBuilder) -> Iterator[None]:
        """Add the rows of a file to `builder`; yields when it is full."""
        uri, values_of = plan.file.uri, plan.mapper.values
        for position, item in enumerate(read_items(plan.file, self._options, report)):
            if isinstance(item, Bad):
                many = self._reject(uri, position, item.reason, item.raw)
            else:
                try:
                    values = values_of(item)
                except UnfitError as error:
                    many = self._reject(uri, position, str(error), meta_json(item)[:RAW_CHARS])
                else:
                    builder.add(row_id(uri, position), uri, values, meta_json(item))
                    many = False
            if many or builder.full:
                yield

    def _reject(self, uri: str, position: int, reason: str, raw: str) -> bool:
        """Keep a record aside; True when so many wait that the reader should be given a chance to take them."""
        self._rejects.append(Reject(uri, position, reason, raw))
        self.rejected += 1
        return len(self._rejects) % _REJECTS_HELD == 0

    def _taken(self, builder: RowBuilder) -> pa.Table:
        table = builder.take()
        self.rows += table.num_rows
        return table

    def _note(self, file: SourceFile, report: FileReport) -> None:
        if report.encoding not in ("", "utf-8"):
            self._seen.append(f"{file.uri} is written in {report.encoding}.")
        self.repaired += report.repaired
        if report.repaired:
            self._seen.append(f"{file.uri}: {report.repaired} places or lines were not valid text and were repaired.")
        self._seen += [f"{file.uri}: {remark}." for remark in report.remarks]


def open_sources(
    uris: Sequence[str],
    *,
    text_field: str | None = None,
    shape: Shape | None = None,
    fields: Mapping[str, str] | None = None,
    options: ReadOptions | None = None,
) -> SourceReader:
    """Find the files, look at them, decide what their rows are.

    Args:
        uris: Paths, folders (read through), globs, file:// and other fsspec URLs.
        text_field: Dotted path of the text (`content.Content`); found by looking when None.
        shape: What a row is to be; recognised when None.
        fields: Canonical column -> dotted path, where recognition would be wrong.
        options: Encoding and limits.

    Raises:
        ParameterError: A column or encoding that does not exist, a shape that does not fit.
        SourceError: Something is missing, empty, unreadable or holds no text.
    """
    options = options or ReadOptions()
    plan = make_plan(find_files(uris), Wishes(text_field, shape, fields), options)
    return SourceReader(plan, options)
