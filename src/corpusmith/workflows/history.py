"""`why`: what happened to a row, step by step, to its place in the result or to the rule that dropped it.

Reads the lineage of a dataset and each step's row ledger. A row is named by its id or found by any text that was in the
input. Personal data shows as placeholders unless the person asks to reveal it.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpusmith.core.errors import NotFoundError, ParameterError
from corpusmith.core.ids import root_row_id
from corpusmith.core.rows import META, PARENT_ID, ROW_ID, TEXT
from corpusmith.ops.pii import mask
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.workspace import Workspace
from corpusmith.workflows.story import load_story

MOST_ROWS = 5
"""Rows told about when a text was found in more."""

MOST_CHARS = 2000
"""Characters of a row's text that are told."""

SPLIT = "split"
UNEXPLAINED = "no rule that was written down"
"""A row that is gone with no ledger line; a defect, since nothing may go without one."""

HIDDEN = "(personal data, shown with --reveal)"

_WORDS = re.compile(r"\s+|\S+")


@dataclass(frozen=True)
class Step:
    """One step of the lineage under the name the run gave it (its method), or its tool's."""

    data: StoredDataset
    name: str


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
        derived = f" {self.row_id}" if "~" in self.row_id else ""
        out = f"  {self.step:22} {self.action:8} {self.rule}{derived}".rstrip()
        if self.value is not None:
            out += f" = {self.value:.4g}"
        if self.threshold is not None:
            out += f" (threshold {self.threshold:.4g})"
        if self.kept_row_id:
            leak = self.rule.startswith("contamination")
            out += f"; it holds the evaluation item {self.kept_row_id}" if leak else f"; {self.kept_row_id} was kept"
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
            "found_in": self.found_in,
            "happenings": [vars(happening) for happening in self.happenings],
        }

    def lines(self) -> list[str]:
        """For a terminal."""
        out = [f"{self.row_id}", f"  {self.text[:300]!r}"]
        for happening in self.happenings:
            out.append(happening.line())
            if happening.before:
                out.append(f"      - {happening.before[:200]!r}")
            if happening.after:
                out.append(f"      + {happening.after[:200]!r}")
        out.append(f"  {self.ended}")
        return out


def trace_row(workspace: Workspace, ref: str, row: str, *, reveal: bool = False) -> list[RowHistory]:
    """The histories of a row id, or of the rows that held a text.

    Args:
        workspace: Where to look.
        ref: Dataset, version or run whose lineage is followed; a run that has no result yet, as far as it has come.
        row: Row id (also of a derived row), or text.
        reveal: Show personal data as it stands.

    Raises:
        ParameterError: `row` is empty.
        NotFoundError: Neither an id nor text of the input.
    """
    if not row.strip():
        raise ParameterError("no row is named", hint="Give a row id such as articles.jsonl#17, or words of its text.")
    data, names = _current(workspace, ref)
    path = [Step(each, names.get(each.id, each.record.tool)) for each in lineage(workspace, data)]
    first = path[0].data
    hide: Callable[[str], str] = (lambda text: text) if reveal else (lambda text: mask(text)[0])
    by_id = _rows(first, pc.field(ROW_ID).isin([row, root_row_id(row)]))
    if by_id.num_rows:
        return [_follow(path, found, hide) for found in by_id.to_pylist()]
    refused = _rejects(first, lambda line: line["row_id"] == row)
    if refused:
        return [_never_read(first, line, hide) for line in refused]
    rows, count = _holding(first, row)
    told = [_follow(path, found, hide) for found in rows]
    needle = fold(row)
    refused = _rejects(first, lambda line: needle in fold(line["raw"] or ""))
    told += [_never_read(first, line, hide) for line in refused[: MOST_ROWS - len(told)]]
    if not told:
        raise NotFoundError(
            f"no row {row[:80]!r} in {ref}, and no row of its input holds that text",
            hint="Give a row id such as articles.jsonl#17, or words as they stood in the input.",
        )
    return [replace(history, found_in=count + len(refused)) for history in told]


def lineage(workspace: Workspace, data: StoredDataset) -> list[StoredDataset]:
    """The artifacts from the first step to `data`, along the role `data`."""
    path = [data]
    while "data" in path[-1].record.inputs:
        path.append(workspace.artifacts.open(path[-1].record.inputs["data"]))
    return path[::-1]


def fold(text: str) -> str:
    """A text with its white space folded."""
    return " ".join(text.split())


def _current(workspace: Workspace, ref: str) -> tuple[StoredDataset, Mapping[str, str]]:
    """The dataset a reference means, and what the run that made it called its steps (by artifact id)."""
    if ref == "last" or ref.startswith("r-"):
        story = load_story(workspace, ref)
        if not story.path:
            raise NotFoundError(f"run {story.run.id} has read nothing yet", hint=f"corpusmith resume {story.run.id}")
        return workspace.artifacts.open(story.path[-1].id), story.methods
    data = workspace.resolve(ref)
    made = next((p["run_id"] for p in workspace.runs.published() if p["artifact"] == data.id and p["run_id"]), None)
    return data, {} if made is None else load_story(workspace, made).methods


def _rows(data: StoredDataset, where: Any, columns: list[str] | None = None) -> pa.Table:
    tables = [pq.read_table(path, columns=columns, filters=where) for path in data.part_paths]
    return pa.concat_tables(tables) if tables else pa.table({ROW_ID: [], TEXT: []})


