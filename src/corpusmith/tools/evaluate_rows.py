"""The rows that a model is judged on: of which split, as documents or conversations, drawn, with their references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from corpusmith.core.errors import PreconditionError
from corpusmith.core.rows import META, ROW_ID, SOURCE, TEXT, Shape
from corpusmith.core.tools import Dataset
from corpusmith.ops.sampling_fields import row_keys
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.records import ArtifactRecord
from corpusmith.tools.train_rows import SPLIT, conversations

Turns = list[tuple[str, str]]
Kind = Literal["documents", "chats"]


@dataclass(frozen=True)
class JudgedRows:
    """n rows with something to judge a model by; what is empty for a kind has no use there.

    Attributes:
        kind: documents (every token is scored) or chats (the response is).
        ids: n row ids.
        texts: n documents.
        chats: n conversations that end with the reference.
        prompts: n plain texts of what is asked.
        references: n responses.
        rejected: n answers that are worse, of preference pairs.
        available: Rows of the split that could have been drawn.
        empty: Rows of the split left out because they have no text or no response.
    """

    kind: Kind
    ids: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    chats: tuple[Turns, ...] = ()
    prompts: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    available: int = 0
    empty: int = 0

    @property
    def documents(self) -> list[tuple[str, str]]:
        """(row id, text) of each."""
        return list(zip(self.ids, self.texts, strict=True))

    @property
    def conversations(self) -> list[tuple[str, Turns]]:
        """(row id, turns with the response) of each."""
        return list(zip(self.ids, self.chats, strict=True))

    @property
    def worse(self) -> list[tuple[str, Turns]]:
        """(row id, turns with the rejected answer) of each; none where the rows are no pairs."""
        both = zip(self.conversations, self.rejected, strict=True) if self.rejected else ()
        return [(row_id, [*turns[:-1], ("assistant", text)]) for (row_id, turns), text in both]

    @property
    def questions(self) -> list[tuple[str, Turns]]:
        """(row id, turns without the response) of each."""
        return [(row_id, turns[:-1]) for row_id, turns in self.conversations]


def split_of(data: Dataset, split: str | None) -> str | None:
    """The split that can be read: None where the data has no splits, or all rows were asked for.

    Raises:
        PreconditionError: The data has splits, and no row in this one.
    """
    if split is None or SPLIT not in data.schema.names:
        return None
    counts = Counter(data.table([SPLIT]).column(SPLIT).to_pylist())
    if not counts[split]:
        found = ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=str)) or "none"
        raise PreconditionError(
            f"there is no row in split {split!r} (rows by split: {found})", hint="Name another split, or null for all."
        )
    return split


def batches(data: Dataset, columns: Sequence[str], split: str | None) -> Iterator[pa.Table]:
    """The rows of a split, all of them when it is None."""
    for batch in data.batches(list(columns) if split is None else [*columns, SPLIT]):
        yield batch if split is None else batch.filter(pc.equal(batch.column(SPLIT), split))


def read_rows(
    data: Dataset,
    kind: Kind,
    split: str | None,
    *,
    system: str | None = None,
    most: int | None = None,
    seed: int = 0,
    without: Collection[str] = (),
) -> JudgedRows:
    """Read rows, or draw `most` of them by seed and row id.

    Args:
        data: A dataset of any shape; documents are its `text`.
        kind: As what.
        split: From `split_of`.
        system: System turn that opens every conversation.
        most: Rows at most; None = all.
        seed: Of the draw.
        without: Row ids to leave out.
    """
    keys: list[tuple[int, str]] = []
    for batch in batches(data, [ROW_ID], split):
        names = batch.column(ROW_ID)
        keys += zip(row_keys(names, seed, "evaluate").tolist(), names.to_pylist(), strict=True)
    left = [pair for pair in keys if pair[1] not in without]
    drawn = None if most is None or len(left) <= most else {row_id for _, row_id in sorted(left)[:most]}
    found: list[_Row] = []
    empty = 0
    for batch in batches(data, _columns(data, kind), split):
        for row in _rows(batch, data.shape, kind, system):
            if row.id in without or (drawn is not None and row.id not in drawn):
                continue
            empty += row.empty
            found += [] if row.empty else [row]
    ids, texts = tuple(row.id for row in found), tuple(row.text for row in found)
    if kind == "documents":
        return JudgedRows(kind, ids, texts, available=len(left), empty=empty)
    return JudgedRows(
        kind,
        ids,
        chats=tuple(row.turns for row in found),
        prompts=texts,
        references=tuple(row.turns[-1][1] for row in found),
        rejected=tuple(row.worse for row in found if row.worse is not None),
        available=len(left),
        empty=empty,
    )


def answered_rows(rows: JudgedRows, most: int | None, seed: int) -> frozenset[str]:
    """Ids of the rows that are answered: all, or `most` of them by seed and row id; none of documents."""
    if rows.kind == "documents":
        return frozenset()
    keys = row_keys(pa.array(rows.ids, pa.large_string()), seed, "answer").tolist()
    return frozenset(row_id for _, row_id in sorted(zip(keys, rows.ids, strict=True))[:most])


@dataclass(frozen=True)
class _Row:
    """One row: a document or what is asked, the conversation, and a rejected answer."""

    id: str
    text: str
    turns: Turns
    worse: str | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to judge by."""
        said = [self.turns[-1][1] if self.turns else self.text, *([] if self.worse is None else [self.worse])]
        return not all(text.strip() for text in said)


def _columns(data: Dataset, kind: Kind) -> list[str]:
    if kind == "documents":
        return [ROW_ID, TEXT]
    if data.shape is Shape.PREFERENCE:
        return [ROW_ID, "prompt", "chosen", "rejected"]
    return [ROW_ID, SOURCE, META, "instruction", "input", "output"]


def _rows(batch: pa.Table, shape: Shape, kind: Kind, system: str | None) -> Iterator[_Row]:
    if kind == "documents":
        for row_id, text in zip(batch.column(ROW_ID).to_pylist(), batch.column(TEXT).to_pylist(), strict=True):
            yield _Row(row_id, text or "", [])
    elif shape is Shape.PREFERENCE:
        opening = [("system", system)] if system else []
        for row in batch.to_pylist():
            prompt, chosen, rejected = (row[name] or "" for name in ("prompt", "chosen", "rejected"))
            yield _Row(row[ROW_ID], prompt, [*opening, ("user", prompt), ("assistant", chosen)], rejected)
    else:
        for row_id, turns in conversations(batch, system):
            yield _Row(row_id, "\n\n".join(text for role, text in turns[:-1] if role != "system"), turns)


def recorded(artifact: Dataset) -> ArtifactRecord:
    """The record of a stored artifact.

    Raises:
        PreconditionError: It is not from a store.
    """
    if not isinstance(artifact, StoredDataset):
        raise PreconditionError(f"artifact {artifact.id} has no record", hint="Run the step in a workspace.")
    return artifact.record
