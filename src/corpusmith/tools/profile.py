"""The `profile` tool: measure a dataset and change nothing. What gates are held against, and reports are drawn from.

Side files:

    scorecard.json   core.gates.Scorecard: every metric with n and its 95 % interval
    signals.parquet  a line a row, in row order: row_id, every name of ops.signals.SIGNALS, lang, lang_confidence,
                     broken_rules, truncation, text_hash, and as asked for: lang_asked (is in one of the languages),
                     encoding_damage, html_remains, pii:<kind>, boilerplate_lines, duplicate_of, similarity,
                     exact_copy, eval_item, grounded (share of the answer found in the documents), document (the
                     nearest one), given_split, split_named (it is only the name of the row's list or file)
    figures.json     ops.figures: histograms, counts by name, token statistics
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from corpusmith.core.brief import LengthRange
from corpusmith.core.operators import RowOperator
from corpusmith.core.rows import ROW_ID, SOURCE, Shape, set_column
from corpusmith.core.tools import Dataset, StepContext, Tool, ToolParams, ToolResult
from corpusmith.ops import measures as ms
from corpusmith.ops.boilerplate import MIN_ROWS, MIN_SHARE, CountBoilerplate, find_boilerplate
from corpusmith.ops.contamination import Contamination, find_contamination
from corpusmith.ops.figures import build_figures
from corpusmith.ops.grounding import Grounding, find_grounding
from corpusmith.ops.language import LANG, LANG_ASKED, LANG_CONFIDENCE, AskedLanguage
from corpusmith.ops.neardup import Duplicates, find_duplicates
from corpusmith.ops.pii import KINDS, DetectPii, check_kinds
from corpusmith.ops.repair import DetectDamage
from corpusmith.ops.retention import measure_retention
from corpusmith.ops.scorecard import build_scorecard, split_leaks
from corpusmith.ops.signals import PREFIX, SIGNALS
from corpusmith.ops.splitting import GIVEN, NAMED, given_splits
from corpusmith.ops.tally import Tally
from corpusmith.ops.tokenstats import TokenCounts
from corpusmith.tools.inputs import inputs_in


class ProfileParams(ToolParams):
    """What to measure. Everything else in a scorecard is always measured."""

    languages: tuple[str, ...] = Field((), description="ISO 639-1 codes asked for; measures language_rate")
    lengths: tuple[LengthRange, ...] = Field((), description="bounds asked for; measures short_rate and long_rate")
    near: bool = Field(True, description="look for near-duplicates, not only exact copies")
    jaccard: float = Field(0.8, gt=0, le=1, description="near-duplicates: least Jaccard similarity of word 5-grams")
    containment: float | None = Field(None, gt=0, le=1, description="also rows that lie in a longer row to this share")
    damage: bool = Field(True, description="look for encoding damage and HTML remains")
    pii: bool = Field(True, description="look for personal data")
    pii_kinds: tuple[str, ...] = Field((), description="kinds of personal data to look for; empty = all")
    boilerplate: bool = Field(True, description="look for lines that repeat across a source")
    vocabulary: bool = Field(True, description="count distinct tokens for the figures")


class ProfileResult(ToolResult):
    """The scorecard's values and what stands behind them."""

    metrics: dict[str, float]
    rows: int
    tokens: int
    languages: dict[str, int] = Field(description="rows per language, the ten most frequent")
    broken_rules: dict[str, int] = Field(description="rows per published quality rule")
    pii: dict[str, int] = Field(description="rows per kind of personal data")


