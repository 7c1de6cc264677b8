"""The `format` tool: split by group, shuffle, write training files and a dataset card.

The artifact is the canonical rows with a `split` column, in the order of the files; the files lie in `export/`.
Memory: about 100 bytes a row for the split, the near-duplicate search (`ops.neardup`), and a few buckets of 64 MiB
for the shuffle; never the whole text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from corpusmith.core.brief import Splits
from corpusmith.core.errors import ParameterError
from corpusmith.core.rows import PARENT_ID, ROW_ID, TEXT, Shape, set_column
from corpusmith.core.tools import Dataset, StepContext, Tool, ToolParams, ToolResult
from corpusmith.ops import formatting as fmt
from corpusmith.ops.card import Card, render_card
from corpusmith.ops.ledger_lines import ledger_lines
from corpusmith.ops.neardup import find_duplicates
from corpusmith.ops.splitting import (
    GIVEN,
    NAMED,
    SPLITS,
    GivenSplit,
    assign_splits,
    given_splits,
    same_value_links,
    union_groups,
)
from corpusmith.tools.format_export import DATA_FILES, Export, Files, version_of
from corpusmith.tools.format_shuffle import Shuffle

SPLIT = "split"
EXPORT = "export"
PROMPT_JACCARD = 0.8
"""Similarity from which prompts are one: what `profile` calls a leak of the instruction."""
_ARROW_PER_STORED = 5


class FormatParams(ToolParams):
    """How the delivered dataset looks."""

    template: fmt.Template = Field("text", description="shape of the rows in the files")
    files: Files = Field("parquet", description="parquet, jsonl, or hf (a saved datasets.DatasetDict)")
    splits: Splits | None = Field(None, description="shares of the rows; null = keep the data's split, else all train")
    held_out_frac: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description="where the data's split is kept: share of its train that becomes validation, and test, by group, "
        "each where the data came with none; 0 = none",
    )
    window_tokens: int = Field(1024, ge=8, description="windows: tokens (words and punctuation marks) per window")
    window_stride: int | None = Field(None, ge=1, description="windows: tokens between starts; null = no overlap")
    window_min_tokens: int = Field(8, ge=1, description="windows: shorter last windows are left out")
    system: str | None = Field(None, description="messages, sharegpt: system message that opens each conversation")
    group_near: bool = Field(True, description="keep near-duplicates in one split")
    group_jaccard: float = Field(0.5, gt=0, le=1, description="similarity from which rows stay together")
    group_containment: float | None = Field(0.5, gt=0, le=1, description="share of a row found in another, likewise")
    group_by: str | None = Field(None, description="dotted path of a value whose rows stay together, e.g. author")
    name: str = Field("dataset", description="name on the dataset card")
    license: str = Field("unknown", description="licence id on the card, as the Hugging Face Hub names it")
    languages: tuple[str, ...] = Field((), description="ISO 639-1 codes on the card")
    steps: tuple[dict[str, Any], ...] = Field((), description="earlier steps to describe on the card")
    gates: tuple[dict[str, Any], ...] = Field((), description="gates to show on the card")
    limits: tuple[str, ...] = Field((), description="sentences for the card's limits")


class FormatResult(ToolResult):
    """What was written."""

    rows_in: int
    rows_out: int
    splits: dict[str, int] = Field(description="rows per split")
    dropped: dict[str, int] = Field(description="rows left out, by rule")
    groups: int | None = Field(None, description="groups of rows that stayed together; null when nothing was split")
    largest_group: int | None = Field(None, description="rows in the largest of them")
    notes: tuple[str, ...] = ()


def check(params: FormatParams, inputs: Mapping[str, Dataset]) -> None:
    """Refuse a template the data cannot fill and shares that do not sum to 1.

    Raises:
        ParameterError: The data has another shape, or the splits do not sum to 1.
    """
    shape, needed = inputs["data"].shape, fmt.NEEDS.get(params.template)
    if needed is not None and shape is not needed:
        hint = "Run `generate` first, or use template text." if shape.value == "text" else "Choose another template."
        raise ParameterError(
            f"format: template {params.template} needs {needed.value} rows, not {shape.value}", hint=hint
        )
    if params.splits is not None:
        total = params.splits.train + params.splits.validation + params.splits.test
        if abs(total - 1) > 1e-6:
            raise ParameterError(f"format: the splits sum to {total:g}, not 1", hint="For example 0.9, 0.05 and 0.05.")
    if params.window_stride is not None and params.window_stride > params.window_tokens:
        raise ParameterError("format: window_stride is longer than window_tokens and would leave text out")


@dataclass(frozen=True)
class _Plan:
    """What happens to each input row: why it is refused (None = it is not), and its split."""

    refused: list[str | None]
    split: npt.NDArray[np.int64]
    names: tuple[str, ...]
    groups: int | None
    largest: int | None
    rule: str


def run(params: FormatParams, ctx: StepContext) -> FormatResult:
    """Split, shuffle, write."""
    data = ctx.data()
    windows = None
    if params.template == "windows":
        windows = fmt.Windows(params.window_tokens, params.window_stride, params.window_min_tokens)
    plan = _plan(params, ctx, windows)
    ctx.emit(f"format: {len(plan.names)} splits, {plan.groups or data.rows} groups of rows")
    shuffle = Shuffle(ctx.scratch / "shuffle", ctx.seed, data.size_bytes * _ARROW_PER_STORED)
    dropped = _spread(ctx, plan, windows, shuffle)
    folder = ctx.writer.path(EXPORT)
    counts = _write(params, ctx, plan, shuffle, folder)
    notes = [
        f"split {name} is empty: too few groups of rows" for name, rows in counts.items() if not rows and data.rows
    ]
    card = Card(
        name=params.name,
        template=params.template,
        splits=counts,
        data_files={name: DATA_FILES[params.files].format(split=name) for name in counts},
        license=params.license,
        languages=params.languages,
        seed=ctx.seed,
        split_rule=plan.rule,
        dropped=dropped,
        steps=params.steps,
        gates=params.gates,
        limits=params.limits,
        version=version_of(folder),
    )
    (folder / "README.md").write_text(render_card(card), encoding="utf-8")
    return FormatResult(
        rows_in=data.rows,
        rows_out=sum(counts.values()),
        splits=counts,
        dropped=dropped,
        groups=plan.groups,
        largest_group=plan.largest,
        notes=tuple(notes),
    )


def _plan(params: FormatParams, ctx: StepContext, windows: fmt.Windows | None) -> _Plan:
    data = ctx.data()
    operator = fmt.FormatRows(ctx.seed, windows, params.group_by)
    keep_given = params.splits is None
    columns = [*operator.columns, *([GIVEN, NAMED] if keep_given else [])]
    tables = list(ctx.engine.stream(data, [operator, *([GivenSplit()] if keep_given else [])], columns))
    if not tables:
        return _Plan([], np.zeros(0, np.int64), ("train",), None, None, "The data is empty.")
    table = pa.concat_tables(tables)
    refused = table.column(fmt.REFUSED).to_pylist()
    if keep_given and any(given := given_splits(table)):
        kept = _kept_split(refused, given)
        missing = [name for name in SPLITS if name not in kept.names] if params.held_out_frac else []
        return _hold_out(params, ctx, table, kept, missing) if missing else kept
    shares = {} if params.splits is None else {n: s for n, s in params.splits.model_dump().items() if s > 0}
    if len(shares) <= 1:
        only = next(iter(shares), "train")
        return _Plan(refused, np.full(data.rows, SPLITS.index(only)), (only,), None, None, "There is one split.")
    groups = _groups(params, ctx, table)
    weight = table.column(fmt.WEIGHT).to_numpy()
    split = assign_splits(groups, weight, table.column(fmt.SPLIT_KEY).to_numpy(), shares)
    sizes = np.unique(groups, return_counts=True)[1]
    rule = (
        "Rows were split by group, so that none of a source row's descendants, of rows with the same prompt"
        + (
            f", of a row and the one it was found a copy of (Jaccard from {params.group_jaccard:g})"
            if params.group_near
            else ""
        )
        + (f", of rows with the same `{params.group_by}`" if params.group_by else "")
        + " stand in two splits; each group went to the split furthest below its share."
    )
    return _Plan(refused, split, tuple(n for n in SPLITS if n in shares), len(sizes), int(sizes.max(initial=0)), rule)


def _kept_split(refused: list[str | None], given: list[str | None]) -> _Plan:
    unknown = sorted({str(name) for name in given if name not in SPLITS})
    if unknown:
        raise ParameterError(
            f"format: some rows have a split and some have {', '.join(unknown)}",
            hint=f"Known are {', '.join(SPLITS)}; or ask for new splits.",
        )
    split = np.array([SPLITS.index(name or "") for name in given], np.int64)
    names = tuple(name for at, name in enumerate(SPLITS) if (split == at).any()) or ("train",)
    return _Plan(refused, split, names, None, None, "The split of the input was kept.")


def _hold_out(params: FormatParams, ctx: StepContext, table: pa.Table, kept: _Plan, missing: list[str]) -> _Plan:
    """The split of the input, with groups of its train in the splits that it came without."""
    share = params.held_out_frac
    train = np.flatnonzero(kept.split == SPLITS.index("train"))
    groups = _groups(params, ctx, table)
    split = kept.split.copy()
    split[train] = assign_splits(
        groups[train],
        table.column(fmt.WEIGHT).to_numpy()[train],
        table.column(fmt.SPLIT_KEY).to_numpy()[train],
        {"train": 1 - share * len(missing), **dict.fromkeys(missing, share)},
    )
    sizes = np.unique(groups[train], return_counts=True)[1]
    rule = f"{kept.rule} It came without {' and '.join(missing)}: groups of rows of its train are held out as such."
    names = tuple(name for name in SPLITS if name in (*kept.names, *missing))
    return replace(kept, split=split, names=names, groups=len(sizes), largest=int(sizes.max(initial=0)), rule=rule)


def _groups(params: FormatParams, ctx: StepContext, table: pa.Table) -> npt.NDArray[np.int64]:
    links = [same_value_links(table.column(name).to_numpy()) for name in (fmt.ROOT, fmt.SAME, fmt.NAMED)]
    if params.group_near:
        links += _near_links(ctx, TEXT, params.group_jaccard, params.group_containment)
        prompt = {Shape.INSTRUCTION: "instruction", Shape.PREFERENCE: "prompt"}.get(ctx.data().shape)
        links += _near_links(ctx, prompt, PROMPT_JACCARD, None) if prompt else []
    return union_groups(table.num_rows, links)


def _near_links(
    ctx: StepContext, on: str, jaccard: float, containment: float | None
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Links from each row that is a copy, by its column `on`, to the one it is a copy of."""
    scratch = ctx.scratch / "near"
    found = find_duplicates(
        ctx.data(), ctx.engine, jaccard=jaccard, containment=containment, on=on, scratch=scratch, cancel=ctx.cancel
    ).kept
    links = [(np.flatnonzero(found >= 0), found[found >= 0])]
    if (found >= 0).any():  # two copies of different leaders may resemble each other: look again in row order
        again = find_duplicates(
            ctx.data(), ctx.engine, jaccard=jaccard, keep="first", on=on, scratch=scratch, cancel=ctx.cancel
        ).kept
        links.append((np.flatnonzero(again >= 0), again[again >= 0]))
    return links


