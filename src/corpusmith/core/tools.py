"""The tool contract: what the planner can call, and the context through which a tool reaches the world.

A tool is `(params, ctx) -> result`: params a frozen pydantic model with `extra="forbid"`, the result small numbers and
ids, never data. What it makes goes through `ctx.writer`. Tools are idempotent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from corpusmith.core.operators import FoldOperator, RowOperator
from corpusmith.core.rows import Shape

S = TypeVar("S")


class Effect(StrEnum):
    """What a tool does to the world beyond its own artifact. PUBLISH, DEPLOY, DELETE and spending need an approval."""

    READ_FILES = "read_files"
    READ_WEB = "read_web"
    WRITE_STORE = "write_store"
    WRITE_FILES = "write_files"
    SPEND_GPU = "spend_gpu"
    SPEND_MONEY = "spend_money"
    PUBLISH = "publish"
    DEPLOY = "deploy"
    DELETE = "delete"


class ToolParams(BaseModel):
    """Base of every tool's parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolResult(BaseModel):
    """Base of every tool's result: small numbers and ids."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(BaseModel):
    """One Parquet part of a dataset artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: str
    rows: int
    size_bytes: int


class Dataset(Protocol):
    """A stored dataset, to read."""

    @property
    def id(self) -> str:
        """Artifact id."""
        ...

    @property
    def rows(self) -> int:
        """Number of rows."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of every part."""
        ...

    @property
    def shape(self) -> Shape:
        """What one row is."""
        ...

    @property
    def size_bytes(self) -> int:
        """Bytes of all parts as stored."""
        ...

    def batches(self, columns: Sequence[str] | None = None, rows: int = 1024) -> Iterator[pa.Table]:
        """The rows in order, as tables of at most `rows` rows."""
        ...

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All rows at once: only for few columns or small data."""
        ...

    def file(self, name: str) -> Path:
        """A side file of the artifact (`report.json`, `signals.parquet`).

        Raises:
            NotFoundError: The artifact has no such file.
        """
        ...


class Writer(Protocol):
    """Where a step's result goes. Nothing is visible to others until the runner writes the record."""

    def write(self, table: pa.Table) -> None:
        """Append rows in order. Marks are turned into ledger lines and stripped; marked rows are not written."""
        ...

    def ledger(self, lines: pa.Table) -> None:
        """Append lines (`core.rows.LEDGER_SCHEMA`) to the row ledger."""
        ...

    def path(self, name: str) -> Path:
        """A path to write the side file or folder `name` at."""
        ...

    def counts(self) -> dict[str, Any]:
        """So far: `rows_out` and, by rule, `dropped`, `changed`, `derived` and `marked`."""
        ...


@dataclass(frozen=True)
class Decided:
    """What to do with every row of a dataset, in row order: n booleans and, for the dropped, the evidence.

    `value` NaN and `kept` None where there is none. Rows kept may be repeated or reordered only by `format`/`sample`
    through their own writes, never by this.
    """

    keep: npt.NDArray[np.bool_]
    rule: Sequence[str | None] | str
    value: npt.NDArray[np.float64] | None = None
    threshold: float | None = None
    kept: Sequence[str | None] | None = None


class Engine(Protocol):
    """Runs operators over datasets, with bounded memory, in row order."""

    def map_rows(self, data: Dataset, operators: Sequence[RowOperator], writer: Writer) -> None:
        """Run the operators, batch by batch, drop what they mark, write the rest and the ledger lines."""
        ...

    def stream(self, data: Dataset, operators: Sequence[RowOperator], columns: Sequence[str]) -> Iterator[pa.Table]:
        """Run the operators and hand back only `columns`, in row order: for small columns the driver needs."""
        ...

    def fold(self, data: Dataset, operators: Sequence[RowOperator], fold: FoldOperator[S]) -> S:
        """Run the operators and fold their result to one state, merged in row order."""
        ...

    def select(self, data: Dataset, decided: Decided, writer: Writer) -> None:
        """Write the rows that `decided` keeps, in order, and ledger lines for the others."""
        ...


class Cancel(Protocol):
    """Tells long work to stop at the next safe point."""

    def check(self) -> None:
        """Raise `Cancelled` when a stop was asked for or a deadline passed `BudgetExceeded`."""
        ...


class Budget(Protocol):
    """Accounts of a run, for a tool that spends: asked before, charged as it happens."""

    def left(self, account: str) -> float:
        """What may still be spent; `inf` without a limit."""
        ...

    def reserve(self, account: str, amount: float, reason: str) -> None:
        """Raise `BudgetExceeded` when `amount` more does not fit."""
        ...

    def debit(self, account: str, amount: float, reason: str) -> None:
        """Record what was spent; below zero, what was given back."""
        ...


@dataclass(frozen=True)
class StepContext:
    """The only way a tool reaches the world; filled by the runner. `budget` is None outside a run.

    `may_act` is False where nobody was asked for an approval, since nothing was left to do (`Tool.settled`).
    """

    inputs: Mapping[str, Dataset]
    writer: Writer
    engine: Engine
    seed: int
    emit: Callable[[str], None]
    cancel: Cancel
    scratch: Path
    services: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget | None = None
    may_act: bool = True

    def data(self) -> Dataset:
        """The input in the role `data`."""
        return self.inputs["data"]


P = TypeVar("P", bound=ToolParams)
ToolKind = Literal["pure", "observe", "effect"]


@dataclass(frozen=True)
class Tool(Generic[P]):
    """A typed verb, declared once.

    Attributes:
        name: The verb.
        version: Bump = results are computed anew.
        kind: `pure` (cached by identity), `observe` (identity includes `snapshot`), `effect` (never cached).
        params: Parameter model; its schema and docstrings are what the planner reads.
        run: `(params, ctx) -> ToolResult`.
        inputs: Roles of input artifacts it needs; a role ending in `?` is optional, in `*` may repeat (`evals*`
            arrives as `evals.0`, `evals.1`, ...).
        effects: What it does to the world.
        makes: Artifact kind of its result.
        check: Raises ParameterError or PreconditionError before anything is written.
        snapshot: For `observe`: what the world looks like now, as plain data.
        spends: Effects that this very call has beside the declared ones, by params, inputs and services (a machine
            that is paid by the hour); None = none.
        settled: For `effect`: whether the world is already as this very call wants it, by params, inputs and services:
            nobody is asked for an approval then, and the tool may not act. None = never.
        repair: For a step that was done before, by params, artifact and services: a call that puts right what the
            world has lost of it since (an alias on a server), or None where nothing is lost. It is approved like the
            step.
    """

    name: str
    version: int
    kind: ToolKind
    params: type[P]
    run: Callable[[P, StepContext], ToolResult]
    summary: str
    inputs: tuple[str, ...] = ("data",)
    effects: frozenset[Effect] = frozenset({Effect.WRITE_STORE})
    makes: Literal["dataset", "report", "index", "model", "endpoint"] = "dataset"
    check: Callable[[P, Mapping[str, Dataset]], None] | None = None
    snapshot: Callable[[P, Mapping[str, Any]], dict[str, Any]] | None = None
    spends: Callable[[P, Mapping[str, Dataset], Mapping[str, Any]], frozenset[Effect]] | None = None
    settled: Callable[[P, Mapping[str, Dataset], Mapping[str, Any]], bool] | None = None
    repair: Callable[[P, Dataset, Mapping[str, Any]], Callable[[], None] | None] | None = None
