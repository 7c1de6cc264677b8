"""Rows in the shape a trainer reads: which rows cannot be used, and the columns of each template.

    text        text
    windows     text, one row per window of `window_tokens` tokens (`ops.windows`)
    alpaca      instruction, input, output
    sharegpt    conversations: list of {from: system|human|gpt, value}
    messages    messages: list of {role: system|user|assistant, content} (ChatML, what TRL and most trainers read)
    preference  prompt, chosen, rejected (TRL's explicit-prompt preference format)

Every template also carries `row_id`, `source` and `meta`. Labels, masks and padding are the trainer's business: what
is stored here is text, so that no pad token can ever be trained on. `input` is never lost: where a template has no
place for it, it follows the instruction after a blank line.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import xxhash

from corpusmith.core.ids import derived_row_id, root_row_id
from corpusmith.core.rows import (
    META,
    PARENT_ID,
    ROW_ID,
    SOURCE,
    TEXT,
    Shape,
    meta_values,
    schema_of,
    set_column,
    shape_of,
)
from corpusmith.ops.sampling_fields import as_category, row_keys
from corpusmith.ops.windows import window_spans

Template = Literal["text", "windows", "alpaca", "sharegpt", "messages", "preference"]
NEEDS: dict[Template, Shape] = {
    "alpaca": Shape.INSTRUCTION,
    "sharegpt": Shape.INSTRUCTION,
    "messages": Shape.INSTRUCTION,
    "preference": Shape.PREFERENCE,
}
REFUSED, WEIGHT, ROOT, SAME, NAMED, SPLIT_KEY = "_refused", "_weight", "_root", "_same", "_named", "_split_key"
EMPTY_PROMPT, EMPTY_RESPONSE, IDENTICAL, NO_WINDOW = "empty_prompt", "empty_response", "identical_pair", "no_window"
SHORT_TAIL = "short_tail"
WINDOW = "window"
_STRING = pa.string()


@dataclass(frozen=True)
class Windows:
    """Length, stride (None = no overlap) and least length of windows, in tokens."""

    tokens: int = 1024
    stride: int | None = None
    least: int = 8


def refusals(batch: pa.Table) -> list[str | None]:
    """Per row, why it can teach nothing (empty prompt or response, chosen equal to rejected), or None."""
    shape = shape_of(batch.schema)
    if shape is Shape.TEXT:
        return [None] * batch.num_rows
    if shape is Shape.INSTRUCTION:
        columns = [_plain(batch, name) for name in ("instruction", "input", "output")]
        return [
            EMPTY_RESPONSE if not output else EMPTY_PROMPT if not (instruction or given) else None
            for instruction, given, output in zip(*columns, strict=True)
        ]
    columns = [_plain(batch, name) for name in ("prompt", "chosen", "rejected")]
    return [
        EMPTY_RESPONSE
        if not (chosen and rejected)
        else IDENTICAL
        if chosen == rejected
        else None
        if prompt
        else EMPTY_PROMPT
        for prompt, chosen, rejected in zip(*columns, strict=True)
    ]


def _plain(batch: pa.Table, name: str) -> list[str]:
    return [(value or "").strip() for value in batch.column(name).to_pylist()]


@dataclass(frozen=True)
class FormatRows:
    """Row operator that adds what the split needs: refusal, weight, and hashes of what rows may share.

    Attributes:
        seed: Seed of the split.
        windows: Window lengths; None = a row stays a row.
        group_by: Dotted path of a value whose rows stay together.
    """

    seed: int
    windows: Windows | None = None
    group_by: str | None = None
    name: str = "format_rows"
    columns: tuple[str, ...] = (REFUSED, WEIGHT, ROOT, SAME, NAMED, SPLIT_KEY)

    def apply(self, batch: pa.Table) -> pa.Table:
        """Add the columns."""
        refused = refusals(batch)
        weight = [int(rule is None) for rule in refused]
        if self.windows is not None:
            texts = batch.column(TEXT).to_pylist()
            weight = [_count(text or "", self.windows) if n else 0 for n, text in zip(weight, texts, strict=True)]
            refused = [rule or (None if n else NO_WINDOW) for rule, n in zip(refused, weight, strict=True)]
        named = meta_values(batch, self.group_by) if self.group_by else [None] * batch.num_rows
        new = {
            REFUSED: pa.array(refused, pa.large_string()),
            WEIGHT: pa.array(weight, pa.int64()),
            ROOT: _hashes([root_row_id(value) for value in batch.column(ROW_ID).to_pylist()]),
            SAME: _hashes(_prompts(batch)),
            NAMED: _hashes(["" if value is None else as_category(value) for value in named]),
            SPLIT_KEY: pa.array(row_keys(batch.column(ROW_ID), self.seed, "split")),
        }
        for name, column in new.items():
            batch = set_column(batch, name, column)
        return batch


def _count(text: str, windows: Windows) -> int:
    return sum(1 for *_, n in window_spans(text, windows.tokens, windows.stride) if n >= windows.least)


def _hashes(values: list[str]) -> pa.Array:
    """64-bit hashes; 0 for the empty string."""
    return pa.array([xxhash.xxh3_64_intdigest(value.encode()) if value else 0 for value in values], pa.uint64())


def _prompts(batch: pa.Table) -> list[str]:
    """What a row asks, case and white space folded; empty for plain text."""
    shape = shape_of(batch.schema)
    if shape is Shape.TEXT:
        return [""] * batch.num_rows
    names = ("instruction", "input") if shape is Shape.INSTRUCTION else ("prompt",)
    columns = [_plain(batch, name) for name in names]
    return ["\n".join(" ".join(part.casefold().split()) for part in parts) for parts in zip(*columns, strict=True)]


@dataclass(frozen=True)
class Windowed:
    """Rows cut into windows: the rows that stay, the position of each one's parent in the batch, the tails left out."""

    table: pa.Table
    parent: np.ndarray[Any, np.dtype[np.int64]]
    short: list[tuple[str, int]]


