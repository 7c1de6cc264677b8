"""Which rows of a dataset a training reads, and as what: conversations, documents or preference pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.core.rows import META, ROW_ID, SOURCE, TEXT_COLUMNS, Shape
from corpusmith.core.tools import Dataset
from corpusmith.models.preparing import Rows
from corpusmith.models.replay import draw_rows
from corpusmith.models.training.spec import Method
from corpusmith.ops.formatting import export_table

SPLIT = "split"
METHODS: Mapping[Shape, Method] = {Shape.TEXT: "pretrain", Shape.INSTRUCTION: "sft", Shape.PREFERENCE: "dpo"}
NEEDS: Mapping[Method, Shape] = {"sft": Shape.INSTRUCTION, "dpo": Shape.PREFERENCE}
_HINTS: Mapping[Method, str] = {
    "sft": "Run `generate` for instructions out of documents, or take the method pretrain.",
    "dpo": "Preference rows have prompt, chosen and rejected; or take the method auto.",
}


class Drawn(NamedTuple):
    """Rows drawn, how many, and the ids of those that were not."""

    rows: Rows
    taken: int
    left: list[str]


def method_for(wanted: str, data: Dataset) -> Method:
    """The method that was asked for, or the one of the data's shape.

    Raises:
        ParameterError: The data has another shape than the method needs. `pretrain` takes the text of any shape.
    """
    shape = data.shape
    method: Method = METHODS[shape] if wanted == "auto" else wanted  # type: ignore[assignment]
    if NEEDS.get(method, shape) is not shape:
        raise ParameterError(
            f"train: method {method} needs {NEEDS[method].value} rows, and the data has {shape.value} rows",
            hint=_HINTS[method],
        )
    return method


def check_replay(method: Method, replay: Dataset) -> None:
    """Refuse general rows that the method cannot learn from.

    Raises:
        ParameterError: Documents or instructions beside preference pairs, or pairs beside instructions.
    """
    if (method == "dpo") != (replay.shape is Shape.PREFERENCE) and method != "pretrain":
        raise ParameterError(
            f"train: method {method} cannot replay {replay.shape.value} rows", hint="Leave replay out."
        )


def check_split(data: Dataset, split: str) -> None:
    """Refuse data without splits, or with fewer than two rows in the one that is trained on.

    Raises:
        PreconditionError: As above.
    """
    if SPLIT not in data.schema.names:
        raise PreconditionError(
            "train: the data has no splits, so nothing would be held out",
            hint='Run `format` first, with splits such as {"train": 0.9, "validation": 0.1}.',
        )
    counts = Counter(data.table([SPLIT]).column(SPLIT).to_pylist())
    if counts[split] < 2:
        found = ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=str)) or "none"
        what = "only one row" if counts[split] else "no row"
        raise PreconditionError(
            f"train: there is {what} in split {split!r} (rows by split: {found})",
            hint="Give more data, or name another split.",
        )


def rows_of(data: Dataset, method: Method, split: str, system: str | None = None) -> Rows:
    """The rows of one split, for a method."""
    return _rows(data, method, lambda batch: batch.filter(pc.equal(batch.column(SPLIT), split)), system)


def drawn_rows(data: Dataset, method: Method, split: str, wanted: int, seed: int, system: str | None = None) -> Drawn:
    """Rows drawn without repeats; of the split, where there are splits."""
    splits = SPLIT in data.schema.names
    table = data.table([ROW_ID, SPLIT] if splits else [ROW_ID])
    if splits:
        table = table.filter(pc.equal(table.column(SPLIT), split))
    ids = table.column(ROW_ID).to_pylist()
    drawn = {ids[at] for at in draw_rows(len(ids), wanted, seed)}
    chosen = pa.array(sorted(drawn), pa.large_string())
    rows = _rows(data, method, lambda batch: batch.filter(pc.is_in(batch.column(ROW_ID), chosen)), system)
    return Drawn(rows, len(drawn), [row_id for row_id in ids if row_id not in drawn])


def _rows(data: Dataset, method: Method, pick: Callable[[pa.Table], pa.Table], system: str | None) -> Rows:
    shape = data.shape
    kind = shape if method == "sft" else NEEDS.get(method, Shape.TEXT)
    names = [ROW_ID, *TEXT_COLUMNS[kind], *([SPLIT] if SPLIT in data.schema.names else [])]
    names += [SOURCE, META] if kind is Shape.INSTRUCTION else []

    def batches() -> Iterator[pa.Table]:
        return (pick(batch) for batch in data.batches(names))

    if kind is Shape.INSTRUCTION:
        return Rows("chats", (chat for batch in batches() for chat in conversations(batch, system)))
    columns = [ROW_ID, *TEXT_COLUMNS[kind]]
    rows = (row for batch in batches() for row in zip(*(_texts(batch, name) for name in columns), strict=True))
    return Rows("documents", rows) if kind is Shape.TEXT else Rows("pairs", rows, system)


def conversations(batch: pa.Table, system: str | None = None) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(row id, turns) of instruction rows, as `format` renders them as messages."""
    chats: list[list[dict[str, Any]]] = export_table(batch, "messages", system).column("messages").to_pylist()
    for row_id, chat in zip(batch.column(ROW_ID).to_pylist(), chats, strict=True):
        yield row_id, [(turn["role"], turn["content"]) for turn in chat]


def _texts(batch: pa.Table, name: str) -> list[str]:
    return [value or "" for value in batch.column(name).to_pylist()]
