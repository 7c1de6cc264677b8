"""Documents as chunks: rows of their own, with the row they come from, their place in it and what they are cited by."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import xxhash

from corpusmith.core.fingerprints import canonical
from corpusmith.core.ids import derived_row_id
from corpusmith.core.rows import META, PARENT_ID, ROW_ID, SOURCE, TEXT, Shape, schema_of
from corpusmith.models.retrieval.chunking import ChunkSizes, cut
from corpusmith.models.retrieval.fields import About, FieldFinder
from corpusmith.models.retrieval.kinds import Kind, code_language, kind_of, markup_of
from corpusmith.models.retrieval.store import DIGEST, FIELDS

RULE, CHUNK = "chunk", "chunk"
_TAG = re.compile(r"<[^<>]{1,300}>")


@dataclass(frozen=True)
class Chunk:
    """A part of a document.

    Attributes:
        id: UUID made of the row and the chunk's text: the same text of the same row has the same id in every index.
        row_id: Its own row id, the parent's with rule and ordinal.
        parent: The document's row id.
        source: File the document came from.
        text: The document's characters from `start` to `end`.
        start: Where it begins in the document.
        end: Where it ends.
        kind: Kind of document.
        html: Whether the text is HTML.
        about: What the document says of itself.
    """

    id: str
    row_id: str
    parent: str
    source: str
    text: str
    start: int
    end: int
    kind: Kind
    html: bool
    about: About

    def indexed(self, title: bool = True) -> str:
        """The words that it is found by: its document's title, and its text without tags."""
        text = _TAG.sub(" ", self.text) if self.html else self.text
        return f"{self.about.title}\n{text}" if title and self.about.title else text

    def payload(self) -> dict[str, Any]:
        """What a store keeps of it."""
        plain: dict[str, Any] = {
            "chunk_id": self.row_id,
            "row_id": self.parent,
            "source": self.source,
            "title": self.about.title,
            "url": self.about.url,
            "text": self.text,
            FIELDS: dict(self.about.filters),
        }
        return plain | {DIGEST: xxhash.xxh3_64_hexdigest(canonical(plain).encode())}

    def row(self, meta: str) -> dict[str, Any]:
        """The canonical row: the document's `meta`, and the chunk's own facts under `chunk`."""
        facts = {
            "id": self.id, "start": self.start, "end": self.end, "kind": self.kind, "html": self.html,
            "title": self.about.title, "url": self.about.url, FIELDS: dict(self.about.filters),
        }  # fmt: skip
        said = json.loads(meta) if meta else {}
        return {
            ROW_ID: self.row_id,
            PARENT_ID: self.parent,
            SOURCE: self.source,
            TEXT: self.text,
            META: json.dumps({**said, CHUNK: facts}, ensure_ascii=False),
        }


def chunks_of(
    rows: Sequence[dict[str, Any]], kind: Kind | None, sizes: ChunkSizes, finder: FieldFinder
) -> Iterator[tuple[Chunk, str]]:
    """The chunks of documents, in order, each with its document's `meta`.

    Args:
        rows: Canonical rows.
        kind: What they are; None = found row by row.
        sizes: Lengths.
        finder: Reads what each row says of itself.
    """
    for row in rows:
        text, meta, source = row[TEXT] or "", row[META] or "{}", row[SOURCE] or ""
        said = json.loads(meta)
        of_kind = kind or kind_of(source, said)
        markup = markup_of(text, source) if of_kind == "article" else "plain"
        spans = cut(text, of_kind, markup, sizes, code_language(source, said))
        if not spans:
            continue
        about = finder.read(meta, source)
        seen: dict[str, int] = {}
        for ordinal, (start, end) in enumerate(spans):
            part = text[start:end]
            again = seen[part] = seen.get(part, -1) + 1
            yield (
                Chunk(
                    id=_id(row[ROW_ID], part, again),
                    row_id=derived_row_id(row[ROW_ID], RULE, ordinal),
                    parent=row[ROW_ID],
                    source=source,
                    text=part,
                    start=start,
                    end=end,
                    kind=of_kind,
                    html=markup == "html",
                    about=about,
                ),
                meta,
            )


def chunk_table(made: Sequence[tuple[Chunk, str]]) -> pa.Table:
    """Chunks as canonical rows."""
    schema = schema_of(Shape.TEXT)
    return pa.Table.from_pylist([chunk.row(meta) for chunk, meta in made], schema=schema)


def read_chunks(table: pa.Table) -> list[Chunk]:
    """Chunks out of the rows that `chunk_table` made."""
    out = []
    for row in table.select([ROW_ID, PARENT_ID, SOURCE, TEXT, META]).to_pylist():
        facts = json.loads(row[META])[CHUNK]
        about = About(facts["title"], facts["url"], facts[FIELDS])
        out.append(
            Chunk(
                id=facts["id"], row_id=row[ROW_ID], parent=row[PARENT_ID], source=row[SOURCE] or "", text=row[TEXT],
                start=facts["start"], end=facts["end"], kind=facts["kind"], html=facts["html"], about=about,
            )
        )  # fmt: skip
    return out


def content_of(chunks: Sequence[Chunk]) -> str:
    """A digest of all chunks as a store holds them, whatever their order."""
    digests = sorted(f"{chunk.id}:{chunk.payload()[DIGEST]}" for chunk in chunks)
    return xxhash.xxh3_128_hexdigest("\n".join(digests).encode())


def _id(row_id: str, text: str, again: int) -> str:
    content = f"{row_id}\n{again}\n{text}".encode("utf-8", "surrogatepass")
    return str(uuid.UUID(int=xxhash.xxh3_128_intdigest(content)))
