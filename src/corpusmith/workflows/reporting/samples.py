"""Samples of what was dropped and changed, for the report: personal data as placeholders on both sides, never raw."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpusmith.core.rows import ROW_ID, TEXT
from corpusmith.ops.pii import mask
from corpusmith.ops.pii.kinds import PLACEHOLDER
from corpusmith.store.dataset import StoredDataset
from corpusmith.tools.ingest import REJECTS_FILE, RULE_UNREADABLE

PER_RULE = 2
MOST_RULES = 8
"""Rules of one step that samples are shown of, those that dropped most first."""

EXCERPT_CHARS = 420
_TOKENS = re.compile(r"\s+|\w+|[^\w\s]")
MOST_TOKENS = 700


@dataclass(frozen=True)
class DroppedSample:
    """A dropped row with its evidence.

    `instead` is the text of the row kept instead, where there is one; `reason` says why a record was unreadable.
    """

    row_id: str
    rule: str
    value: float | None
    threshold: float | None
    kept_row_id: str | None
    text: str
    instead: str = ""
    reason: str = ""


@dataclass(frozen=True)
class DroppedByRule:
    """How many rows one rule dropped in one step, and some of them."""

    rule: str
    rows: int
    samples: tuple[DroppedSample, ...]


@dataclass(frozen=True)
class ChangedSample:
    """A changed row: its text as runs of (kind, text), kind one of same, del, ins."""

    row_id: str
    rules: str
    runs: tuple[tuple[str, str], ...]


def dropped_samples(path: Sequence[StoredDataset]) -> list[DroppedByRule]:
    """Up to `PER_RULE` dropped rows per rule, in the order of steps; rows that a draw left out say nothing."""
    out = unreadable_samples(path[0]) if path else []
    for before, data in pairwise(path):
        if data.record.tool == "sample":
            continue
        lines = data.ledger()
        lines = lines.filter(pc.equal(lines.column("action"), "drop"))
        counts = Counter(lines.column("rule").to_pylist())
        chosen = [
            line
            for rule, _ in counts.most_common(MOST_RULES)
            for line in lines.filter(pc.equal(lines.column("rule"), rule)).slice(0, PER_RULE).to_pylist()
        ]
        wanted = [line[ROW_ID] for line in chosen] + [line["kept_row_id"] for line in chosen if line["kept_row_id"]]
        texts = texts_of(before, wanted)
        for rule, rows in counts.most_common(MOST_RULES):
            samples = tuple(_dropped(line, texts) for line in chosen if line["rule"] == rule)
            out.append(DroppedByRule(rule, rows, samples))
    return out


def unreadable_samples(ingested: StoredDataset) -> list[DroppedByRule]:
    """The records that never became rows, one of each reason first; nothing when all could be read."""
    count = ingested.record.counts.dropped.get(RULE_UNREADABLE, 0)
    if not count:
        return []
    first: dict[str, dict[str, Any]] = {}
    with ingested.file(REJECTS_FILE).open(encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            first.setdefault(line["reason"].split(":")[0], line)
            if len(first) == 2 * PER_RULE:
                break
    samples = tuple(
        DroppedSample(
            line[ROW_ID], RULE_UNREADABLE, None, None, None, visible(excerpt(line["raw"])), reason=line["reason"]
        )
        for line in first.values()
    )
    return [DroppedByRule(RULE_UNREADABLE, count, samples)]


def _dropped(line: dict[str, Any], texts: dict[str, str]) -> DroppedSample:
    return DroppedSample(
        row_id=line[ROW_ID],
        rule=line["rule"],
        value=line["value"],
        threshold=line["threshold"],
        kept_row_id=line["kept_row_id"],
        text=excerpt(texts.get(line[ROW_ID], "")),
        instead=excerpt(texts.get(line["kept_row_id"] or "", "")),
    )


def changed_samples(path: Sequence[StoredDataset]) -> list[ChangedSample]:
    """Up to `PER_RULE` changed rows per rule, with the difference marked."""
    out: list[ChangedSample] = []
    for before, data in pairwise(path):
        lines = data.ledger()
        lines = lines.filter(pc.equal(lines.column("action"), "change"))
        rules: dict[str, list[str]] = {}
        for rule in pc.unique(lines.column("rule")).to_pylist():
            for line in lines.filter(pc.equal(lines.column("rule"), rule)).slice(0, PER_RULE * 4).to_pylist():
                rules.setdefault(rule, []).append(line[ROW_ID])
        ids = sorted({row for found in rules.values() for row in found})
        old, new = texts_of(before, ids), texts_of(data, ids)
        shown: set[str] = set()
        for rule, found in rules.items():
            fresh = [row for row in found if row in new and row not in shown and old.get(row) != new[row]][:PER_RULE]
            for row in fresh:
                shown.add(row)
                if not (old[row].strip() or new[row].strip()):
                    continue
                runs = marked_difference(mask(old[row])[0], mask(new[row])[0])
                if all(kind == "same" for kind, _ in runs):  # the masking itself: placeholders stand on both sides
                    runs = marked_placeholders(new[row], rule)
                out.append(ChangedSample(row, rule, runs))
    return out


def texts_of(data: StoredDataset, ids: Sequence[str]) -> dict[str, str]:
    """The texts of some rows by id."""
    if not ids:
        return {}
    wanted = pc.field(ROW_ID).isin(pa.array(sorted(set(ids)), pa.large_string()))
    found: dict[str, str] = {}
    for part in data.part_paths:
        table = pq.read_table(part, columns=[ROW_ID, TEXT], filters=wanted)
        found |= dict(zip(table.column(ROW_ID).to_pylist(), table.column(TEXT).to_pylist(), strict=True))
    return found


def excerpt(text: str) -> str:
    """The beginning of a text, personal data masked."""
    masked = mask(text[: 4 * EXCERPT_CHARS])[0]
    return masked if len(masked) <= EXCERPT_CHARS else masked[:EXCERPT_CHARS].rstrip() + " …"


def marked_difference(before: str, after: str) -> tuple[tuple[str, str], ...]:
    """Runs of what stayed, went and came, around the places that differ; long equal stretches are cut."""
    left, right = _TOKENS.findall(before), _TOKENS.findall(after)
    head = 0
    while head < min(len(left), len(right)) and left[head] == right[head]:
        head += 1
    start = max(0, head - 20)
    left, right = left[start : start + MOST_TOKENS], right[start : start + MOST_TOKENS]
    runs: list[tuple[str, str]] = [("same", "… ")] if start else []
    size = 0
    for tag, a0, a1, b0, b1 in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if tag == "equal":
            kept = left[a0:a1]
            short = "".join(kept) if len(kept) <= 40 else "".join(kept[:18]) + " … " + "".join(kept[-18:])
            runs.append(("same", short))
        else:
            runs += [
                (kind, piece)
                for kind, piece in (("del", "".join(left[a0:a1])), ("ins", "".join(right[b0:b1])))
                if piece
            ]
        size += len(runs[-1][1])
        if size > 2 * EXCERPT_CHARS:
            runs.append(("same", " …"))
            break
    return tuple((kind, visible(piece)[: 2 * EXCERPT_CHARS]) for kind, piece in runs)


def marked_placeholders(text: str, rule: str) -> tuple[tuple[str, str], ...]:
    """A masked text as runs: the placeholders of `rule` (`pii.email`), or all where it has none, and what is around.

    Other personal data that is still in the text is masked.
    """
    masked = mask(text)[0]
    wanted = f"[{rule.rpartition('.')[2].upper()}]"
    places = [found.span() for found in PLACEHOLDER.finditer(masked) if found.group() == wanted]
    places = places or [found.span() for found in PLACEHOLDER.finditer(masked)]
    if not places:
        return (("same", excerpt(text)),)
    runs: list[tuple[str, str]] = []
    at, size = 0, 0
    for start, end in places:
        between = _TOKENS.findall(masked[at:start])
        if len(between) > 40:
            head = "".join(between[:18]) + " … " if runs else "… "
            between = [head, *between[-18:]]
        runs += [("same", "".join(between)), ("ins", masked[start:end])]
        at, size = end, size + len(runs[-2][1])
        if size > EXCERPT_CHARS:
            break
    rest = _TOKENS.findall(masked[at:])
    runs.append(("same", "".join(rest[:18]) + (" …" if len(rest) > 18 else "")))
    return tuple((kind, visible(piece)) for kind, piece in runs)


def visible(text: str) -> str:
    """The text with marks for what no browser shows: control characters, zero-width ones and odd spaces."""
    return text if text.isascii() and text.isprintable() else "".join(map(_visible, text))


def _visible(char: str) -> str:
    code = ord(char)
    if char in "\n\t " or unicodedata.category(char) not in ("Cc", "Cf", "Zs", "Zl", "Zp"):
        return char
    if code < 0x20:
        return chr(0x2400 + code)
    return "▯" if 0x80 <= code < 0xA0 else f"⟨U+{code:04X}⟩"
