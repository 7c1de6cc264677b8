"""The chunks of the `index` tool: cut, written as rows with their ledger lines, and what language they are in."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from corpusmith.core.rows import META, ROW_ID, SOURCE, TEXT
from corpusmith.core.tools import StepContext
from corpusmith.models.retrieval.chunking import ChunkSizes, code_parser
from corpusmith.models.retrieval.chunks import RULE, Chunk, chunk_table, chunks_of
from corpusmith.models.retrieval.fields import FieldFinder
from corpusmith.models.retrieval.kinds import Kind, code_language
from corpusmith.ops.language import UNDETERMINED, detect
from corpusmith.ops.ledger_lines import ledger_lines

BATCH, SAMPLE = 256, 200
BLANK = "blank"


@dataclass
class Cut:
    """What was cut.

    Attributes:
        chunks: All of them, in the order of the rows.
        documents: Rows that have any.
        kinds: Documents by kind.
        languages: Programming languages of the documents that are code; None = one that is not known.
    """

    chunks: list[Chunk] = field(default_factory=list)
    documents: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    languages: set[str | None] = field(default_factory=set)

    def parsers(self) -> dict[str, str]:
        """What cut each kind."""
        names = {"post": "SentenceSplitter", "article": "MarkdownNodeParser, SentenceSplitter"}
        if "code" in self.kinds:
            names["code"] = ", ".join(sorted({code_parser(language) for language in self.languages}))
        return {kind: names[kind] for kind in sorted(self.kinds)}


def cut_documents(ctx: StepContext, kind: Kind | None, sizes: ChunkSizes, finder: FieldFinder) -> Cut:
    """Cut the rows of the data, and write the chunks as rows; a row without text gets a ledger line.

    Args:
        ctx: Of the step.
        kind: What the rows are; None = found row by row.
        sizes: Lengths of chunks.
        finder: Reads what each row says of itself.
    """
    data, out, done = ctx.data(), Cut(), 0
    for table in data.batches((ROW_ID, SOURCE, TEXT, META), rows=BATCH):
        ctx.cancel.check()
        rows = table.to_pylist()
        made = list(chunks_of(rows, kind, sizes, finder))
        of_row = {chunk.parent: chunk.kind for chunk, _ in made}
        for row in rows:
            of_kind = of_row.get(row[ROW_ID])
            if of_kind is None:
                ctx.writer.ledger(ledger_lines([row[ROW_ID]], "drop", BLANK))
                continue
            out.documents += 1
            out.kinds[of_kind] = out.kinds.get(of_kind, 0) + 1
            if of_kind == "code":
                out.languages.add(code_language(row[SOURCE] or "", _meta(row)))
        if made:
            ctx.writer.write(chunk_table(made))
            ctx.writer.ledger(ledger_lines([chunk.row_id for chunk, _ in made], "derive", RULE))
        out.chunks += [chunk for chunk, _ in made]
        done += len(rows)
        ctx.emit(f"index: {done:,} of {data.rows:,} documents cut, {len(out.chunks):,} chunks")
    return out


def language_of(texts: Sequence[str]) -> str:
    """The most frequent language of a sample of texts, ISO 639-1; `und` where none can be told."""
    step = max(1, len(texts) // SAMPLE)
    names, _ = detect(list(texts[::step][:SAMPLE]))
    ranked = Counter(name for name in names if name != UNDETERMINED).most_common(1)
    return ranked[0][0] if ranked else UNDETERMINED


def _meta(row: Mapping[str, str | None]) -> dict[str, object]:
    found = json.loads(row[META] or "{}")
    return found if isinstance(found, dict) else {}
