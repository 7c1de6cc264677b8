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
        available: Rows of the split that could have been drawn.
        empty: Rows of the split left out because they have no text or no response.
    """

    kind: Kind
    ids: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    chats: tuple[Turns, ...] = ()
    prompts: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
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
        ids = batch.column(ROW_ID)
        keys += zip(row_keys(ids, seed, "evaluate").tolist(), ids.to_pylist(), strict=True)
    left = [pair for pair in keys if pair[1] not in without]
    drawn = None if most is None or len(left) <= most else {row_id for _, row_id in sorted(left)[:most]}
    found: list[tuple[str, str, Turns]] = []
    empty = 0
    for batch in batches(data, _columns(data, kind), split):
        for row_id, text, turns in _rows(batch, data.shape, kind, system):
            if row_id in without or (drawn is not None and row_id not in drawn):
                continue
            if not (text if kind == "documents" else turns[-1][1]).strip():
                empty += 1
                continue
            found.append((row_id, text, turns))
    ids_, texts = tuple(row[0] for row in found), tuple(row[1] for row in found)
    if kind == "documents":
        return JudgedRows(kind, ids_, texts, available=len(left), empty=empty)
    chats = tuple(row[2] for row in found)
    references = tuple(turns[-1][1] for turns in chats)
    prompts = tuple(texts)
    return JudgedRows(kind, ids_, (), chats, prompts, references, len(left), empty)


def _columns(data: Dataset, kind: Kind) -> list[str]:
    if kind == "documents":
        return [ROW_ID, TEXT]
    if data.shape is Shape.PREFERENCE:
        return [ROW_ID, "prompt", "chosen"]
    return [ROW_ID, SOURCE, META, "instruction", "input", "output"]


def _rows(batch: pa.Table, shape: Shape, kind: Kind, system: str | None) -> Iterator[tuple[str, str, Turns]]:
    """(row id, document or what is asked, conversation)."""
    if kind == "documents":
        for row_id, text in zip(batch.column(ROW_ID).to_pylist(), batch.column(TEXT).to_pylist(), strict=True):
            yield row_id, text or "", []
    elif shape is Shape.PREFERENCE:
        opening = [("system", system)] if system else []
        columns = (batch.column(name).to_pylist() for name in (ROW_ID, "prompt", "chosen"))
        for row_id, prompt, chosen in zip(*columns, strict=True):
            yield row_id, prompt or "", [*opening, ("user", prompt or ""), ("assistant", chosen or "")]
    else:
        for row_id, turns in conversations(batch, system):
            yield row_id, "\n\n".join(text for role, text in turns[:-1] if role != "system"), turns


def recorded(artifact: Dataset) -> ArtifactRecord:
    """The record of a stored artifact.

    Raises:
        PreconditionError: It is not from a store.
    """
    if not isinstance(artifact, StoredDataset):
        raise PreconditionError(f"artifact {artifact.id} has no record", hint="Run the step in a workspace.")
    return artifact.record
