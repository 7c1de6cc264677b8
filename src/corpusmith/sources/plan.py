"""Deciding, before a row is read, what each file's rows are: its shape, its columns, and in words why.

The first records of every file are looked at. A folder's files are decided together, so the shards of one corpus never
take their text from different columns by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from corpusmith.core.errors import ParameterError, SourceError
from corpusmith.core.rows import TEXT_COLUMNS, Shape
from corpusmith.sources.columns import TextColumn, paths_of, resolve, text_columns, there_are
from corpusmith.sources.files import Found, SourceFile
from corpusmith.sources.formats import read_items
from corpusmith.sources.items import Bad, FileReport, ReadOptions, Skipped
from corpusmith.sources.kinds import DOCUMENT_KINDS, is_about
from corpusmith.sources.shapes import (
    Mapper,
    RenderedMapper,
    TextMapper,
    explicit,
    has_system_turn,
    recognise,
    shape_of_fields,
)

_HEAD_RECORDS = 64
_POOL_RECORDS = 2048


@dataclass(frozen=True)
class FilePlan:
    """How one file becomes rows."""

    file: SourceFile
    mapper: Mapper


@dataclass(frozen=True)
class Plan:
    """How all files become rows of one shape.

    Attributes:
        files: In reading order.
        shape: Of every row.
        text_field: The text column when all record files share one.
        notes: What was decided, in sentences.
        skipped: Files that are not read and why.
    """

    files: tuple[FilePlan, ...]
    shape: Shape
    text_field: str | None
    notes: tuple[str, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class _Head:
    """The first records of a file."""

    file: SourceFile
    records: list[dict[str, object]]
    bad: Bad | None


@dataclass(frozen=True)
class Wishes:
    """What the person said about columns."""

    text_field: str | None = None
    shape: Shape | None = None
    fields: Mapping[str, str] | None = None


def make_plan(found: Found, wishes: Wishes, options: ReadOptions) -> Plan:
    """Look at the first records of every file and decide.

    Raises:
        SourceError: No file holds a record that can be read, or none holds text.
        ParameterError: A column that was named is nowhere, or the shape wished for does not fit.
    """
    files, skipped = _without_about(found)
    heads, mappers = [], dict[str, Mapper]()
    for file in files:
        if _is_document(file):
            mappers[file.uri] = TextMapper("text")
            continue
        head = _head(file, options)
        if head.records or head.bad:
            heads.append(head)
        else:
            skipped.append(Skipped(file.uri, "holds no record"))
    notes: list[str] = []
    mappers |= _mappers(heads, wishes, notes, skipped)
    _check_some(mappers, heads, skipped)
    shape = _shape(mappers, wishes, notes)
    plans = [
        FilePlan(file, mapper if mapper.shape is shape else RenderedMapper(mapper))
        for file in files
        if (mapper := mappers.get(file.uri))
    ]
    if whole := sum(_is_document(plan.file) for plan in plans):
        unit = "line of a text file" if options.lines else "file"
        notes.append(f"{whole} text, Markdown or HTML files are read as one row per {unit}.")
    columns = {
        plan.mapper.path for plan in plans if isinstance(plan.mapper, TextMapper) and not _is_document(plan.file)
    }
    return Plan(tuple(plans), shape, columns.pop() if len(columns) == 1 else None, tuple(notes), tuple(skipped))


def _is_document(file: SourceFile) -> bool:
    return file.kind in DOCUMENT_KINDS


def _without_about(found: Found) -> tuple[list[SourceFile], list[Skipped]]:
    """Drop READMEs, licences and dataset_info.json that lie beside data files."""
    skipped = list(found.skipped)
    about = {file.uri for file in found.files if not file.named and is_about(file.uri)}
    if not any(not _is_document(file) and file.uri not in about for file in found.files):
        about = set()
    skipped += [Skipped(uri, "describes the data beside it") for uri in sorted(about)]
    return [file for file in found.files if file.uri not in about], skipped


def _head(file: SourceFile, options: ReadOptions) -> _Head:
    records: list[dict[str, object]] = []
    bad: Bad | None = None
    with closing(read_items(file, options, FileReport())) as items:
        for item in islice(items, 4 * _HEAD_RECORDS):
            if isinstance(item, Bad):
                bad = bad or item
            else:
                records.append(item)
            if len(records) >= _HEAD_RECORDS:
                break
    return _Head(file, records, bad)


def _mappers(heads: Sequence[_Head], wishes: Wishes, notes: list[str], skipped: list[Skipped]) -> dict[str, Mapper]:
    """The mapper of every record file that has one; the others are put with the skipped."""
    readable = [head for head in heads if head.records]
    if readable and (wishes.fields or wishes.text_field):
        mappers = _named_mappers(readable, wishes, notes, skipped)
    else:
        mappers = _found_mappers(readable, notes, skipped)
    usual = next(iter(mappers.values()), TextMapper("text"))
    unreadable = {head.file.uri: usual for head in heads if not head.records}  # so that what is bad is kept aside
    return mappers | unreadable


def _named_mappers(
    heads: Sequence[_Head], wishes: Wishes, notes: list[str], skipped: list[Skipped]
) -> dict[str, Mapper]:
    """Mappers from the columns a person named."""
    fields = dict(wishes.fields or {})
    if wishes.text_field:
        fields.setdefault("text", wishes.text_field)
    shape = wishes.shape if wishes.shape is not Shape.TEXT or "text" in fields else None
    shape = shape or shape_of_fields(fields)
    allowed = TEXT_COLUMNS[shape]
    if unknown := [name for name in fields if name not in allowed]:
        raise ParameterError(
            f"{unknown[0]!r} is not a column of the shape {shape.value}", hint=f"Its columns are {', '.join(allowed)}."
        )
    optional = {Shape.INSTRUCTION: {"input"}, Shape.PREFERENCE: {"prompt"}}.get(shape, set())
    mappers: dict[str, Mapper] = {}
    for head in heads:
        paths = paths_of(head.records)
        found = {column: resolve(name, paths) for column, name in fields.items()}
        missing = [fields[column] for column, path in found.items() if path is None and column not in optional]
        if missing:
            skipped.append(Skipped(head.file.uri, f"has no column {missing[0]}"))
            continue
        mappers[head.file.uri] = explicit({column: path for column, path in found.items() if path}, shape, head.records)
    if not mappers:
        paths = paths_of(record for head in heads for record in head.records)
        missing = [name for name in fields.values() if resolve(name, paths) is None] or list(fields.values())
        where = heads[0].file.uri if len(heads) == 1 else f"any of {len(heads)} files"
        raise ParameterError(f"there is no column {missing[0]!r} in {where}", hint=there_are(missing[0], paths))
    notes += [f"As told: {text}." for text in dict.fromkeys(map(str, mappers.values()))]
    return mappers


def _found_mappers(heads: Sequence[_Head], notes: list[str], skipped: list[Skipped]) -> dict[str, Mapper]:
    """Mappers from what the files look like."""
    mappers = {head.file.uri: mapper for head in heads if (mapper := recognise(head.records))}
    for words in dict.fromkeys(map(str, mappers.values())):
        some = [uri for uri, one in mappers.items() if str(one) == words]
        kind = mappers[some[0]].shape.value
        notes.append(f"{_these(some)} {kind} rows by the names of the fields: {words}.")
    with_system = [head.file.uri for head in heads if has_system_turn(mappers.get(head.file.uri), head.records)]
    if with_system:
        notes.append(
            f"{_these(with_system)} system turns: they stay in meta, and are no part of the rows or of a training; "
            "the tools format and train open every conversation with one (their parameter system)."
        )
    rest = [head for head in heads if head.file.uri not in mappers]
    share = max(_POOL_RECORDS // max(len(rest), 1), 2)
    pooled = text_columns([record for head in rest for record in head.records[:share]])
    told: dict[str, list[str]] = {}
    for head in rest:
        paths = set(paths_of(head.records))
        column = next((column for column in pooled if column.path in paths and column == pooled[0]), None)
        own = [column] if column else text_columns(head.records)
        if not own:
            skipped.append(Skipped(head.file.uri, f"has no text column; its columns: {', '.join(sorted(paths)[:12])}"))
            continue
        mappers[head.file.uri] = TextMapper(own[0].path)
        others = pooled[1:2] if column else own[1:2]
        told.setdefault(_why(own[0], others), []).append(head.file.uri)
    notes += [f"{_these(uris)} text rows: {why}." for why, uris in told.items()]
    return mappers


def _why(column: TextColumn, others: Sequence[TextColumn]) -> str:
    named = "is named like a text, and " if column.named else ""
    text = f"the text is {column.path!r}, which {named}holds {column.mean_chars:.0f} characters on average"
    return text + (f" (next: {others[0].path!r} with {others[0].mean_chars:.0f})" if others else "")


def _these(uris: Sequence[str]) -> str:
    return f"{uris[0]} holds" if len(uris) == 1 else f"{len(uris)} files ({uris[0]}, …) hold"


def _check_some(mappers: Mapping[str, Mapper], heads: Sequence[_Head], skipped: Sequence[Skipped]) -> None:
    """Raise when nothing at all can be read."""
    if not mappers:
        reasons = "; ".join(f"{item.uri} {item.reason}" for item in skipped[:3])
        hint = "Is it what its name says?"
        if any(head.records for head in heads):
            hint = 'Say which column: "the text is in COLUMN" in a request, text_field for a tool.'
        raise SourceError(f"no text was found: {reasons}", hint=hint)
    if len(mappers) == len(heads) and not any(head.records for head in heads):
        bad = next(head for head in heads if head.bad)
        assert bad.bad is not None
        raise SourceError(
            f"no record of {bad.file.uri} can be read: {bad.bad.reason}", hint="Is it what its name says?"
        )


def _shape(mappers: Mapping[str, Mapper], wishes: Wishes, notes: list[str]) -> Shape:
    """The one shape of the rows."""
    shapes = sorted({mapper.shape for mapper in mappers.values()})
    if wishes.shape not in (None, Shape.TEXT) and shapes != [wishes.shape]:
        odd = next(uri for uri, mapper in mappers.items() if mapper.shape is not wishes.shape)
        columns = ", ".join(TEXT_COLUMNS[wishes.shape])
        raise ParameterError(
            f"{odd} was not recognised as {wishes.shape.value} rows", hint=f"Say in fields where its {columns} are."
        )
    if len(shapes) == 1 and wishes.shape in (None, shapes[0]):
        return shapes[0]
    reason = "as wished" if wishes.shape else f"the files differ ({' and '.join(shapes)})"
    notes.append(f"Every row is read as text, {reason}; instruction rows are rendered, their fields are in meta.")
    return Shape.TEXT
