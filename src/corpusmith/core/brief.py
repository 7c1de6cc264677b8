"""The brief: a request understood, as data. Written by a planner, shown to the person, obeyed by the loop.

Nothing of the request is silently dropped: what no rule understood stands in `not_understood`, what was filled in
without being asked stands in `assumed`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.core.gates import Gate
from corpusmith.core.rows import Shape


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Deliverable(StrEnum):
    """What the person gets."""

    DATASET = "dataset"
    INDEX = "index"
    MODEL = "model"
    ENDPOINT = "endpoint"


class Request(_Frozen):
    """What the person wrote, plus sources and limits given beside it."""

    text: str
    sources: tuple[str, ...] = ()
    seed: int | None = None
    max_minutes: float | None = None
    max_cost_usd: float | None = None


class Size(_Frozen):
    """How much: at most `rows` rows and `tokens` tokens; `exact` when fewer is a failure of the request."""

    rows: int | None = Field(None, ge=1)
    tokens: int | None = Field(None, ge=1)
    exact: bool = False


class Splits(_Frozen):
    """Shares of train / validation / test; they sum to 1. By group, so that near-duplicates never straddle them."""

    train: float = Field(1.0, ge=0, le=1)
    validation: float = Field(0.0, ge=0, le=1)
    test: float = Field(0.0, ge=0, le=1)


class OutputFormat(_Frozen):
    """How rows and files look at the end."""

    files: Literal["parquet", "jsonl", "hf"] = "parquet"
    shape: Shape = Shape.TEXT
    template: Literal["text", "windows", "alpaca", "sharegpt", "messages", "preference"] = "text"
    window_tokens: int | None = Field(None, ge=8, description="window length for template 'windows'")


class DedupWish(_Frozen):
    """Whether and how strictly copies go."""

    exact: bool = True
    near: bool = True
    jaccard: float = Field(0.8, gt=0, le=1)
    containment: float | None = Field(None, gt=0, le=1, description="set when cross-posts or quotes are asked for")


class NumberRange(_Frozen):
    """Keep rows whose number at the dotted path `field` lies in [low, high]."""

    field: str
    low: float | None = None
    high: float | None = None


class LengthRange(_Frozen):
    """Keep rows whose length lies in [low, high], counted in `unit`."""

    unit: Literal["chars", "words", "tokens"] = "words"
    low: int | None = None
    high: int | None = None


class Balance(_Frozen):
    """How rows are drawn when not all are kept, or evened out after the split."""

    method: Literal["random", "stratified", "undersample", "oversample", "weighted", "token_budget", "number_slots"]
    field: str | None = Field(None, description="dotted path of the category, weight or number")
    weights: dict[str, float] = Field(default_factory=dict, description="weight per category value")
    default_weight: float = 1.0
    cap: int | None = Field(None, description="most rows per slot or category")
    keep_above: float | None = Field(None, description="number_slots: slots above this value are kept whole")


class Budgets(_Frozen):
    """Limits that fail closed. None = no limit."""

    minutes: float | None = None
    cost_usd: float | None = None
    tokens: int | None = None
    iterations: int = 24


class Brief(_Frozen):
    """The request understood. Defaults are the house's; each default that matters is repeated in `assumed`."""

    request: str
    deliverable: Deliverable = Deliverable.DATASET
    sources: tuple[str, ...] = ()
    text_field: str | None = Field(None, description="dotted path of the text, when the person named it")
    languages: tuple[str, ...] = Field((), description="ISO 639-1 codes to keep; empty = all")
    size: Size = Size()
    splits: Splits = Splits()
    output: OutputFormat = OutputFormat()
    dedup: DedupWish = DedupWish()
    remove_pii: bool = False
    pii_kinds: tuple[str, ...] = Field((), description="kinds to mask; empty = all known kinds")
    decontaminate_against: tuple[str, ...] = Field((), description="paths or names of evaluation sets")
    quality: Literal["none", "standard", "strict"] = "standard"
    lowercase: bool = False
    remove_stopwords: bool = False
    length: tuple[LengthRange, ...] = ()
    numbers: tuple[NumberRange, ...] = ()
    balance: Balance | None = None
    generate_instructions: bool = Field(False, description="make instruction pairs out of documents")
    gates: tuple[Gate, ...] = ()
    retention_floor: float = Field(0.05, ge=0, le=1, description="a step that leaves less of its input is undone")
    source_floor: float = Field(0.0, ge=0, le=1, description="a step that leaves less of any one source is undone")
    budgets: Budgets = Budgets()
    seed: int = 0
    name: str = Field("dataset", description="name the result is published under")
    not_understood: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
