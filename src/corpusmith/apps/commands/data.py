"""Commands that look at datasets: why, diff, data list, data show."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from corpusmith.apps.boundary import boundary
from corpusmith.apps.output import show, show_json, table
from corpusmith.apps.workspaces import open_existing
from corpusmith.ops.pii import mask
from corpusmith.workflows.compare import compare
from corpusmith.workflows.history import trace_row


def why(row: str, dataset: str, reveal: bool, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith why`."""
    with boundary(as_json, workspace):
        opened = open_existing(workspace)
        histories = trace_row(opened, dataset, row, reveal=reveal)
        if as_json:
            show_json({"status": 0, "rows": [history.as_json() for history in histories]})
            return
        for history in histories:
            for line in history.lines():
                show(line)
            show()
        if histories[0].found_in > len(histories):
            show(f"(the text is in {histories[0].found_in:,} rows; the first {len(histories)} are told)")


def diff(left: str, right: str, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith diff`."""
    with boundary(as_json, workspace):
        opened = open_existing(workspace)
        found = compare(opened, left, right)
        if as_json:
            show_json({"status": 0, **found.as_json()})
            return
        for line in found.lines():
            show(line)


def list_data(workspace: Path | None, as_json: bool) -> None:
    """`corpusmith data list`."""
    with boundary(as_json, workspace):
        opened = open_existing(workspace)
        found = []
        for entry in opened.runs.published():
            record = opened.artifacts.open(entry["artifact"]).record
            found.append({**entry, "rows": record.rows, "size_bytes": record.size_bytes})
        if as_json:
            show_json({"status": 0, "datasets": found})
            return
        rows = [
            (
                f"{e['name']}@{e['version']}",
                f"{e['rows']:,}",
                f"{e['size_bytes'] / 1e6:.1f} MB",
                time.strftime("%Y-%m-%d %H:%M", time.localtime(e["created"])),
                e["artifact"][:12],
            )
            for e in found
        ]
        show(table(("dataset", "rows", "size", "made", "artifact"), rows) if rows else "No datasets yet.")


def show_data(ref: str, count: int, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith data show`: personal data is shown as placeholders."""
    with boundary(as_json, workspace):
        opened = open_existing(workspace)
        data = opened.resolve(ref)
        first: list[dict[str, Any]] = []
        for batch in data.batches(rows=max(count, 1)):
            first += batch.slice(0, count - len(first)).to_pylist()
            if len(first) >= count:
                break
        masked = [{k: mask(v)[0] if isinstance(v, str) else v for k, v in row.items()} for row in first]
        if as_json:
            show_json({"status": 0, "record": data.record.model_dump(mode="json"), "rows": masked})
            return
        record = data.record
        show(f"artifact {record.id}   made by {record.tool}   {record.rows:,} rows, {record.size_bytes / 1e6:.1f} MB")
        show(f"digest   {record.content_digest}")
        for row in masked:
            show(json.dumps(row, ensure_ascii=False)[:1200])