def _spread(ctx: StepContext, plan: _Plan, windows: fmt.Windows | None, shuffle: Shuffle) -> dict[str, int]:
    """Send the rows that stay to the shuffle and the others to the ledger; returns the latter's counts by rule."""
    dropped: dict[str, int] = {}
    start = 0
    for batch in ctx.data().batches():
        ctx.cancel.check()
        refused = plan.refused[start : start + batch.num_rows]
        split = plan.split[start : start + batch.num_rows]
        start += batch.num_rows
        stays = np.array([rule is None for rule in refused], bool)
        rows, into = batch.filter(pa.array(stays)), split[stays]
        rules = [rule for rule in refused if rule]
        lines = [ledger_lines(batch.column(ROW_ID).filter(pa.array(~stays)).to_pylist(), "drop", rules)]
        if windows is not None:
            cut = fmt.windowed(rows, windows)
            rows, into = cut.table, into[cut.parent]
            lines += [_short_tails(cut.short, windows.least), _derived(rows), _cut_up(rows)]
            rules += [fmt.SHORT_TAIL] * len(cut.short)
        ctx.writer.ledger(pa.concat_tables(lines))
        for rule in rules:
            dropped[rule] = dropped.get(rule, 0) + 1
        if rows.num_rows:
            names = pa.array([SPLITS[at] for at in into], pa.large_string())
            shuffle.add(set_column(rows, SPLIT, names), into)
    shuffle.close()
    return dropped


