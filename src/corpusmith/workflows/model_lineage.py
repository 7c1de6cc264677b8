"""What a model was made from: its base, its data, the steps behind the data, the sources; and what became of one row.

A row was trained on when it, or a row derived from it, is in the training data's split `train` (all of it, where the
data has no splits) and the training left it out by no rule. A model trained on top of another trained model carries
that one's rows too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpusmith.core.errors import NotFoundError
from corpusmith.core.model_manifest import ModelManifest
from corpusmith.core.rows import ROW_ID
from corpusmith.store.artifacts import ArtifactStore
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.model_evidence import manifest_of
from corpusmith.store.workspace import Workspace
from corpusmith.workflows.history import SPLIT, RowHistory, lineage, trace_row

TRAIN = "train"
START = "start"
"""Role of the adapter that a training went on from."""
DATA_ROLES = ("data", "replay")
"""Roles in which a training takes rows."""


@dataclass(frozen=True)
class DataStep:
    """One step on the way to a training dataset."""

    tool: str
    artifact: str
    rows: int
    dropped: int

    def line(self) -> str:
        """For a terminal or a card."""
        lost = f", {self.dropped:,} dropped" if self.dropped else ""
        return f"{self.tool} {self.artifact[:12]}: {self.rows:,} rows{lost}"


@dataclass(frozen=True)
class ModelStep:
    """One model of the chain, the newest first. `data` holds, by role, the steps to each of its datasets."""

    artifact: str
    tool: str
    manifest: ModelManifest
    data: dict[str, tuple[DataStep, ...]]
    sources: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        steps = {role: [vars(step) for step in path] for role, path in self.data.items()}
        facts = self.manifest.model_dump(mode="json", include={"name", "kind", "digest", "base", "location"})
        return {"artifact": self.artifact, "tool": self.tool, **facts, "data": steps, "sources": list(self.sources)}

    def lines(self) -> list[str]:
        """For a terminal."""
        where = f" at {self.manifest.location}" if self.manifest.location else ""
        out = [
            f"{self.manifest.name} ({self.manifest.kind}{where}), made by {self.tool}, digest {self.manifest.digest}"
        ]
        for role, path in self.data.items():
            out.append(f"  {role}:")
            out += [f"    {step.line()}" for step in path]
        out += [f"  source {uri}" for uri in self.sources]
        return out


@dataclass(frozen=True)
class RowUse:
    """Whether one source row went into a model, and its history."""

    history: RowHistory
    model: str
    role: str
    trained: bool
    said: str

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        told = {"model": self.model, "role": self.role, "trained": self.trained, "said": self.said}
        return {**told, "history": self.history.as_json()}

    def lines(self) -> list[str]:
        """For a terminal."""
        return [*self.history.lines(), f"  {self.said}"]


def model_chain(workspace: Workspace, artifact: str) -> list[ModelStep]:
    """The model and those it was made from, the newest first.

    Raises:
        NotFoundError: There is no such artifact.
        PreconditionError: It is no model.
    """
    return [_step(workspace, model) for model in _models(workspace.artifacts, artifact)]


def training_sets(artifacts: ArtifactStore, artifact: str) -> list[str]:
    """The datasets that a model, and those that it went on from, were trained on: artifact ids, the newest first.

    Raises:
        NotFoundError: There is no such artifact.
        PreconditionError: It is no model.
    """
    inputs = (model.record.inputs for model in _models(artifacts, artifact))
    return list(dict.fromkeys(given[role] for given in inputs for role in DATA_ROLES if role in given))


def _models(artifacts: ArtifactStore, artifact: str) -> Iterator[StoredDataset]:
    """The model, the adapters that it went on from, and their bases, each once; inputs are older, so this ends."""
    todo, seen = [artifact], set[str]()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        model = artifacts.open(name)
        yield model
        below = (manifest_of(model).base, model.record.inputs.get(START))
        todo += [older for older in below if older is not None]


def _step(workspace: Workspace, model: StoredDataset) -> ModelStep:
    data = {}
    sources = set(model.record.origin)
    for role in DATA_ROLES:
        if role in model.record.inputs:
            path = lineage(workspace, workspace.artifacts.open(model.record.inputs[role]))
            sources |= {uri for step in path for uri in step.record.origin}
            data[role] = tuple(
                DataStep(step.record.tool, step.id, step.rows, sum(step.record.counts.dropped.values()))
                for step in path
            )
    return ModelStep(model.id, model.record.tool, manifest_of(model), data, tuple(sorted(sources)))


def row_uses(workspace: Workspace, artifact: str, row: str, *, reveal: bool = False) -> list[RowUse]:
    """What became of a row on its way into a model; one answer per source row and dataset that knows it.

    Args:
        workspace: Where to look.
        artifact: The model.
        row: Row id (also of a derived row), or a text that was in the input.
        reveal: Show personal data as it stands.

    Raises:
        NotFoundError: No dataset that this model, or a model under it, was trained on knows the row.
        ParameterError: `row` is empty.
    """
    uses: list[RowUse] = []
    for model in _models(workspace.artifacts, artifact):
        for role in DATA_ROLES:
            if role not in model.record.inputs:
                continue
            data = workspace.artifacts.open(model.record.inputs[role])
            try:
                histories = trace_row(workspace, data.id, row, reveal=reveal)
            except NotFoundError:
                continue
            uses += [_use(model, role, data, history, row) for history in histories]
    if not uses:
        raise NotFoundError(
            f"no data that model {artifact[:12]} was trained on knows the row {row[:80]!r}",
            hint="Give a row id such as articles.jsonl#17, or words as they stood in the input.",
        )
    return uses


def _use(model: StoredDataset, role: str, data: StoredDataset, history: RowHistory, asked: str) -> RowUse:
    name = manifest_of(model).name
    root = asked if asked.startswith(f"{history.row_id}~") else history.row_id
    rows = _descendants(data, root)
    learned = [row for row, split in rows if split in (None, TRAIN)]
    left_out = _left_out(model, learned)
    trained = [row for row in learned if row not in left_out]
    if trained:
        said = f"{name} was trained on it" + ("" if trained == [root] else f", as {_few(trained)}")
    elif left_out:
        said = f"{name} was not trained on it: its training left it out ({', '.join(sorted(set(left_out.values())))})"
    elif rows:
        said = f"{name} was not trained on it: it is held out, in split {_few(sorted({str(s) for _, s in rows}))}"
    else:
        said = f"{name} was not trained on it: {history.ended}"
    return RowUse(history, model.id, role, bool(trained), said)


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _descendants(data: StoredDataset, root: str) -> list[tuple[str, str | None]]:
    """The row and those derived from it that are in the data, each with its split."""
    names = [ROW_ID, SPLIT] if SPLIT in data.schema.names else [ROW_ID]
    out = []
    for path in data.part_paths:
        table = pq.read_table(path, columns=names)
        ids = table.column(ROW_ID)
        here = table.filter(pc.or_(pc.equal(ids, root), pc.starts_with(ids, f"{root}~")))
        out += [(row[ROW_ID], row.get(SPLIT)) for row in here.to_pylist()]
    return out


def _left_out(model: StoredDataset, rows: list[str]) -> dict[str, str]:
    """The rule by which the training itself left rows out, from its ledger."""
    found: dict[str, str] = {}
    for path in sorted((model.folder / "ledger").glob("*.parquet")):
        lines = pq.read_table(path, filters=(pc.field(ROW_ID).isin(rows)) & (pc.field("action") == "drop"))
        found |= {line[ROW_ID]: line["rule"] for line in lines.to_pylist()}
    return found
