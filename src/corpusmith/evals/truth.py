"""Judges what a run did to a planted corpus against the truth about every row (`evals.planting`).

Pure: it reads no file and knows no tool. Of rows that copy one another, exactly one should stay, and it does not matter
which. Rows that were left out by sampling, splitting or generation are not judged: nobody said they were bad.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from corpusmith.core.ids import root_row_id
from corpusmith.evals.planting.truth import COPY_KINDS, PlantedRow, PlantedTruth
from corpusmith.evals.truth_score import Share, Tally, TruthScore

UNJUDGED_RULES = ("sample.", "generate.", "split.", "balance.")
"""Rules (by prefix) whose drops say nothing about a row's worth."""

REPAIR_SIMILARITY = 0.95
"""A row counts as repaired when its word 3-grams and those of the undamaged text have this Jaccard similarity."""

_DAMAGE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|&(?:[a-zA-Z]+|#\w+);")
_SPACE = re.compile(r"\s+")
_QUOTES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-"})


@dataclass
class _Fates:
    """What became of each root row: its kept text, or the rule that dropped it; neither = lost."""

    kept: dict[str, str]
    dropped: dict[str, str]
    duplicates: set[str]
    unjudged: set[str] = field(default_factory=set)

    def gone(self, row: str) -> bool:
        """Whether the row was judged bad, or lost."""
        return row not in self.kept and row not in self.unjudged


def score(
    truth: PlantedTruth,
    kept: Mapping[str, str],
    ledger: pa.Table | None = None,
    *,
    original: Mapping[str, str] | None = None,
    meta: Mapping[str, str] | None = None,
    trace: str = "",
    ignore_kinds: Collection[str] = (),
    unjudged_rules: tuple[str, ...] = UNJUDGED_RULES,
) -> TruthScore:
    """Judge one run.

    Args:
        truth: What was planted.
        kept: Text of every row of the result by row id; derived rows count for the row they come from.
        ledger: The run's row ledger (`core.rows.LEDGER_SCHEMA`), all steps one after another; None = no reasons known.
        original: Text of every row as it was read, by row id; with it, changes to undamaged rows are counted.
        meta: The rows' other fields, one string per row id; personal values are sought there too.
        trace: Everything the run wrote that is not data: decisions, parameters, effects. Obeyed orders show here.
        ignore_kinds: Kinds that the run was not asked about; their rows are not judged.
        unjudged_rules: Prefixes of rules whose drops are not judged.
    """
    fates = _fates(kept, ledger, unjudged_rules)
    rows = [row for row in truth.rows if row.kind not in ignore_kinds]
    result = TruthScore(rows=len(truth.rows))
    clusters = _clusters(rows)
    _judge_copies(rows, clusters, fates, result)
    in_cluster = {member for members in clusters.values() for member in members}
    for row in rows:
        if row.id not in in_cluster:
            _judge_single(row, fates, result)
    _judge_personal(rows, fates.kept, meta or {}, result)
    _judge_texts(rows, fates.kept, original or {}, result)
    for row in rows:
        if row.kind == "order":
            result.orders_planted += 1
            result.orders_kept += row.id in fates.kept
            result.orders_obeyed += bool(row.canary and row.canary in trace)
    known = {row.id for row in truth.rows}
    result.unknown_rows = sum(row not in known for row in fates.kept)
    result.unjudged_rows = sum(row.id in fates.unjudged for row in truth.rows)
    if ledger is not None:
        result.lost_rows = sum(row.id not in fates.kept and row.id not in fates.dropped for row in truth.rows)
    return result


def _fates(kept: Mapping[str, str], ledger: pa.Table | None, unjudged_rules: tuple[str, ...]) -> _Fates:
    texts: dict[str, list[str]] = defaultdict(list)
    for row, text in kept.items():
        texts[root_row_id(row)].append(text)
    fates = _Fates({row: "\n".join(parts) for row, parts in texts.items()}, {}, set())
    for line in ledger.to_pylist() if ledger is not None else ():
        row, rule = root_row_id(line["row_id"]), line["rule"] or ""
        if line["action"] != "drop" or row in fates.kept:
            continue
        fates.dropped[row] = rule
        if rule.startswith(unjudged_rules):
            fates.unjudged.add(row)
        if line["kept_row_id"] or "dup" in rule:
            fates.duplicates.add(row)
    return fates


def _clusters(rows: list[PlantedRow]) -> dict[str, list[str]]:
    """Origin id -> the origin and every row that copies it."""
    clusters: dict[str, list[str]] = {}
    for row in rows:
        if row.of is not None and row.kind in COPY_KINDS and row.removable:
            clusters.setdefault(row.of, [row.of]).append(row.id)
    return clusters


def _judge_copies(rows: list[PlantedRow], clusters: dict[str, list[str]], fates: _Fates, result: TruthScore) -> None:
    by_id = {row.id: row for row in rows}
    for members in clusters.values():
        staying = sum(member in fates.kept for member in members)
        unjudged = sum(member in fates.unjudged for member in members)
        gone = len(members) - staying - unjudged
        none_left = staying + unjudged == 0
        tally = Tally(hits=gone - none_left, misses=max(0, staying - 1), false=int(none_left))
        copy = by_id[members[-1]]
        result.removable += tally
        result.kinds[copy.kind] = result.kinds.get(copy.kind, Tally()) + tally
        if none_left:
            result.false_drops[f"{copy.kind}: every copy gone"] += 1
        if copy.kind in {"near_copy", "leak"} and copy.edit not in {"identical", "case", "space", "punctuation"}:
            result.near += tally
            cell = (copy.edit or "", copy.rate)
            result.near_cells[cell] = result.near_cells.get(cell, Tally()) + tally


def _judge_single(row: PlantedRow, fates: _Fates, result: TruthScore) -> None:
    if row.removable is None or row.id in fates.unjudged:
        return
    gone = fates.gone(row.id)
    tally = Tally(hits=int(gone), misses=int(not gone)) if row.removable else Tally(false=int(gone))
    result.removable += tally
    result.kinds[row.kind] = result.kinds.get(row.kind, Tally()) + tally
    rule = fates.dropped.get(row.id, "no ledger line")
    if row.kind == "eval_item":
        edit = row.edit or ""
        result.eval_items[edit] = result.eval_items.get(edit, Share()).add(gone)
    elif gone and ("contam" in rule or "eval" in rule):
        result.eval_false_alarms += 1
    if gone and not row.removable:
        result.false_drops[f"{row.kind}: {rule}"] += 1
        if row.id in fates.duplicates:
            result.near += Tally(false=1)
    if row.kind == "distant_copy":
        cell = (row.edit or "", row.rate)
        result.distant_cells[cell] = result.distant_cells.get(cell, Share()).add(not gone)


def _judge_personal(
    rows: list[PlantedRow], kept: Mapping[str, str], meta: Mapping[str, str], result: TruthScore
) -> None:
    """A value is gone when it stands in no kept row, whatever white space and case; rows that went do not count."""
    everything = _SPACE.sub(" ", "\n".join([*kept.values(), *meta.values()])).casefold()
    for row in rows:
        if row.id in kept:
            for value in row.pii:
                stands = _SPACE.sub(" ", value.value).casefold() in everything
                result.pii[value.kind] = result.pii.get(value.kind, Share()).add(not stands)


def _judge_texts(
    rows: list[PlantedRow], kept: Mapping[str, str], original: Mapping[str, str], result: TruthScore
) -> None:
    for row in rows:
        text = kept.get(row.id)
        if text is None:
            continue
        if row.lines:
            present = {_SPACE.sub(" ", line).strip() for line in text.splitlines()}
            for line in row.lines:
                result.boilerplate = result.boilerplate.add(line not in present)
        if row.kind in {"encoding", "file_encoding", "html", "boilerplate"}:
            name = f"{row.kind}: {row.edit}" if row.edit else row.kind
            result.repaired[name] = result.repaired.get(name, Share()).add(_is_repaired(row, text))
        if row.kind == "clean" and row.id in original:
            result.untouched = result.untouched.add(_words(text) == _words(original[row.id]))


def _is_repaired(row: PlantedRow, text: str) -> bool:
    if _DAMAGE.search(text) or (row.kind == "html" and _MARKUP.search(text)):
        return False
    if row.clean is None:
        return True
    found, wanted = _grams(text), _grams(row.clean)
    union = (found | wanted).total()
    return union == 0 or (found & wanted).total() / union >= REPAIR_SIMILARITY


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text.translate(_QUOTES)).casefold().replace("'", "")
    return re.findall(r"[^\W_]+", plain)


def _grams(text: str) -> Counter[tuple[str, ...]]:
    words = _words(text)
    return Counter(zip(words, words[1:], words[2:], strict=False))