@dataclass(frozen=True)
class _Found:
    """What was found over all rows before they stream by, in row order."""

    duplicates: Duplicates
    contamination: Contamination | None
    grounding: Grounding | None

    def columns(self, start: int, rows: int) -> Iterator[tuple[str, pa.Array]]:
        """Columns for rows [start, start + rows) of signals.parquet."""
        here = slice(start, start + rows)
        kept = self.duplicates.kept[here]
        yield "duplicate_of", _ids_at(self.duplicates.row_ids, kept)
        yield "similarity", pa.array(self.duplicates.similarity[here])
        yield "exact_copy", pa.array(self.duplicates.exact[here])
        if self.contamination is not None:
            names, items = self.contamination.eval_row_ids, self.contamination.item[here].tolist()
            yield "eval_item", pa.array([names[at] if at >= 0 else None for at in items], pa.large_string())
        if self.grounding is not None:
            yield "grounded", pa.array(self.grounding.score[here], from_pandas=True)
            yield "document", pa.array(self.grounding.nearest[here], pa.large_string())


def _ids_at(ids: pa.ChunkedArray, places: npt.NDArray[np.int64]) -> pa.Array:
    """The ids at `places`; null at -1."""
    if not places.size:
        return pa.array([], pa.large_string())
    column = ids.take(pa.array(places, mask=places < 0))
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column


def run(params: ProfileParams, ctx: StepContext) -> ProfileResult:
    """Measure the dataset in the role `data` and write the side files."""
    data, engine = ctx.data(), ctx.engine
    found = _Found(
        find_duplicates(
            data,
            engine,
            jaccard=params.jaccard,
            containment=params.containment if params.near else None,
            near=params.near,
            scratch=ctx.scratch / "duplicates",
            cancel=ctx.cancel,
        ),
        _contamination(ctx),
        _grounding(ctx),
    )
    operators = _operators(params, data, ctx)
    tally = Tally(params.lengths)
    splits = _stream(params, ctx, operators, found, tally)
    tokens = engine.fold(data, (), TokenCounts()).settled() if params.vocabulary else None
    baseline = ctx.inputs.get("baseline")
    retention = None if baseline is None else measure_retention(data, baseline)
    copies = found.duplicates.kept >= 0
    dirty = None if found.contamination is None else found.contamination.item >= 0
    card = build_scorecard(
        tally,
        artifact=data.id,
        exact=found.duplicates.repeated,
        near=copies if params.near else None,
        contaminated=dirty,
        leaks=split_leaks(found.duplicates.kept, splits),
        prompt_leaks=_prompt_leaks(params, ctx, splits),
        ungrounded=None if found.grounding is None else found.grounding.ungrounded[found.grounding.judged],
        retention=retention,
    )
    figures = build_figures(
        tally,
        tokens=tokens,
        exact=found.duplicates.exact,
        similarity=np.where(copies, found.duplicates.similarity, 0.0),
        contaminated=dirty,
        retention=retention,
    )
    ctx.writer.path("scorecard.json").write_text(card.model_dump_json(indent=1), encoding="utf-8")
    text = json.dumps(figures, ensure_ascii=False, allow_nan=False, indent=1)
    ctx.writer.path("figures.json").write_text(text, encoding="utf-8")
    values = {name: metric.value for name, metric in card.metrics.items()}
    return ProfileResult(
        metrics=values,
        rows=tally.rows,
        tokens=int(values["tokens"]),
        languages=dict(tally.found.most_common(10)),
        broken_rules=dict(tally.rules.most_common()),
        pii={kind: rows for kind, rows in tally.pii.most_common() if rows},
    )


def _contamination(ctx: StepContext) -> Contamination | None:
    evals = [dataset for _, dataset in inputs_in(ctx.inputs, "evals")]
    return find_contamination(ctx.data(), evals, ctx.engine, cancel=ctx.cancel) if evals else None


def _grounding(ctx: StepContext) -> Grounding | None:
    documents = [dataset for _, dataset in inputs_in(ctx.inputs, "docs")]
    if not documents or ctx.data().shape is Shape.TEXT:
        return None
    return find_grounding(ctx.data(), documents, ctx.engine, cancel=ctx.cancel)