def _short_tails(short: list[tuple[str, int]], least: int) -> pa.Table:
    return ledger_lines([name for name, _ in short], "drop", fmt.SHORT_TAIL, [n for _, n in short], float(least))


def _cut_up(table: pa.Table) -> pa.Table:
    """What became of the documents that windows were made of."""
    made = Counter(table.column(PARENT_ID).to_pylist())
    return ledger_lines(list(made), "mark", "format.windows", [float(n) for n in made.values()])


def _derived(table: pa.Table) -> pa.Table:
    detail = [{"parent": parent} for parent in table.column(PARENT_ID).to_pylist()]
    return ledger_lines(table.column(ROW_ID).to_pylist(), "derive", "format.window", detail=detail)


def _write(params: FormatParams, ctx: StepContext, plan: _Plan, shuffle: Shuffle, folder: Path) -> dict[str, int]:
    template: fmt.Template = params.template
    empty = fmt.empty_like(ctx.data().schema, template, SPLIT)
    counts = dict.fromkeys(plan.names, 0)
    ctx.writer.write(empty)
    with Export(folder, params.files, ctx.scratch / "export") as export:
        for name in plan.names:
            export.write(name, fmt.export_table(empty, template, params.system))
            for table in shuffle.split(SPLITS.index(name)):
                ctx.cancel.check()
                ctx.writer.write(table)
                export.write(name, fmt.export_table(table, template, params.system))
                counts[name] += table.num_rows
    return counts


TOOL = Tool(
    name="format",
    version=2,
    kind="pure",
    params=FormatParams,
    run=run,
    summary="Split by group, shuffle, and write training files with a dataset card.",
    check=check,
)
