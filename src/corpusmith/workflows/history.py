"""`why`: what happened to a row, step by step, to its place in the result or to the rule that dropped it.

Reads the lineage of a dataset and each step's row ledger. A row is named by its id or found by any text that was in the
input. Personal data shows as placeholders unless the person asks to reveal it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpusmith.core.errors import NotFoundError
from corpusmith.core.ids import root_row_id
from corpusmith.core.rows import PARENT_ID, ROW_ID, TEXT
from corpusmith.ops.pii import mask
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.workspace import Workspace

MOST_ROWS = 5
"""Rows told about when a text was found in more."""

_WORDS = re.compile(r"\s+|\S+")


@dataclass(frozen=True)
class Happening:
    """One thing that happened to the row in one step.

    `action`: kept, drop, change, derive, mark, unreadable. `before` and `after` are the parts of the text that differ.
    """

    step: str
    artifact: str
    row_id: str
    action: str
    rule: str = ""
    value: float | None = None
    threshold: float | None = None
    kept_row_id: str | None = None
    before: str = ""
    after: str = ""

    def line(self) -> str:
        """For a terminal."""
        out = f"  {self.step:14} {self.action:8} {self.rule}"
        if self.value is not None:
            out += f" = {self.value:.4g}"
        if self.threshold is not None:
            out += f" (threshold {self.threshold:g})"
        if self.kept_row_id:
            out += f"; {self.kept_row_id} was kept instead"
        return out


@dataclass(frozen=True)
class RowHistory:
    """A source row, what happened to it and to what was derived from it, and where it ended."""

    row_id: str
    text: str
    happenings: tuple[Happening, ...]
    ended: str
    found_in: int = 1

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "row_id": self.row_id,
            "text": self.text,
            "ended": self.ended,
            "happenings": [vars(happening) for happening in self.happenings],
        }

    def lines(self) -> list[str]:
        """For a terminal."""
        out = [f"{self.row_id}", f"  {self.text[:300]!r}"]
        for happening in self.happenings:
            out.append(happening.line())
            if happening.before or happening.after:
                out.append(f"      - {happening.before[:200]!r}")
                out.append(f"      + {happening.after[:200]!r}")
        out.append(f"  {self.ended}")
        if self.found_in > MOST_ROWS:
            out.append(f"  (the text is in {self.found_in} rows; the first {MOST_ROWS} are told)")
        return out


def trace_row(workspace: Workspace, ref: str, row: str, *, reveal: bool = False) -> list[RowHistory]:
    """The histories of a row id, or of the rows that held a text.

    Args:
        workspace: Where to look.
        ref: Dataset, version or run whose lineage is followed.
        row: Row id (also of a derived row), or text.
        reveal: Show personal data as it stands.

    Raises:
        NotFoundError: Neither an id nor text of the input.
    """
    path = lineage(workspace, workspace.resolve(ref))
    first = path[0]
    wanted = _rows(first, pc.field(ROW_ID) == root_row_id(row))
    if not wanted.num_rows:
        unreadable = _unreadable(first, row)
        if unreadable is not None:
            return [unreadable]
        wanted = _holding(first, row)
    if not wanted.num_rows:
        raise NotFoundError(
            f"no row {row[:80]!r} in {ref}, and no row of its input holds that text",
            hint="Give a row id such as articles.jsonl#17, or words as they stood in the input.",
        )
    hide: Callable[[str], str] = (lambda text: text) if reveal else (lambda text: mask(text)[0])
    return [_follow(path, found, hide, wanted.num_rows) for found in wanted.slice(0, MOST_ROWS).to_pylist()]


def lineage(workspace: Workspace, data: StoredDataset) -> list[StoredDataset]:
    """The artifacts from the first step to `data`, along the role `data`."""
    path = [data]
    while "data" in path[-1].record.inputs:
        path.append(workspace.artifacts.open(path[-1].record.inputs["data"]))
    return path[::-1]


def _rows(data: StoredDataset, where: Any) -> pa.Table:
    tables = [pq.read_table(path, filters=where) for path in data.part_paths]
    return pa.concat_tables(tables) if tables else pa.table({ROW_ID: [], TEXT: []})


def _holding(data: StoredDataset, text: str) -> pa.Table:
    """Rows whose text holds `text`, white space folded."""
    pattern = r"\s+".join(re.escape(word) for word in text.split())
    found = []
    for batch in data.batches():
        hit = pc.match_substring_regex(batch.column(TEXT), pattern)
        found.append(batch.filter(hit))
    return pa.concat_tables(found) if found else pa.table({ROW_ID: [], TEXT: []})


def _unreadable(first: StoredDataset, row: str) -> RowHistory | None:
    for line in _ledger(first, [row]):
        if line["action"] == "drop":
            happening = _happening(first, line)
            return RowHistory(row, "", (happening,), f"never became a row: {line['rule']} ({line['detail'] or ''})")
    return None


def _ledger(data: StoredDataset, ids: Iterable[str]) -> list[dict[str, Any]]:
    wanted = list(ids)
    lines: list[dict[str, Any]] = []
    for path in sorted((data.folder / "ledger").glob("*.parquet")):
        lines += pq.read_table(path, filters=pc.field(ROW_ID).isin(wanted)).to_pylist()
    return lines


def _happening(data: StoredDataset, line: dict[str, Any], before: str = "", after: str = "") -> Happening:
    return Happening(
        step=data.record.tool,
        artifact=data.id,
        row_id=line[ROW_ID],
        action=line["action"],
        rule=line["rule"],
        value=line["value"],
        threshold=line["threshold"],
        kept_row_id=line["kept_row_id"],
        before=before,
        after=after,
    )


def _follow(path: list[StoredDataset], row: dict[str, Any], hide: Callable[[str], str], found_in: int) -> RowHistory:
    """Follow one source row, and the rows derived from it, along the lineage."""
    alive: dict[str, str] = {row[ROW_ID]: row[TEXT] or ""}
    happenings: list[Happening] = []
    ended = ""
    for data in path[1:]:
        lines = _ledger(data, alive)
        columns = [name for name in (ROW_ID, PARENT_ID, TEXT, "split") if name in data.schema.names]
        here = pc.field(ROW_ID).isin(list(alive))
        if PARENT_ID in columns:
            here = here | pc.field(PARENT_ID).isin(list(alive))
        now_rows = _rows(data, here).select(columns).to_pylist()
        now = {r[ROW_ID]: r[TEXT] or "" for r in now_rows}
        for line in lines:
            before = after = ""
            if line["action"] == "change" and line[ROW_ID] in now:
                before, after = difference(hide(alive[line[ROW_ID]]), hide(now[line[ROW_ID]]))
            happenings.append(_happening(data, line, before, after))
        if not lines and now:
            happenings.append(Happening(data.record.tool, data.id, next(iter(now)), "kept"))
        fresh = [r for r in now if r not in alive]
        if fresh and not any(line["action"] == "derive" for line in lines):
            happenings += [Happening(data.record.tool, data.id, r, "derive", data.record.tool) for r in fresh]
        if not now:
            gone = [line for line in lines if line["action"] == "drop"]
            rule = gone[-1]["rule"] if gone else data.record.tool
            ended = f"dropped by {rule} in step {data.record.tool}"
            break
        alive = now
    if not ended:
        last = path[-1]
        splits = {r.get("split") for r in _rows(last, pc.field(ROW_ID).isin(list(alive))).to_pylist()} - {None}
        place = f" in split {', '.join(sorted(splits))}" if splits else ""
        what = (
            "it is"
            if list(alive) == [row[ROW_ID]]
            else f"{len(alive)} derived row(s) ({', '.join(list(alive)[:4])}) are"
        )
        ended = f"{what} in the result {last.id[:12]}{place}"
    return RowHistory(row[ROW_ID], hide(row[TEXT] or "")[:2000], tuple(happenings), ended, found_in)


def difference(before: str, after: str) -> tuple[str, str]:
    """The first place where two texts differ, with a few words around, on both sides."""
    left, right = _WORDS.findall(before)[:4000], _WORDS.findall(after)[:4000]
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False) if len(left) < 1500 else None
    if matcher is None:
        start = next(
            (n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right))
        )
        return "".join(left[max(0, start - 4) : start + 16]), "".join(right[max(0, start - 4) : start + 16])
    for tag, a0, a1, b0, b1 in matcher.get_opcodes():
        if tag != "equal":
            return "".join(left[max(0, a0 - 6) : a1 + 6]), "".join(right[max(0, b0 - 6) : b1 + 6])
    return "", ""
