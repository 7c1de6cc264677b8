"""The `generate` tool: instruction or preference pairs out of documents, grounded word for word, with no model.

Each pair is a derived row `<parent>~qa.<n>` (or `~pref.<n>`) whose answer is a span of its parent's text. Rows that
make no pair, and pairs left out because they repeat one, stand in the ledger. Memory: one part, and about 130 bytes a
pair for the hashes that keep instructions and answers apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pydantic import Field

from corpusmith.core.errors import ParameterError
from corpusmith.core.ids import derived_row_id
from corpusmith.core.rows import META, PARENT_ID, ROW_ID, SOURCE, TEXT, Shape, render_text, schema_of
from corpusmith.core.tools import Dataset, StepContext, Tool, ToolParams, ToolResult
from corpusmith.ops.generation import DEFAULT_TEMPLATES, Limits, QaTemplate
from corpusmith.ops.generation_rows import PAIRS, FindPairs, Pairing, Seen, pair_meta, read_pairs
from corpusmith.ops.ledger_lines import ledger_lines

_Told = tuple[str, str, str, float | None, dict[str, Any] | None]
_RULES: dict[Pairing, str] = {"instruction": "qa", "preference": "pref"}


class GenerateParams(ToolParams):
    """Which pairs to make."""

    kind: Pairing = Field("instruction", description="instruction pairs, or preference pairs by corruption")
    max_per_row: int = Field(4, ge=1, le=100, description="most pairs out of one row")
    min_chars: int | None = Field(None, ge=1, description="shortest answer in characters; 60, for preference pairs 100")
    max_chars: int = Field(2000, ge=50, description="longest answer in characters")
    templates: tuple[QaTemplate, ...] = Field(
        DEFAULT_TEMPLATES, min_length=1, description="templates in order of preference; also known: continuation"
    )
    title_field: str | None = Field(None, description="dotted path of the title; null = the usual names, first heading")
    phrases: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="own wordings per template, with {topic}; for texts that are not English"
    )


class GenerateResult(ToolResult):
    """What was made."""

    rows_in: int
    rows_out: int
    by_template: dict[str, int]
    by_corruption: dict[str, int] = Field(default_factory=dict, description="preference pairs only")
    without_pair: int = Field(description="rows in that made no pair")
    repeated: int = Field(description="pairs left out because they repeat another's instruction or answer")


def check(params: GenerateParams, inputs: Mapping[str, Dataset]) -> None:
    """Refuse data that is pairs already, and wordings without a place for the topic.

    Raises:
        ParameterError: The data is not of text shape, a wording lacks `{topic}`, or the bounds cross.
    """
    shape = inputs["data"].shape
    if shape is not Shape.TEXT:
        raise ParameterError(f"generate: needs text rows, not {shape.value}", hint="The data is made of pairs already.")
    if _limits(params).least > params.max_chars:
        raise ParameterError(f"generate: min_chars is above max_chars {params.max_chars}")
    known = {"question", *DEFAULT_TEMPLATES, "continuation"}
    for template, wordings in params.phrases.items():
        if template not in known or not wordings or any("{topic}" not in wording for wording in wordings):
            raise ParameterError(
                f"generate: phrases for {template!r} need a known template and {{topic}} in each wording"
            )


def _limits(params: GenerateParams) -> Limits:
    least = params.min_chars if params.min_chars is not None else 100 if params.kind == "preference" else 60
    return Limits(least, params.max_chars)


def run(params: GenerateParams, ctx: StepContext) -> GenerateResult:
    """Find pairs part by part, keep them apart, write them."""
    phrases = tuple(sorted(params.phrases.items()))
    limits = _limits(params)
    operator = FindPairs(
        ctx.seed, params.kind, params.max_per_row, limits, params.templates, params.title_field, phrases
    )
    maker = _Maker(params.kind)
    ctx.writer.write(maker.schema.empty_table())
    for table in ctx.engine.stream(ctx.data(), [operator], [ROW_ID, SOURCE, TEXT, META, PAIRS]):
        ctx.cancel.check()
        for batch in table.to_batches(max_chunksize=2048):
            rows, lines = maker.make(pa.Table.from_batches([batch]))
            ctx.writer.write(rows)
            ctx.writer.ledger(lines)
        ctx.emit(f"generate: {sum(maker.by_template.values())} pairs")
    made = sum(maker.by_template.values())
    return GenerateResult(
        rows_in=ctx.data().rows,
        rows_out=made,
        by_template=dict(sorted(maker.by_template.items())),
        by_corruption=dict(sorted(maker.by_corruption.items())),
        without_pair=maker.without_pair,
        repeated=maker.repeated,
    )


class _Maker:
    """Turns streamed rows into pairs and ledger lines, and counts."""

    def __init__(self, kind: Pairing) -> None:
        self.kind = kind
        self.schema = schema_of(Shape.INSTRUCTION if kind == "instruction" else Shape.PREFERENCE)
        self.seen = Seen()
        self.by_template: Counter[str] = Counter()
        self.by_corruption: Counter[str] = Counter()
        self.without_pair = self.repeated = 0

    def make(self, batch: pa.Table) -> tuple[pa.Table, pa.Table]:
        rows: list[dict[str, Any]] = []
        lines = []
        for row in batch.to_pylist():
            made, told = self._row(row)
            rows += made
            lines += told
        return render_text(pa.Table.from_pylist(rows, schema=self.schema)), _lines(lines)

    def _row(self, row: dict[str, Any]) -> tuple[list[dict[str, Any]], list[_Told]]:
        made: list[dict[str, Any]] = []
        told: list[_Told] = []
        for ordinal, pair in enumerate(read_pairs(row[PAIRS])):
            answer = row[TEXT][pair.begin : pair.end]
            name = derived_row_id(row[ROW_ID], _RULES[self.kind], ordinal)
            instruction, refused = self.seen.admit(pair, answer)
            detail = {"parent": row[ROW_ID], "chars": [pair.begin, pair.end]}
            if refused is not None:
                self.repeated += 1
                told.append((name, "drop", refused, None, detail))
                continue
            self.by_template[pair.template] += 1
            told.append((name, "derive", f"generate.{pair.template}", None, detail))
            base = {
                ROW_ID: name,
                PARENT_ID: row[ROW_ID],
                SOURCE: row[SOURCE],
                TEXT: "",
                META: pair_meta(row[META], pair),
            }
            if pair.rejected is None:
                made.append({**base, "instruction": instruction, "input": "", "output": answer})
            else:
                self.by_corruption[pair.corruption] += 1
                rejected = row[TEXT][slice(*pair.rejected)]
                made.append({**base, "prompt": instruction, "chosen": answer, "rejected": rejected})
        if made:
            told.append((row[ROW_ID], "mark", "generate.used", float(len(made)), None))
        else:
            self.without_pair += 1
            told.append((row[ROW_ID], "drop", "generate.no_pair", 0.0, None))
        return made, told


def _lines(told: list[_Told]) -> pa.Table:
    parts = [ledger_lines([], "drop", [])]
    for action in ("drop", "derive", "mark"):
        here = [line for line in told if line[1] == action]
        ids, _, rules, values, details = zip(*here, strict=True) if here else ((), (), (), (), ())
        parts.append(ledger_lines(ids, action, rules, values, None, None, details))
    return pa.concat_tables(parts)


TOOL = Tool(
    name="generate",
    version=1,
    kind="pure",
    params=GenerateParams,
    run=run,
    summary="Make instruction or preference pairs out of documents, with verbatim answers and no model.",
    check=check,
)
