"""infer: a model's answer to every row of a dataset, as a dataset of instruction rows.

An answer is a derived row `<parent>~answer.0`: what was asked in `instruction` and `input`, the answer in `output`, and
in `meta` what the parent had, with `answer`: the model, its digest, the tokens, whether the model ended it itself, and
the response that the parent came with. Rows that cannot be asked are dropped with a reason, answers that were cut off
are marked; both stand in the ledger. Greedy, so the rows are the same on this machine and on Ray Data (the service
`place`), and the same when a step that was killed goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from corpusmith.core.errors import CorpusmithError
from corpusmith.core.ids import derived_row_id
from corpusmith.core.rows import (
    META,
    PARENT_ID,
    ROW_ID,
    SOURCE,
    TEXT,
    Shape,
    render_text,
    schema_of,
    shape_of,
)
from corpusmith.core.tools import Dataset, Effect, StepContext, Tool, ToolParams, ToolResult
from corpusmith.models.evaluation.generation import Answers, generate
from corpusmith.models.evaluation.opened import OpenedModel
from corpusmith.models.evaluation.parts import PartMaker, do_parts, slices
from corpusmith.models.loading import manifest_of, place_of
from corpusmith.models.training.extra import need_training_libraries
from corpusmith.models.training.place import Place
from corpusmith.ops.ledger_lines import ledger_lines
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.writer import StagedWriter, finished_part
from corpusmith.tools.evaluate_rows import recorded, split_of
from corpusmith.tools.train_rows import SPLIT, conversations

PART_ROWS = 256
RULE, CUT, REFUSED = "infer.answer", "answer_cut_off", "cannot_be_asked"
Turns = list[tuple[str, str]]


class InferParams(ToolParams):
    """What is asked, and how long an answer may be."""

    split: str | None = Field(None, description="rows to answer; null = all")
    max_new_tokens: int = Field(256, ge=1, le=8192, description="tokens of an answer at most")
    context: int | None = Field(
        None, ge=16, description="tokens of a sequence at most; null = what the model takes, at most 2,048"
    )
    system: str | None = Field(
        None, min_length=1, description="system turn of every conversation; null = the one the model was trained with"
    )


class InferResult(ToolResult):
    """What was answered."""

    model_digest: str
    rows_in: int = Field(description="rows of the split")
    rows_out: int
    refused: int = Field(description="rows that could not be asked; the ledger says why")
    cut_off: int = Field(description="answers that were not ended by the model")


@dataclass(frozen=True)
class Answering:
    """Makes answers of a slice of rows; travels to Ray's actors.

    Attributes:
        name: Of the model.
        digest: Of its weights.
        max_new_tokens: Most tokens of an answer.
        split: Rows that are asked; None = all.
        system: System turn of every conversation.
    """

    name: str
    digest: str
    max_new_tokens: int
    split: str | None
    system: str | None

    def __call__(self, opened: OpenedModel, table: pa.Table) -> tuple[pa.Table, pa.Table]:
        """The rows of a slice with their answers, and ledger lines."""
        if self.split is not None:
            table = table.filter(pc.equal(table.column(SPLIT), self.split))
        asked = questions(table, self.system)
        found = generate(opened, asked, max_new_tokens=self.max_new_tokens)
        rows = table.select([name for name in (ROW_ID, SOURCE, META, SPLIT, *_ASKED) if name in table.schema.names])
        columns = zip(rows.to_pylist(), table_responses(table), strict=True)
        made = [
            self._row(row, response, found, at)
            for at, (row, response) in enumerate(columns)
            if row[ROW_ID] not in found.refused
        ]
        schema = answer_schema(table.schema)
        answers = render_text(pa.Table.from_pylist(made, schema=schema))
        return answers, _lines(found, self.digest)

    def _row(self, row: Mapping[str, Any], response: str | None, found: Answers, at: int) -> dict[str, Any]:
        about = json.loads(row[META]) if row[META] else {}
        about["answer"] = {
            "model": self.name,
            "digest": self.digest,
            "tokens": found.tokens[at],
            "ended": found.ended[at],
            "reference": response,
        }
        asked = row.get("instruction", row.get("prompt", row.get(TEXT)))
        return {
            ROW_ID: derived_row_id(row[ROW_ID], "answer", 0),
            PARENT_ID: row[ROW_ID],
            SOURCE: row[SOURCE],
            "instruction": asked or "",
            "input": row.get("input") or "",
            "output": found.texts[at],
            TEXT: "",
            META: json.dumps(about, ensure_ascii=False),
            SPLIT: row.get(SPLIT),
        }


_ASKED = ("instruction", "input", "prompt", TEXT)


def questions(table: pa.Table, system: str | None) -> list[tuple[str, Turns]]:
    """(row id, turns that end with a question) of rows of any shape: of a document, the document."""
    if shape_of(table.schema) is Shape.INSTRUCTION:
        return [(row_id, turns[:-1]) for row_id, turns in conversations(table, system)]
    name = "prompt" if shape_of(table.schema) is Shape.PREFERENCE else TEXT
    opening = [("system", system)] if system else []
    asked = zip(table.column(ROW_ID).to_pylist(), table.column(name).to_pylist(), strict=True)
    return [(row_id, [*opening, ("user", text)] if (text or "").strip() else []) for row_id, text in asked]


def table_responses(table: pa.Table) -> list[str | None]:
    """The response that each row came with, where its shape has one."""
    name = {Shape.INSTRUCTION: "output", Shape.PREFERENCE: "chosen"}.get(shape_of(table.schema))
    values: list[str | None] = [None] * table.num_rows if name is None else table.column(name).to_pylist()
    return values


def answer_schema(given: pa.Schema) -> pa.Schema:
    """The schema of answers: instruction rows, with the split where the data has one."""
    schema = schema_of(Shape.INSTRUCTION)
    return schema.append(pa.field(SPLIT, pa.large_string())) if SPLIT in given.names else schema


def _lines(found: Answers, digest: str) -> pa.Table:
    kept = [at for at, row_id in enumerate(found.row_ids) if row_id not in found.refused]
    names = [derived_row_id(found.row_ids[at], "answer", 0) for at in kept]
    cut = [name for name, at in zip(names, kept, strict=True) if not found.ended[at]]
    detail = [{"parent": found.row_ids[at], "model": digest} for at in kept]
    gone = list(found.refused)
    return pa.concat_tables(
        [
            ledger_lines(names, "derive", RULE, detail=detail),
            ledger_lines(cut, "mark", CUT),
            ledger_lines(gone, "drop", REFUSED, detail=[{"why": found.refused[row_id]} for row_id in gone]),
        ]
    )


def check(params: InferParams, inputs: Mapping[str, Dataset]) -> None:
    """Refuse a model that cannot be opened here, before anything is written.

    Raises:
        PreconditionError: The model is hosted, an adapter lacks its base, no row is in the split, or the extra `train`
            is missing.
    """
    need_training_libraries()
    place_of(inputs["model"], inputs.get("base"))
    split_of(inputs["data"], params.split)


def run(params: InferParams, ctx: StepContext) -> InferResult:
    """Answer every row, part by part.

    Raises:
        PreconditionError: The model's files are not those on record, or its template loses the system turn.
    """
    data, writer = ctx.data(), ctx.writer
    if not isinstance(data, StoredDataset) or not isinstance(writer, StagedWriter):
        raise CorpusmithError("infer reads stored datasets and writes staged parts")
    model = ctx.inputs["model"]
    manifest, trained_with = manifest_of(model), recorded(model).params.get("system")
    make = Answering(
        manifest.name,
        manifest.digest,
        params.max_new_tokens,
        split_of(data, params.split),
        params.system or (trained_with if isinstance(trained_with, str) else None),
    )
    maker = PartMaker(
        place_of(model, ctx.inputs.get("base")), writer.folder, make, params.context, ctx.services.get("hub")
    )
    tasks = list(slices(data.part_paths, PART_ROWS))
    do_parts(maker, tasks, ctx.services.get("place") or Place(), ctx.cancel, lambda text: ctx.emit(f"infer: {text}"))
    for task in tasks:
        index, done = writer.next_index(), finished_part(writer.folder, task.index)
        if done is None or index != task.index:
            raise CorpusmithError(f"infer: part {task.index} is not there")
        writer.adopt(done)
    if not tasks:
        writer.write(answer_schema(data.schema).empty_table())
    counts = writer.counts()
    return InferResult(
        model_digest=manifest.digest,
        rows_in=counts["rows_out"] + counts["dropped"].get(REFUSED, 0),
        rows_out=counts["rows_out"],
        refused=counts["dropped"].get(REFUSED, 0),
        cut_off=counts["marked"].get(CUT, 0),
    )


TOOL = Tool(
    name="infer",
    version=1,
    kind="pure",
    params=InferParams,
    run=run,
    summary="Let a model answer every row of a dataset; the answers become a dataset.",
    inputs=("model", "data", "base?"),
    effects=frozenset({Effect.WRITE_STORE, Effect.SPEND_GPU}),
    check=check,
)
