"""Whether the rows that judge a model stand in what it was trained on, by the search of `decontaminate`.

Prompts and answers are looked for one by one, also edited or inside other text; parts of few words count only where
they are a row's whole prompt, and short answers not at all (`ops.eval_index`), so that a label that stands in every row
is no alarm. Where train and test are splits of one dataset, rows of one are held against rows of the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from corpusmith.core.errors import PreconditionError
from corpusmith.core.rows import ROW_ID, Shape
from corpusmith.core.tools import Cancel, Dataset, Engine, StepContext
from corpusmith.ops.contamination import ITEM, ContaminationScan
from corpusmith.ops.eval_index import build_index, part_columns
from corpusmith.tools.decontaminate import DecontaminateParams
from corpusmith.tools.evaluate_rows import batches, recorded
from corpusmith.tools.train_rows import SPLIT

ROUNDS = 8
"""Most passes over the training rows: one pass finds one item for each of them."""


@dataclass(frozen=True)
class Part:
    """Some rows of a dataset: as much of `core.tools.Dataset` as `ops.eval_index` reads."""

    data: Dataset
    split: str | None
    without: frozenset[str] = frozenset()

    @property
    def shape(self) -> Shape:
        """What one row is."""
        return self.data.shape

    def batches(self, columns: Sequence[str] | None = None, rows: int = 1024) -> Iterator[pa.Table]:
        """The rows in order."""
        names = list(columns or [ROW_ID, *part_columns(self.shape)])
        gone = pa.array(sorted(self.without), pa.large_string())
        for batch in batches(self.data, names, self.split):
            kept = batch.filter(pc.invert(pc.is_in(batch.column(ROW_ID), gone))) if self.without else batch
            yield from (pa.Table.from_batches([piece]) for piece in kept.to_batches(max_chunksize=rows))


@dataclass(frozen=True)
class Overlap:
    """What was found: evaluation row to the training row that holds it, and items too short to look for."""

    rows: dict[str, str]
    unchecked: int


def find_overlap(
    data: Dataset,
    split: str | None,
    train: Dataset,
    train_split: str | None,
    engine: Engine,
    cancel: Cancel,
    *,
    whole: bool = False,
) -> Overlap:
    """Look for evaluation rows in training rows.

    Args:
        data: The evaluation set; its items fit in memory.
        split: Its rows.
        train: What the model was trained on.
        train_split: Its rows.
        engine: Runs the scan.
        cancel: Asked between parts.
        whole: Look again until nothing more is found; else one pass, which may leave out some of several items that one
            training row holds.
    """
    params = DecontaminateParams()
    found: dict[str, str] = {}
    unchecked = 0
    for turn in range(ROUNDS if whole else 1):
        part = Part(data, split, frozenset(found))
        index, row_ids, short = build_index([cast(Dataset, part)], params.ngram)
        unchecked = short if not turn else unchecked
        new = dict(_hits(train, train_split, ContaminationScan(index, params.threshold), row_ids, engine, cancel))
        if not new:
            break
        found |= new
    return Overlap(found, unchecked)


def _hits(
    train: Dataset, split: str | None, scan: ContaminationScan, row_ids: Sequence[str], engine: Engine, cancel: Cancel
) -> Iterator[tuple[str, str]]:
    names = [ROW_ID, ITEM, *([SPLIT] if split is not None else [])]
    for table in engine.stream(train, [scan], names):
        cancel.check()
        hit = pc.greater_equal(table.column(ITEM), 0)
        if split is not None:
            hit = pc.and_kleene(hit, pc.equal(table.column(SPLIT), split))
        hits = table.filter(hit)
        for row_id, item in zip(hits.column(ROW_ID).to_pylist(), hits.column(ITEM).to_pylist(), strict=True):
            yield row_ids[item], row_id


def training_data(inputs: Mapping[str, Dataset], notes: list[str]) -> Dataset | None:
    """What the model was trained on: the role `train`, or an input that the model's record names; None = not at hand.

    Args:
        inputs: Of the step.
        notes: What there is to say is added to them.
    """
    if "train" in inputs:
        return inputs["train"]
    trained_on = recorded(inputs["model"]).inputs.get("data")
    role = next((role for role in ("data", "general") if role in inputs and inputs[role].id == trained_on), None)
    if role is not None:
        notes.append(f"held against the training data on the model's record, which is the input `{role}`")
        return inputs[role]
    notes.append(
        "the rows were not held against any training data: give it in the role `train`"
        + (f", {trained_on}" if trained_on else "")
    )
    return None


def training_split(model: Dataset) -> str:
    """The split that a model was trained on, as its record says."""
    said = recorded(model).params.get("split")
    return said if isinstance(said, str) else "train"


def overlapping(
    ctx: StepContext, split: str | None, train: Dataset, train_split: str | None, notes: list[str], *, dropping: bool
) -> frozenset[str]:
    """Evaluation rows that stand in the training data, to be left out.

    Args:
        ctx: Its input `data` is the evaluation set.
        split: Rows of it.
        train: What the model was trained on.
        train_split: Rows of it.
        notes: What there is to say is added to them.
        dropping: Whether such rows are left out; else they are an error.

    Raises:
        PreconditionError: There are some, and they are not to be left out; or all of them are training rows.
    """
    data = ctx.data()
    ctx.emit("evaluate: holding the rows against the training data")
    if train.id == data.id and split in (None, train_split):
        where = "all rows" if split is None else f"split {split!r}"
        raise PreconditionError(
            f"evaluate: the rows to judge on are the very rows that the model was trained on ({where} of {data.id})",
            hint="Judge on another split, or on other data.",
        )
    found = find_overlap(data, split, train, train_split, ctx.engine, ctx.cancel, whole=dropping)
    if found.rows and not dropping:
        row, where = next(iter(found.rows.items()))
        judged = data.rows if split is None else data.table([SPLIT]).column(SPLIT).to_pylist().count(split)
        raise PreconditionError(
            f"evaluate: {len(found.rows)} of {judged} evaluation rows stand in the data that the model was trained on, "
            f"row {row} in {where}",
            hint="Run `decontaminate` on the training data and train again, or leave these rows out (overlap: drop).",
            rows=len(found.rows),
            row=row,
            train=train.id,
        )
    if found.rows:
        notes.append(f"{len(found.rows)} rows are left out: they stand in the training data")
    if found.unchecked:
        notes.append(f"{found.unchecked} rows are too short to be looked for in the training data")
    return frozenset(found.rows)
