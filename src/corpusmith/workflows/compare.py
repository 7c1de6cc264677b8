"""`diff`: two datasets held against each other: rows added, dropped, changed, with samples. Personal data is masked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpusmith.core.fingerprints import row_digests
from corpusmith.core.rows import ROW_ID, TEXT
from corpusmith.ops.pii import mask
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.workspace import Workspace
from corpusmith.workflows.history import difference

SAMPLES = 5


@dataclass(frozen=True)
class Comparison:
    """Counts by kind, and up to `SAMPLES` rows of each."""

    left: str
    right: str
    rows_left: int
    rows_right: int
    added: int
    dropped: int
    changed: int
    same: int
    samples: dict[str, list[dict[str, str]]]

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return vars(self)

    def lines(self) -> list[str]:
        """For a terminal."""
        out = [
            f"left     {self.left}  {self.rows_left:,} rows",
            f"right    {self.right}  {self.rows_right:,} rows",
            f"added {self.added:,}   dropped {self.dropped:,}   changed {self.changed:,}   same {self.same:,}",
        ]
        for kind, sign in (("added", "+"), ("dropped", "-"), ("changed", "~")):
            for row in self.samples[kind]:
                out.append(f"{sign} {row['row_id']}")
                out += [
                    f"    {mark} {row[side][:160]!r}"
                    for side, mark in (("before", "-"), ("after", "+"))
                    if row.get(side)
                ]
        return out


def compare(workspace: Workspace, left: str, right: str) -> Comparison:
    """Compare two datasets by row id and by text.

    Raises:
        NotFoundError: A reference names nothing.
    """
    first, second = workspace.resolve(left), workspace.resolve(right)
    old, new = _digests(first), _digests(second)
    dropped = [r for r in old if r not in new]
    added = [r for r in new if r not in old]
    both = [r for r in old if r in new]
    changed = [r for r in both if old[r] != new[r]]
    before = _texts(first, dropped[:SAMPLES] + changed[:SAMPLES])
    after = _texts(second, added[:SAMPLES] + changed[:SAMPLES])
    samples: dict[str, list[dict[str, str]]] = {
        "added": [{"row_id": r, "after": after[r]} for r in added[:SAMPLES]],
        "dropped": [{"row_id": r, "before": before[r]} for r in dropped[:SAMPLES]],
        "changed": [],
    }
    for row in changed[:SAMPLES]:
        one, two = difference(before[row], after[row])
        samples["changed"].append({"row_id": row, "before": one, "after": two})
    return Comparison(
        left=f"{left} ({first.id[:12]})",
        right=f"{right} ({second.id[:12]})",
        rows_left=first.rows,
        rows_right=second.rows,
        added=len(added),
        dropped=len(dropped),
        changed=len(changed),
        same=len(both) - len(changed),
        samples=samples,
    )


def _digests(data: StoredDataset) -> dict[str, bytes]:
    out: dict[str, bytes] = {}
    for batch in data.batches(columns=[ROW_ID, TEXT]):
        hashes = np.ascontiguousarray(row_digests(batch.select([TEXT])))
        out |= dict(zip(batch.column(ROW_ID).to_pylist(), (h.tobytes() for h in hashes), strict=True))
    return out


def _texts(data: StoredDataset, ids: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    wanted = pa.array(ids, pa.large_string())
    for batch in data.batches(columns=[ROW_ID, TEXT]):
        hit = batch.filter(pc.is_in(batch.column(ROW_ID), wanted))
        texts = (mask(text or "")[0] for text in hit.column(TEXT).to_pylist())
        found |= dict(zip(hit.column(ROW_ID).to_pylist(), texts, strict=True))
        if len(found) == len(set(ids)):
            break
    return found
