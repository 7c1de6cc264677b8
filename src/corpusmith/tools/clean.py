"""The `clean` tool: repair text, take personal data out, drop rows that break quality rules (`ops.repair`,
`ops.markup`, `ops.boilerplate`, `ops.pii`, `ops.quality`, `ops.language`).

Everything is off unless asked for. Repairs run first, so that filters judge the text as it will be; what a person asks
for against the usual rules (lower case, stop words) runs after the filters, because it would blind them.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from corpusmith.core.brief import LengthRange, NumberRange
from corpusmith.core.errors import ParameterError
from corpusmith.core.operators import RowOperator
from corpusmith.core.tools import Dataset, StepContext, Tool, ToolParams, ToolResult
from corpusmith.ops.boilerplate import MIN_ROWS, MIN_SHARE, Boilerplate, StripBoilerplate, find_boilerplate
from corpusmith.ops.language import LanguageFilter
from corpusmith.ops.markup import StripHtml
from corpusmith.ops.pii import MaskPii, check_kinds
from corpusmith.ops.quality import EmptyFilter, LengthFilter, NumberFilter, TruncatedFilter
from corpusmith.ops.repair import (
    DamageFilter,
    Lowercase,
    NormalizePunctuation,
    NormalizeSpace,
    RemoveStopwords,
    RepairUnicode,
    StripControls,
)
from corpusmith.ops.stopwords import check_languages
from corpusmith.tools.clean_thresholds import quality_filters


class CleanParams(ToolParams):
    """What to repair and what to drop. Off, empty or None means: do not."""

    unicode: bool = Field(False, description="undo mojibake, lost and invisible characters; bring to NFC")
    controls: bool = Field(False, description="take out control characters and terminal escapes")
    html: bool = Field(False, description="turn HTML remains into text; code samples stay")
    boilerplate: bool = Field(False, description="take out lines that repeat across a source")
    boilerplate_min_rows: int = Field(MIN_ROWS, ge=2, description="rows of a source that must have such a line")
    boilerplate_min_share: float = Field(MIN_SHARE, gt=0, le=1, description="share of its rows that must have it")
    whitespace: bool = Field(False, description="even out spaces and blank lines; paragraphs, code and tables stay")
    repeated_punctuation: bool = Field(False, description="cut runs of the same mark down to one (dots to three)")
    pii: bool = Field(False, description="replace personal data by typed placeholders, in text and meta")
    pii_kinds: tuple[str, ...] = Field((), description="kinds to replace; empty = all known")
    lowercase: bool = Field(False, description="lower the case of every letter")
    stopwords: tuple[str, ...] = Field((), description="ISO 639-1 codes of the languages whose stop words go")
    languages: tuple[str, ...] = Field((), description="ISO 639-1 codes of the languages to keep; empty = all")
    lengths: tuple[LengthRange, ...] = Field((), description="ranges of length to keep")
    numbers: tuple[NumberRange, ...] = Field((), description="ranges of numbers in meta to keep")
    gopher_quality: bool = Field(False, description="drop what breaks Gopher's quality rules")
    gopher_repetition: bool = Field(False, description="drop what breaks Gopher's repetition rules")
    c4: bool = Field(False, description="drop what breaks C4's page rules")
    fineweb: bool = Field(False, description="drop what breaks FineWeb's own rules")
    thresholds: dict[str, float | None] = Field(
        default_factory=dict, description="threshold by rule name, bare or `family.rule`; None leaves the rule out"
    )
    drop_empty: bool = Field(False, description="drop rows without text")
    drop_truncated: bool = Field(False, description="drop rows cut off in the middle")
    drop_damaged: bool = Field(False, description="drop rows whose encoding damage no repair undoes")


class CleanResult(ToolResult):
    """Rows in and out, and how many rows each rule dropped or changed."""

    rows_in: int
    rows_out: int
    boilerplate_lines: int = Field(0, description="different lines found to be boilerplate")
    dropped: dict[str, int] = Field(default_factory=dict, description="rows by rule")
    changed: dict[str, int] = Field(default_factory=dict, description="rows by rule")


def check(params: CleanParams, _inputs: Mapping[str, Dataset]) -> None:
    """Refuse parameters that ask for nothing or name what does not exist.

    Raises:
        ParameterError: They do.
    """
    if params.stopwords:
        check_languages(params.stopwords)
    if params.pii_kinds and not params.pii:
        raise ParameterError("clean: pii_kinds without pii", hint="Set pii to true as well.")
    check_kinds(params.pii_kinds)
    if not (
        params.boilerplate or _first_repairs(params) or _later_repairs(params) or _filters(params) or _last(params)
    ):
        raise ParameterError("clean: nothing to do", hint="Turn on a repair or a filter, for example unicode=true.")


def _first_repairs(params: CleanParams) -> list[RowOperator]:
    """Repairs that must come before lines are compared across rows."""
    asked: list[tuple[bool, RowOperator]] = [
        (params.unicode, RepairUnicode()),
        (params.controls, StripControls()),
        (params.html, StripHtml()),
    ]
    return [operator for on, operator in asked if on]


def _later_repairs(params: CleanParams) -> list[RowOperator]:
    asked: list[tuple[bool, RowOperator]] = [
        (params.whitespace, NormalizeSpace()),
        (params.repeated_punctuation, NormalizePunctuation()),
        (params.pii, MaskPii(params.pii_kinds)),
    ]
    return [operator for on, operator in asked if on]


def _filters(params: CleanParams) -> list[RowOperator]:
    """Filters, the surest and cheapest first: a dropped row shows the first rule it broke."""
    chosen: list[RowOperator] = [EmptyFilter()] if params.drop_empty else []
    chosen += [DamageFilter()] if params.drop_damaged else []
    chosen += [NumberFilter(wish.field, wish.low, wish.high) for wish in params.numbers]
    chosen += [LengthFilter(wish.unit, wish.low, wish.high) for wish in params.lengths]
    chosen += [LanguageFilter(params.languages)] if params.languages else []
    chosen += quality_filters(
        gopher_quality=params.gopher_quality,
        gopher_repetition=params.gopher_repetition,
        c4=params.c4,
        fineweb=params.fineweb,
        thresholds=params.thresholds,
    )
    return [*chosen, *([TruncatedFilter()] if params.drop_truncated else [])]


def _last(params: CleanParams) -> list[RowOperator]:
    """What would blind the filters, and the empty rows it leaves."""
    chosen: list[RowOperator] = [RemoveStopwords(params.stopwords)] if params.stopwords else []
    chosen += [Lowercase()] if params.lowercase else []
    return [*chosen, *([EmptyFilter()] if params.stopwords and params.drop_empty else [])]


def run(params: CleanParams, ctx: StepContext) -> CleanResult:
    """Repair, filter, and write the rows that are left."""
    data, first = ctx.data(), _first_repairs(params)
    lines = Boilerplate()
    if params.boilerplate:
        lines = find_boilerplate(data, ctx.engine, params.boilerplate_min_rows, params.boilerplate_min_share, first)
        ctx.emit(f"{len(lines.forms)} different boilerplate lines")
        ctx.cancel.check()
        first.append(StripBoilerplate(lines))
    operators = [*first, *_later_repairs(params), *_filters(params), *_last(params)]
    ctx.engine.map_rows(data, operators, ctx.writer)
    counts = ctx.writer.counts()
    return CleanResult(
        rows_in=data.rows,
        rows_out=counts["rows_out"],
        boilerplate_lines=len(lines.forms),
        dropped=counts["dropped"],
        changed=counts["changed"],
    )


TOOL = Tool(
    name="clean",
    version=3,
    kind="pure",
    params=CleanParams,
    run=run,
    summary="Repair text (encodings, HTML, boilerplate, white space), mask personal data, drop rows by quality rules.",
    check=check,
)
