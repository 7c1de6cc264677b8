"""Which reader reads which kind."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from corpusmith.sources.columnar import read_parquet, read_saved
from corpusmith.sources.compression import ByteStream
from corpusmith.sources.delimited import read_delimited
from corpusmith.sources.documents import read_document
from corpusmith.sources.encoding import SAMPLE_BYTES, Encoding, decide
from corpusmith.sources.files import SourceFile
from corpusmith.sources.items import Bad, FileReport, Item, ReadOptions
from corpusmith.sources.jsondoc import read_json
from corpusmith.sources.kinds import Kind
from corpusmith.sources.lines import read_jsonl, read_plain_lines


def read_items(file: SourceFile, options: ReadOptions, report: FileReport) -> Generator[Item, None, None]:
    """The records of `file`, good and bad, in order; at most a window of it is in memory.

    Raises:
        SourceError: The file cannot be opened.
        ParameterError: The encoding named does not exist.
    """
    if file.kind is Kind.PARQUET:
        yield from read_parquet(file, options, report)
        return
    if file.kind is Kind.HF:
        yield from read_saved(file, report)
        return
    stream = ByteStream(file.open(), options.max_decompressed_bytes)
    try:
        sample = stream.peek(SAMPLE_BYTES)
        encoding = decide(sample, len(sample) < SAMPLE_BYTES, options, html=file.kind is Kind.HTML)
        if not sample:
            if stream.damage is not None:
                yield Bad(stream.damage)
            return
        yield from _parse(file.kind, sample, stream, encoding, options, report)
    finally:
        stream.close()


def _parse(
    kind: Kind, sample: bytes, stream: ByteStream, encoding: Encoding, options: ReadOptions, report: FileReport
) -> Iterator[Item]:
    if kind in (Kind.JSON, Kind.JSONL):
        by_line = _is_json_lines(kind, sample, encoding)
        return (read_jsonl if by_line else read_json)(stream, encoding, options, report)
    if kind in (Kind.CSV, Kind.TSV):
        return read_delimited(stream, encoding, options, report, tab=kind is Kind.TSV)
    if kind is Kind.TEXT and options.lines:
        return read_plain_lines(stream, encoding, options, report)
    return read_document(stream, encoding, options, report, kind)


def _is_json_lines(kind: Kind, sample: bytes, encoding: Encoding) -> bool:
    """Whether JSON stands one value per line, whatever the file's name says."""
    text = sample.decode(encoding.name, "replace").lstrip("\ufeff \t\r\n")
    first, newline, rest = text.partition("\n")
    first, rest = first.strip(), rest.lstrip()
    if kind is Kind.JSONL:
        return not (first.startswith("[") and (first == "[" or first.endswith((",", "]")) or not newline))
    return first.startswith("{") and first.endswith("}") and rest.startswith("{")
