"""Rows of a dataset as a provider's examples: as they were curated, rendered as `format` renders them.

A conversation that lies in `meta` is as it came in, before anything was cleaned out of it, and is never sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from corpusmith.core.rows import ROW_ID
from corpusmith.core.tools import Dataset
from corpusmith.models.hosted.files import HostedMethod, Line, chat_line, preference_line
from corpusmith.ops.formatting import export_table, refusals

SPLIT = "split"
Drop = Callable[[list[str], list[str]], None]


def examples(
    data: Dataset,
    method: HostedMethod,
    split: str,
    system: str | None,
    drop: Drop = lambda _ids, _rules: None,
) -> Iterator[Line]:
    """Rows of a split as the provider's examples.

    Args:
        data: Rows of the shape that the method needs.
        method: What they are to teach.
        split: The split, where the data has splits; else all rows are taken.
        system: A system message to open every conversation with.
        drop: Told of rows that teach nothing: their ids, and the rule for each.

    Raises:
        PreconditionError: A row is no example.
    """
    for table in data.batches():
        batch = table.filter(pc.equal(table.column(SPLIT), split)) if SPLIT in table.schema.names else table
        rules = refusals(batch)
        row_ids = batch.column(ROW_ID).to_pylist()
        gone = [(row_id, rule) for row_id, rule in zip(row_ids, rules, strict=True) if rule is not None]
        if gone:
            drop([row_id for row_id, _ in gone], [rule for _, rule in gone])
            batch = batch.filter(pa.array([rule is None for rule in rules]))
        yield from _chats(batch, system) if method == "sft" else _pairs(batch, system)


def _chats(batch: pa.Table, system: str | None) -> Iterator[Line]:
    messages = export_table(batch, "messages", system).column("messages").to_pylist()
    for row_id, turns in zip(batch.column(ROW_ID).to_pylist(), messages, strict=True):
        yield chat_line(row_id, turns)


def _pairs(batch: pa.Table, system: str | None) -> Iterator[Line]:
    opening = [{"role": "system", "content": system}] if system else []
    for row in batch.select([ROW_ID, "prompt", "chosen", "rejected"]).to_pylist():
        prompt = [*opening, {"role": "user", "content": row["prompt"]}]
        yield preference_line(row[ROW_ID], prompt, row["chosen"], row["rejected"])
