"""Puts drafts into files and writes them: compressed and plain JSON lines, CSV, Parquet, HTML pages, Markdown and text.

A row's id is known only here: the file's path under the corpus and the row's position in it, counted from 0.
"""

from __future__ import annotations

import csv
import gzip
import html
import io
import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpusmith.core.ids import row_id
from corpusmith.evals.planting.draft import Draft
from corpusmith.evals.planting.exam import Item
from corpusmith.evals.planting.profiles import Profile
from corpusmith.evals.planting.truth import PlantedRow

ROW_FILES = ("articles.jsonl.gz", "notes.csv", "dump.parquet")
INSTRUCTION_FILES = ("train.jsonl", "test.jsonl", "extra.csv", "more.parquet")
_CATEGORIES = ("guides", "reference", "notes", "history")
_AUTHORS = ("A. Fairweather", "B. Lindqvist", "C. Iwanowski", "D. Castellano", "E. Okonkwo")


def place(drafts: list[Draft], profile: Profile, rng: random.Random) -> dict[str, list[Draft]]:
    """Give every draft a file: its home, or one page, or one document, or a place among the rows of a table."""
    files: dict[str, list[Draft]] = {}
    shuffled = list(drafts)
    rng.shuffle(shuffled)
    instructions = any(draft.columns for draft in drafts)
    origins = {id(draft.of) for draft in drafts if draft.of is not None}
    single = [draft for draft in shuffled if not draft.home and id(draft) not in origins and _stands_alone(draft)]
    homes = [f"pages/page-{number:04d}.html" for number in range(profile.pages)]
    homes += [f"docs/doc-{number:04d}.{('md', 'txt')[number % 2]}" for number in range(profile.documents)]
    chosen = {id(draft): home for draft, home in zip(single, homes, strict=False)}
    tables = INSTRUCTION_FILES if instructions else ROW_FILES
    for draft in shuffled:
        home = draft.home or chosen.get(id(draft)) or rng.choices(tables, (5, 3, 2, 2)[: len(tables)])[0]
        files.setdefault(home, []).append(draft)
    return dict(sorted(files.items()))


def _stands_alone(draft: Draft) -> bool:
    return draft.kind in {"clean", "pii", "other_language"} or (
        draft.kind == "exact_copy" and draft.edit == "identical"
    )


def write_corpus(files: dict[str, list[Draft]], root: Path, rng: random.Random) -> tuple[PlantedRow, ...]:
    """Write every file under `root`; returns the truth of every row, in order of files and positions."""
    ids = {id(draft): row_id(name, place) for name, rows in files.items() for place, draft in enumerate(rows)}
    for name, drafts in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_encoder(name)(drafts, rng))
    return tuple(_truth(draft, ids) for drafts in files.values() for draft in drafts)


def write_items(items: Iterable[Item], path: Path) -> None:
    """Write the evaluation set, one JSON object (id, question, answer) a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (
        json.dumps({"id": number, "question": item.question, "answer": item.answer})
        for number, item in enumerate(items)
    )
    path.write_text("\n".join(lines) + "\n", "utf-8")


def _truth(draft: Draft, ids: dict[int, str]) -> PlantedRow:
    return PlantedRow(
        id=ids[id(draft)],
        kind=draft.kind,
        removable=draft.removable,
        of=ids[id(draft.of)] if draft.of is not None else None,
        edit=draft.edit,
        rate=draft.rate,
        jaccard=draft.jaccard,
        language=draft.language,
        pii=draft.pii,
        lines=draft.lines,
        clean=draft.clean,
        item=draft.item,
        canary=draft.canary,
    )


def _encoder(name: str) -> Callable[[list[Draft], random.Random], bytes]:
    if name.startswith("legacy/"):
        encoding = name.removeprefix("legacy/notes-").removesuffix(".csv")
        return lambda drafts, rng: _csv(drafts, rng).encode(encoding)
    suffix = name.rsplit(".", 1)[1]
    return {
        "gz": lambda drafts, rng: gzip.compress(_json_lines(drafts, rng), mtime=0),
        "jsonl": _json_lines,
        "csv": lambda drafts, rng: _csv(drafts, rng).encode(),
        "parquet": _parquet,
        "html": lambda drafts, _rng: _page(drafts[0]).encode(),
        "md": lambda drafts, _rng: f"# {drafts[0].title}\n\n{drafts[0].text}\n".encode(),
        "txt": lambda drafts, _rng: f"{drafts[0].text}\n".encode(),
    }[suffix]


def _json_lines(drafts: list[Draft], rng: random.Random) -> bytes:
    lines = []
    for number, draft in enumerate(drafts):
        record: dict[str, Any] = {"id": number, "title": draft.title, "text": draft.text}
        record |= {"url": f"https://reading-room.invalid/a/{number}", "author": rng.choice(_AUTHORS)}
        record |= {"category": rng.choice(_CATEGORIES), "price": round(rng.uniform(0.5, 999.49), 2)}
        if draft.columns:
            record = {**draft.columns, "category": record["category"]}
        lines.append(json.dumps(record, ensure_ascii=False))
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


def _csv(drafts: list[Draft], rng: random.Random) -> str:
    out = io.StringIO(newline="")
    table = csv.writer(out)
    names = list(drafts[0].columns) or ["title", "body"]
    table.writerow(["id", *names, "category"])
    for number, draft in enumerate(drafts):
        values = list(draft.columns.values()) or [draft.title, draft.text]
        table.writerow([number, *values, rng.choice(_CATEGORIES)])
    return out.getvalue()


def _parquet(drafts: list[Draft], rng: random.Random) -> bytes:
    columns: dict[str, Any] = {"doc_id": pa.array(range(len(drafts)), pa.int64())}
    if drafts[0].columns:
        for name in drafts[0].columns:
            columns[name] = pa.array([draft.columns[name] for draft in drafts], pa.large_string())
    else:
        columns["content"] = pa.array([draft.text for draft in drafts], pa.large_string())
    columns["info"] = pa.array(
        [{"category": rng.choice(_CATEGORIES), "price": round(rng.uniform(0.5, 999.49), 2)} for _ in drafts]
    )
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return bytes(sink.getvalue())


def _page(draft: Draft) -> str:
    title = html.escape(draft.title)
    body = "\n".join(f"<p>{html.escape(piece)}</p>" for piece in draft.text.split("\n\n"))
    return (
        f'<!DOCTYPE html>\n<html lang="{draft.language}">\n<head><meta charset="utf-8"><title>{title}</title></head>\n'
        '<body>\n<nav><ul><li><a href="/">Home</a></li><li><a href="/all">All pages</a></li></ul></nav>\n'
        f"<main><article>\n<h1>{title}</h1>\n{body}\n</article></main>\n"
        '<footer><a href="/about">About</a> <a href="/contact">Contact</a></footer>\n</body>\n</html>\n'
    )
