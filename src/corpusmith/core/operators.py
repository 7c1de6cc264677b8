"""What data sees: operators, pure functions from Arrow to Arrow, of two kinds. An engine runs exactly these.

    row    a batch in, the same rows in the same order out, with columns added, replaced or marked (core.rows)
    fold   an associative state over batches

Operators are frozen dataclasses: picklable (they travel to worker processes), with no state between batches.
"""

from __future__ import annotations

from typing import Protocol, TypeVar, runtime_checkable

import pyarrow as pa

S = TypeVar("S")


@runtime_checkable
class RowOperator(Protocol):
    """Row kind. Must return exactly the rows it was given, in order; it drops by marking (`core.rows.mark`)."""

    @property
    def name(self) -> str:
        """Short name for progress and errors."""
        ...

    def apply(self, batch: pa.Table) -> pa.Table:
        """The batch with columns added, replaced or marked."""
        ...


class FoldOperator(Protocol[S]):
    """Fold kind. `merge` must be associative, and `merge(initial(), s) == s`; the engine merges in row order."""

    @property
    def name(self) -> str:
        """Short name for progress and errors."""
        ...

    def initial(self) -> S:
        """The state of no rows."""
        ...

    def fold(self, batch: pa.Table) -> S:
        """The state of one batch."""
        ...

    def merge(self, left: S, right: S) -> S:
        """The state of `left`'s rows followed by `right`'s."""
        ...
