"""The `sample` tool: draw rows, thin or even out categories, keep to a token budget.

Every draw is an order over hashes of (seed, row id) (`ops.sampling`), so the same rows come out whatever the parts,
the engine and the number of workers, and no global random state is touched. Each row that was not drawn stands in the
ledger with its priority and the cut-off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.core.tools import Dataset, Decided, StepContext, Tool, ToolParams, ToolResult
from corpusmith.ops import sampling as draw
from corpusmith.ops import sampling_balance as balance
from corpusmith.ops.ledger_lines import ledger_lines
from corpusmith.ops.sampling_fields import CATEGORY, KEY, NUMBER, TOKENS, SampleFields, uniform
from corpusmith.ops.slots import Slots, draw_slots

Method = Literal[
    "random",
    "stratified",
    "equal",
    "weighted",
    "token_budget",
    "number_slots",
    "undersample",
    "oversample",
    "cap_median",
]
BALANCING = ("undersample", "oversample", "cap_median")
SPLIT = "split"


class SampleParams(ToolParams):
    """Which rows to draw."""

    method: Method = Field(
        "random",
        description="random; stratified (categories in proportion); equal (categories alike); weighted (without "
        "replacement); token_budget; number_slots; undersample, oversample, cap_median (within train, after the split)",
    )
    rows: int | None = Field(None, ge=0, description="most rows to draw")
    share: float | None = Field(None, ge=0, le=1, description="random only: share of rows, each drawn on its own")
    tokens: int | None = Field(None, ge=0, description="most tokens (words and punctuation marks) to draw")
    field: str | None = Field(None, description="dotted path of the category, or of the number for number_slots")
    weights: dict[str, float] = Field(default_factory=dict, description="weight per category; at least 0")
    default_weight: float = Field(1.0, ge=0, description="weight of a category not named in `weights`")
    weight_field: str | None = Field(
        None, description="weighted: dotted path of a weight per row, instead of `weights`"
    )
    alpha: float | None = Field(None, ge=0, le=1, description="weighted: draw categories as size^alpha; 0 = all alike")
    cap: int | None = Field(None, ge=0, description="most rows per category, or per slot (number_slots: 1200)")
    category_field: str = Field("category", description="number_slots: dotted path of the category `weights` names")
    low: float = Field(0.50, description="number_slots: smallest number kept")
    high: float = Field(999.49, description="number_slots: largest number kept")
    slot_width: float = Field(1.0, gt=0, description="number_slots: width of a slot, in the number's unit")
    keep_above: float | None = Field(None, description="number_slots: slots above this are kept whole (240)")
    max_copies: int | None = Field(None, ge=1, description="oversample: most copies of one row")


class SampleResult(ToolResult):
    """What was drawn."""

    rows_in: int
    rows_out: int
    dropped: dict[str, int] = Field(description="rows not drawn, by rule")
    copies: int = 0
    tokens_in: int | None = None
    tokens_out: int | None = None
    categories: int | None = None
    slots: int | None = None
    target: int | None = Field(None, description="rows per category that was aimed at")


def check(params: SampleParams, inputs: Mapping[str, Dataset]) -> None:
    """Refuse what cannot be drawn, before anything is written.

    Raises:
        ParameterError: A parameter the method needs is missing or a weight is negative.
        PreconditionError: Balancing of a dataset that is not split yet.
    """
    method = params.method
    if any(not weight >= 0 for weight in params.weights.values()):
        raise ParameterError(f"sample: a weight is negative or not a number: {params.weights}")
    needs_field = {"stratified", "equal", "number_slots", *BALANCING}
    if method in needs_field and not params.field:
        raise ParameterError(
            f"sample: method {method} needs `field`", hint="Name the field, e.g. meta path 'category'."
        )
    if method == "weighted" and not (params.field or params.weight_field):
        raise ParameterError("sample: method weighted needs `field` (with `weights` or `alpha`) or `weight_field`")
    if method == "token_budget" and params.tokens is None:
        raise ParameterError("sample: method token_budget needs `tokens`")
    limits: list[float | None] = [params.rows, params.tokens]
    limits += {"random": [params.share], "weighted": []}.get(method, [params.cap])
    if method in ("random", "stratified", "equal", "weighted") and all(limit is None for limit in limits):
        raise ParameterError(f"sample: method {method} needs a limit", hint="Give `rows` or `tokens`.")
    if method in BALANCING and SPLIT not in inputs["data"].schema.names:
        raise PreconditionError(
            f"sample: {method} runs only on data that is already split",
            hint="Run `format` first: copies made before the split would leak into validation and test.",
        )


@dataclass(frozen=True)
class _Rows:
    """The small columns of all rows, in order."""

    keys: draw.Keys
    categories: list[str] | None
    numbers: draw.Floats | None
    tokens: draw.Codes | None

    @property
    def codes(self) -> draw.Codes:
        return draw.encode(self.categories or [])[1]


def run(params: SampleParams, ctx: StepContext) -> SampleResult:
    """Draw rows; see `SampleParams.method`."""
    data = ctx.data()
    if params.method in BALANCING:
        return _balance(params, ctx)
    number = {"number_slots": params.field, "weighted": params.weight_field}.get(params.method)
    rows = _collect(ctx, _category_path(params), number, params.tokens is not None)
    decided, slots = _decide(params, rows)
    ctx.cancel.check()
    ctx.engine.select(data, decided, ctx.writer)
    gone: dict[str, int] = {}
    for rule in [decided.rule] * data.rows if isinstance(decided.rule, str) else decided.rule:
        if rule:
            gone[rule] = gone.get(rule, 0) + 1
    kept = int(decided.keep.sum())
    if isinstance(decided.rule, str):
        gone = {decided.rule: data.rows - kept} if kept < data.rows else {}
    return SampleResult(
        rows_in=data.rows,
        rows_out=kept,
        dropped=gone,
        tokens_in=None if rows.tokens is None else int(rows.tokens.sum()),
        tokens_out=None if rows.tokens is None else int(rows.tokens[decided.keep].sum()),
        categories=None if rows.categories is None else len(set(rows.categories)),
        slots=slots,
    )


def _category_path(params: SampleParams) -> str | None:
    if params.method == "number_slots":
        return params.category_field if params.weights else None
    if params.method in ("random", "token_budget") or params.weight_field:
        return None
    return params.field


def _collect(ctx: StepContext, category: str | None, number: str | None, tokens: bool, salt: str = "sample") -> _Rows:
    operator = SampleFields(ctx.seed, salt, category, number, tokens)
    tables = list(ctx.engine.stream(ctx.data(), [operator], operator.columns))
    table = pa.concat_tables(tables) if tables else pa.table({name: [] for name in operator.columns})

    return _Rows(
        table.column(KEY).to_numpy().astype(np.uint64),
        table.column(CATEGORY).to_pylist() if category else None,
        table.column(NUMBER).to_numpy().astype(np.float64) if number else None,
        table.column(TOKENS).to_numpy().astype(np.int64) if tokens else None,
    )


def _decide(params: SampleParams, rows: _Rows) -> tuple[Decided, int | None]:
    if params.method == "number_slots":
        return _decide_slots(params, rows)
    rule = f"sample.{params.method}"
    priority = _priority(params, rows)
    possible = np.isfinite(priority)
    if params.share is not None and params.method == "random":
        possible &= priority < params.share
    if params.cap is not None and rows.categories is not None and params.method in ("stratified", "equal"):
        possible &= draw.ranks(rows.keys, rows.codes) < params.cap
    limit = np.where(possible, priority, np.inf)
    drawn = draw.cut(limit, rows.keys, params.rows, rows.tokens, params.tokens or 0)
    finite = np.where(np.isfinite(priority), priority, np.nan)
    threshold = drawn.threshold if np.isfinite(drawn.threshold) else None
    rules: list[str | None] | str = rule
    if rows.tokens is not None and (over := ~drawn.keep & (rows.tokens > (params.tokens or 0))).any():
        rules = [
            None if keep else "sample.over_budget" if big else rule for keep, big in zip(drawn.keep, over, strict=True)
        ]
    return Decided(drawn.keep, rules, finite, threshold), None


def _priority(params: SampleParams, rows: _Rows) -> draw.Floats:
    if params.method == "stratified":
        return draw.stratified(rows.keys, rows.codes)
    if params.method == "equal":
        return draw.equal(rows.keys, rows.codes)
    if params.method == "weighted":
        if rows.numbers is not None:
            return draw.weighted(rows.keys, np.nan_to_num(rows.numbers, nan=0.0))
        each = draw.category_weights(rows.categories or [], params.weights, params.default_weight, params.alpha)
        return draw.weighted(rows.keys, each)
    return uniform(rows.keys)


def _decide_slots(params: SampleParams, rows: _Rows) -> tuple[Decided, int]:
    numbers = np.zeros(0) if rows.numbers is None else rows.numbers
    weights = np.ones(len(numbers))
    if rows.categories is not None:
        weights = draw.category_weights(rows.categories, params.weights, params.default_weight)
    slots = Slots(
        low=params.low,
        high=params.high,
        width=params.slot_width,
        keep_above=240.0 if params.keep_above is None else params.keep_above,
        cap=1200 if params.cap is None else params.cap,
    )
    slotted = draw_slots(numbers, weights, rows.keys, slots)
    keep, rule = slotted.keep, slotted.rule
    if params.rows is not None or rows.tokens is not None:
        order = np.where(keep, uniform(rows.keys), np.inf)
        later = draw.cut(order, rows.keys, params.rows, rows.tokens, params.tokens or 0)
        rule = [
            "sample.random" if was and not now else why for was, now, why in zip(keep, later.keep, rule, strict=True)
        ]
        keep = later.keep
    return Decided(keep, rule, slotted.value), slotted.slots


def _balance(params: SampleParams, ctx: StepContext) -> SampleResult:
    method = params.method
    if method not in ("undersample", "oversample", "cap_median"):  # pragma: no cover - run() sends no other
        raise ParameterError(f"sample: {method} is no balancing method")
    data = ctx.data()
    rows = _collect(ctx, params.field, None, False)
    codes = rows.codes
    split = [name for table in data.batches([SPLIT], rows=65536) for name in table.column(SPLIT).to_pylist()]
    within = np.array([name == "train" for name in split], bool)
    sizes = np.unique(codes[within], return_counts=True)[1]
    target = balance.target_size(sizes, method) if params.cap is None else params.cap
    if method != "oversample":
        keep = balance.thin(rows.keys, codes, within, target)
        value = draw.ranks(rows.keys, np.where(within, codes, -1) + 1).astype(np.float64)
        ctx.engine.select(data, Decided(keep, f"sample.{method}", value, float(target)), ctx.writer)
        gone = int((~keep).sum())
        dropped = {f"sample.{method}": gone} if gone else {}
        return SampleResult(
            rows_in=data.rows, rows_out=data.rows - gone, dropped=dropped, categories=len(sizes), target=target
        )
    counts = balance.copies(rows.keys, codes, within, target, params.max_copies)
    start = made = 0
    for batch in data.batches():
        ctx.cancel.check()
        table, ids = balance.with_copies(batch, counts[start : start + batch.num_rows])
        ctx.writer.write(table)
        ctx.writer.ledger(ledger_lines(ids, "derive", "sample.oversample", threshold=float(target)))
        start, made = start + batch.num_rows, made + len(ids)
    return SampleResult(
        rows_in=data.rows, rows_out=data.rows + made, dropped={}, copies=made, categories=len(sizes), target=target
    )


TOOL = Tool(
    name="sample",
    version=1,
    kind="pure",
    params=SampleParams,
    run=run,
    summary="Draw rows: at random, by category, by weight, to a token budget, by number slots; even out train.",
    check=check,
)