def _prompt_leaks(params: ProfileParams, ctx: StepContext, splits: Sequence[str | None]) -> tuple[int, int] | None:
    """Rows outside train whose prompt stands in train, exact or near, and rows outside train; None = no prompts."""
    column = {Shape.INSTRUCTION: "instruction", Shape.PREFERENCE: "prompt"}.get(ctx.data().shape)
    if column is None or not any(splits):
        return None
    scratch = ctx.scratch / "prompts"
    found = find_duplicates(
        ctx.data(), ctx.engine, jaccard=params.jaccard, near=params.near, on=column, scratch=scratch, cancel=ctx.cancel
    )
    return split_leaks(found.kept, splits)


def _operators(params: ProfileParams, data: Dataset, ctx: StepContext) -> list[RowOperator]:
    operators: list[RowOperator] = [ms.Measures()]
    if params.languages:
        operators.append(AskedLanguage(params.languages))
    if params.damage:
        operators.append(DetectDamage())
    if params.pii:
        operators.append(DetectPii(params.pii_kinds))
    if params.boilerplate:
        operators.append(CountBoilerplate(find_boilerplate(data, ctx.engine, MIN_ROWS, MIN_SHARE)))
    return operators


def _columns(params: ProfileParams, data: Dataset) -> dict[str, str]:
    """The columns that come back to the driver, and their names in signals.parquet."""
    names = {ROW_ID: ROW_ID, SOURCE: SOURCE}
    names |= {PREFIX + name: name for name in SIGNALS}
    marks = (LANG, LANG_CONFIDENCE, ms.BROKEN, ms.TRUNCATION, ms.TEXT_HASH, GIVEN, NAMED, *ms.shape_columns(data.shape))
    names |= {name: name.removeprefix("_") for name in marks}
    if params.languages:
        names[LANG_ASKED] = "lang_asked"
    if params.damage:
        names |= {"encoding_damage": "encoding_damage", "html_remains": "html_remains"}
    if params.pii:
        names |= {KINDS[kind].column: KINDS[kind].column for kind in check_kinds(params.pii_kinds)}
    if params.boilerplate:
        names["boilerplate_lines"] = "boilerplate_lines"
    return names


def _stream(
    params: ProfileParams, ctx: StepContext, operators: Sequence[RowOperator], found: _Found, tally: Tally
) -> list[str | None]:
    """Run the operators, add every row to the tally and to signals.parquet; returns the split of each row."""
    data, names = ctx.data(), _columns(params, ctx.data())
    empty = data.schema.empty_table()
    for operator in operators:
        empty = operator.apply(empty)
    splits = []
    schema = _side_table(empty.select(list(names)), names, found, 0).schema
    with pq.ParquetWriter(ctx.writer.path("signals.parquet"), schema, compression="zstd") as side:
        for table in ctx.engine.stream(data, operators, list(names)):
            ctx.cancel.check()
            side.write_table(_side_table(table, names, found, tally.rows))
            tally.add(table)
            splits.append(table.select([GIVEN, NAMED]))
            ctx.emit(f"{tally.rows:,} of {data.rows:,} rows measured")
    return given_splits(pa.concat_tables(splits)) if splits else []


def _side_table(table: pa.Table, names: Mapping[str, str], found: _Found, start: int) -> pa.Table:
    renamed: pa.Table = table.rename_columns([names[name] for name in table.schema.names])
    for name, column in found.columns(start, table.num_rows):
        renamed = set_column(renamed, name, column)
    return renamed


def _check(params: ProfileParams, _inputs: Mapping[str, Any]) -> None:
    check_kinds(params.pii_kinds)


TOOL = Tool(
    name="profile",
    version=5,
    kind="pure",
    params=ProfileParams,
    run=run,
    summary="Measure a dataset: size, languages, quality rules, duplicates, personal data, leaks, grounding. Changes "
    "nothing.",
    inputs=("data", "baseline?", "evals*", "docs*"),
    makes="report",
    check=_check,
)