def windowed(batch: pa.Table, windows: Windows) -> Windowed:
    """Cut the `text` of each row into windows, as derived rows `<parent>~window.<n>`.

    Each window's `meta` is its parent's with `window`: {chars: [first, one past the last], tokens} added.
    """
    columns: dict[str, list[Any]] = {name: [] for name in (ROW_ID, PARENT_ID, SOURCE, TEXT, META)}
    parent: list[int] = []
    short: list[tuple[str, int]] = []
    given = zip(*(batch.column(name).to_pylist() for name in (ROW_ID, SOURCE, TEXT, META)), strict=True)
    for at, (row_id, source, text, meta) in enumerate(given):
        about = json.loads(meta) if meta else {}
        for ordinal, (begin, end, tokens) in enumerate(window_spans(text or "", windows.tokens, windows.stride)):
            name = derived_row_id(row_id, WINDOW, ordinal)
            if tokens < windows.least:
                short.append((name, tokens))
                continue
            more = {"chars": [begin, end], "tokens": tokens}
            values = (name, row_id, source, text[begin:end], json.dumps({**about, WINDOW: more}, ensure_ascii=False))
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
            parent.append(at)
    arrays = [pa.array(column, pa.large_string()) for column in columns.values()]
    return Windowed(pa.table(arrays, schema=schema_of(Shape.TEXT)), np.array(parent, np.int64), short)


def export_table(batch: pa.Table, template: Template, system: str | None = None) -> pa.Table:
    """The columns of `template` for a batch of canonical rows of the shape it needs.

    Args:
        batch: Canonical rows; the others' columns are left behind.
        template: The template.
        system: A system message to open every conversation with.
    """
    if template == "messages":
        chats = [
            [{"role": role, "content": said} for role, said in turns]
            for turns in _turns(batch, system, "user", "assistant")
        ]
        kind = pa.list_(pa.struct([("role", _STRING), ("content", _STRING)]))
        columns = {"messages": pa.array(chats, kind)}
    elif template == "sharegpt":
        chats = [
            [{"from": role, "value": said} for role, said in turns] for turns in _turns(batch, system, "human", "gpt")
        ]
        kind = pa.list_(pa.struct([("from", _STRING), ("value", _STRING)]))
        columns = {"conversations": pa.array(chats, kind)}
    else:
        names = {"alpaca": ("instruction", "input", "output"), "preference": ("prompt", "chosen", "rejected")}
        columns = {name: _filled(batch, name) for name in names.get(template, (TEXT,))}
    columns |= {name: _filled(batch, name) for name in (ROW_ID, SOURCE, META)}
    return pa.table(columns)


def _filled(batch: pa.Table, name: str) -> pa.Array:
    return pa.array([value or "" for value in batch.column(name).to_pylist()], _STRING)


def _turns(batch: pa.Table, system: str | None, user: str, assistant: str) -> list[list[tuple[str, str]]]:
    opening = [("system", system)] if system else []
    columns = [[value or "" for value in batch.column(name).to_pylist()] for name in ("instruction", "input", "output")]
    return [
        [*opening, (user, "\n\n".join(part for part in (instruction, given) if part)), (assistant, output)]
        for instruction, given, output in zip(*columns, strict=True)
    ]


def empty_like(schema: pa.Schema, template: Template, split: str) -> pa.Table:
    """A table of no rows with the columns of the artifact that `format` makes from rows of `schema`."""
    base = schema_of(Shape.TEXT) if template == "windows" else schema
    empty = base.empty_table()
    return set_column(empty, split, pa.array([], pa.large_string()))