def _holding(data: StoredDataset, text: str) -> tuple[list[dict[str, Any]], int]:
    """The first rows whose text or other fields hold `text`, white space folded, and how many rows do.

    The longest word finds the candidates in Arrow; the whole text is then looked for in those.
    """
    needle, word = fold(text), max(text.split(), key=len)
    escaped = json.dumps(word, ensure_ascii=False)[1:-1], json.dumps(word)[1:-1]
    found: list[dict[str, Any]] = []
    count = 0
    for batch in data.batches():
        hit = pc.match_substring(batch.column(TEXT), word)
        for form in {word, *escaped}:
            hit = pc.or_(hit, pc.match_substring(batch.column(META), form))
        for row in batch.filter(hit).to_pylist():
            if needle in fold(row[TEXT] or "") or any(needle in fold(value) for value in _fields(row[META])):
                count += 1
                if count <= MOST_ROWS:
                    found.append(row)
    return found, count


def _fields(meta: str | None) -> list[str]:
    """Every string in a row's other fields."""
    out: list[str] = []
    todo: list[Any] = [json.loads(meta)] if meta else []
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            todo += value.values()
        elif isinstance(value, list):
            todo += value
        elif value is not None:
            out.append(str(value))
    return out


def _rejects(first: StoredDataset, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Records that never became rows."""
    if "rejects.jsonl" not in first.record.files:
        return []
    with first.file("rejects.jsonl").open(encoding="utf-8") as lines:
        return [line for line in map(json.loads, lines) if wanted(line)]


def _never_read(first: StoredDataset, line: dict[str, Any], hide: Callable[[str], str]) -> RowHistory:
    happening = Happening(first.record.tool, first.id, line["row_id"], "drop", "unreadable")
    ended = f"never became a row: unreadable in step {first.record.tool} ({line['reason']})"
    return RowHistory(line["row_id"], hide(line["raw"] or "")[:MOST_CHARS], (happening,), ended)


def _ledger(data: StoredDataset, ids: Iterable[str]) -> list[dict[str, Any]]:
    wanted = list(ids)
    lines: list[dict[str, Any]] = []
    for path in sorted((data.folder / "ledger").glob("*.parquet")):
        lines += pq.read_table(path, filters=pc.field(ROW_ID).isin(wanted)).to_pylist()
    return lines


def _happening(step: Step, line: dict[str, Any], before: str = "", after: str = "") -> Happening:
    return Happening(
        step=step.name,
        artifact=step.data.id,
        row_id=line[ROW_ID],
        action=line["action"],
        rule=line["rule"],
        value=line["value"],
        threshold=line["threshold"],
        kept_row_id=line["kept_row_id"],
        before=before,
        after=after,
    )


def _follow(path: list[Step], row: dict[str, Any], hide: Callable[[str], str]) -> RowHistory:
    """Follow one source row, and the rows derived from it, along the lineage."""
    alive: dict[str, str] = {row[ROW_ID]: row[TEXT] or ""}
    happenings: list[Happening] = []
    ended = ""
    for step in path[1:]:
        now = _descendants(step.data, alive)
        lines = _ledger(step.data, {*alive, *now})
        happenings += _told(step, alive, now, lines, hide)
        if not now:
            gone = [line["rule"] for line in lines if line["action"] == "drop"]
            ended = f"dropped by {gone[-1] if gone else UNEXPLAINED} in step {step.name}"
            break
        alive = now
    return RowHistory(
        row[ROW_ID],
        hide(row[TEXT] or "")[:MOST_CHARS],
        tuple(happenings),
        ended or _place(path[-1].data, row[ROW_ID], alive),
    )


def _descendants(data: StoredDataset, alive: dict[str, str]) -> dict[str, str]:
    """Which of the rows are still there, with those derived from them, and their texts."""
    here = pc.field(ROW_ID).isin(list(alive)) | pc.field(PARENT_ID).isin(list(alive))
    return {r[ROW_ID]: r[TEXT] or "" for r in _rows(data, here, [ROW_ID, TEXT]).to_pylist()}


def _told(
    step: Step,
    before: dict[str, str],
    now: dict[str, str],
    lines: list[dict[str, Any]],
    hide: Callable[[str], str],
) -> list[Happening]:
    """What one step did to the rows: its ledger lines, the rows it derived, and that it kept the others."""
    out = []
    shown: set[str] = set()
    for line in lines:
        row, old, new = line[ROW_ID], "", ""
        if line["action"] == "change" and row in now and row in before and row not in shown:
            old, new = difference(hide(before[row]), hide(now[row]))
            if not old and not new and before[row] != now[row]:
                new = HIDDEN
            shown.add(row)
        out.append(_happening(step, line, old, new))
    known = {line[ROW_ID] for line in lines}
    for row in now:
        if row not in known:
            action = "kept" if row in before else "derive"
            out.append(Happening(step.name, step.data.id, row, action))
    return out


def _place(last: StoredDataset, root: str, alive: dict[str, str]) -> str:
    """Where the rows stand in the result."""
    splits: list[str] = []
    if SPLIT in last.schema.names:
        found = _rows(last, pc.field(ROW_ID).isin(list(alive)), [SPLIT])
        splits = sorted({str(name) for name in found.column(SPLIT).to_pylist()})
    place = f", in split {' and '.join(splits)}" if splits else ""
    if list(alive) == [root]:
        return f"it is in the result {last.id[:12]}{place}"
    shown = ", ".join(list(alive)[:4]) + (", …" if len(alive) > 4 else "")
    return f"{len(alive)} rows that come from it are in the result {last.id[:12]}{place}: {shown}"


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
