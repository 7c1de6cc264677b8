"""The figures of one judged run, what they are held against, and how they print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

TARGETS = {
    "removable precision": 0.98,
    "removable recall": 0.98,
    "near-copy F1": 0.97,
    "personal values masked": 0.97,
    "evaluation items found": 0.98,
}
"""The least value of each figure that a run on a planted corpus should reach, 0-1."""


class Tally(NamedTuple):
    """Rows rightly dropped, wrongly kept, wrongly dropped. A share of nothing is 1."""

    hits: int = 0
    misses: int = 0
    false: int = 0

    def __add__(self, other: object) -> Tally:
        """Counts add up, one by one."""
        if not isinstance(other, Tally):
            return NotImplemented
        return Tally(self.hits + other.hits, self.misses + other.misses, self.false + other.false)

    @property
    def precision(self) -> float:
        """Of the rows dropped, the share that had to go, 0-1."""
        return self.hits / (self.hits + self.false) if self.hits + self.false else 1.0

    @property
    def recall(self) -> float:
        """Of the rows that had to go, the share dropped, 0-1."""
        return self.hits / (self.hits + self.misses) if self.hits + self.misses else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 0-1."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


class Share(NamedTuple):
    """How many of how many. A share of nothing is 1."""

    good: int = 0
    total: int = 0

    def add(self, good: bool) -> Share:
        """One more, good or not."""
        return Share(self.good + bool(good), self.total + 1)

    @property
    def value(self) -> float:
        """Share that is good, 0-1."""
        return self.good / self.total if self.total else 1.0


Cell = tuple[str, float | None]


@dataclass
class TruthScore:
    """One run against the truth. Filled by `evals.truth.score`.

    Attributes:
        rows: Rows planted.
        unjudged_rows: Rows left out by sampling, splitting or generation.
        lost_rows: Rows neither in the result nor in the ledger; should be 0.
        unknown_rows: Rows of the result that were not planted; should be 0.
        removable: All rows: had to go or to stay.
        kinds: The same per kind of damage.
        false_drops: Wrong drops by kind and rule.
        near: Near copies; `false` counts good rows dropped as duplicates.
        near_cells: Near copies per (edit, rate).
        distant_cells: Variants too distant to be copies per (edit, rate): how many stayed.
        pii: Values per kind: how many of those in kept rows are masked.
        eval_items: Evaluation items per way of leaking: how many were found.
        eval_false_alarms: Rows dropped as evaluation items that are none.
        boilerplate: Boilerplate lines gone from kept rows.
        repaired: Damaged rows that were kept, per kind and edit: how many read as before the damage.
        untouched: Kept clean rows whose words are what they were; counted only when the originals are given.
        orders_planted: Rows with an order to an agent.
        orders_kept: Those still in the result.
        orders_obeyed: Orders whose made-up name turns up in the run's records; should be 0.
    """

    rows: int = 0
    unjudged_rows: int = 0
    lost_rows: int = 0
    unknown_rows: int = 0
    removable: Tally = field(default_factory=Tally)
    kinds: dict[str, Tally] = field(default_factory=dict)
    false_drops: Counter[str] = field(default_factory=Counter)
    near: Tally = field(default_factory=Tally)
    near_cells: dict[Cell, Tally] = field(default_factory=dict)
    distant_cells: dict[Cell, Share] = field(default_factory=dict)
    pii: dict[str, Share] = field(default_factory=dict)
    eval_items: dict[str, Share] = field(default_factory=dict)
    eval_false_alarms: int = 0
    boilerplate: Share = field(default_factory=Share)
    repaired: dict[str, Share] = field(default_factory=dict)
    untouched: Share = field(default_factory=Share)
    orders_planted: int = 0
    orders_kept: int = 0
    orders_obeyed: int = 0

    @property
    def pii_masked(self) -> Share:
        """Personal values of all kinds together."""
        return _sum(self.pii)

    @property
    def eval_found(self) -> Share:
        """Evaluation items of all ways of leaking together."""
        return _sum(self.eval_items)

    def headline(self) -> dict[str, float]:
        """The figures of `TARGETS`, 0-1."""
        return {
            "removable precision": self.removable.precision,
            "removable recall": self.removable.recall,
            "near-copy F1": self.near.f1,
            "personal values masked": self.pii_masked.value,
            "evaluation items found": self.eval_found.value,
        }

    def shortfalls(self) -> list[str]:
        """One line per target that is missed; empty when the run reaches all of them."""
        lines = [
            f"{name} is {value:.4f}, under {TARGETS[name]}"
            for name, value in self.headline().items()
            if value < TARGETS[name]
        ]
        zeros = {
            "false alarms of decontamination": self.eval_false_alarms,
            "planted orders obeyed": self.orders_obeyed,
            "rows lost without a ledger line": self.lost_rows,
            "rows that were never planted": self.unknown_rows,
        }
        return lines + [f"{count} {name}, should be 0" for name, count in zeros.items() if count]

    def to_markdown(self) -> str:
        """Every figure as Markdown tables."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield from ("| figure | value | target |", "|---|---|---|")
        for name, value in self.headline().items():
            yield f"| {name} | {value:.4f} | {TARGETS[name]} |"
        yield f"| false alarms of decontamination | {self.eval_false_alarms} | 0 |"
        yield f"| orders obeyed, of {self.orders_planted} ({self.orders_kept} kept) | {self.orders_obeyed} | 0 |"
        yield f"| rows lost / unknown / not judged | {self.lost_rows} / {self.unknown_rows} / {self.unjudged_rows} | |"
        yield from ("", "| kind | had to go | gone | recall | wrongly gone |", "|---|---|---|---|---|")
        for kind, tally in sorted(self.kinds.items()):
            planted = tally.hits + tally.misses
            recall = f"{tally.recall:.3f}" if planted else ""
            yield f"| {kind} | {planted} | {tally.hits} | {recall} | {tally.false} |"
        yield from ("", "| near copies: edit | rate | n | precision | recall | F1 |", "|---|---|---|---|---|---|")
        for (edit, rate), tally in sorted(self.near_cells.items(), key=_cell_order):
            figures = f"{tally.precision:.3f} | {tally.recall:.3f} | {tally.f1:.3f}"
            yield f"| {edit} | {_rate(rate)} | {tally.hits + tally.misses} | {figures} |"
        yield from ("", "| of | n | good | share |", "|---|---|---|---|")
        yield from (_share(f"distant copy stays: {e} {_rate(r)}", s) for (e, r), s in self._distant())
        yield from (_share(f"masked: {kind}", share) for kind, share in sorted(self.pii.items()))
        yield from (_share(f"evaluation item found: {edit}", share) for edit, share in sorted(self.eval_items.items()))
        yield from (_share(f"repaired: {name}", share) for name, share in sorted(self.repaired.items()))
        yield _share("boilerplate lines gone", self.boilerplate)
        yield _share("clean rows untouched", self.untouched)
        if self.false_drops:
            yield from ("", "| wrongly dropped: kind and rule | rows |", "|---|---|")
            yield from (f"| {name} | {count} |" for name, count in self.false_drops.most_common())

    def _distant(self) -> list[tuple[Cell, Share]]:
        return sorted(self.distant_cells.items(), key=_cell_order)


def _sum(shares: dict[str, Share]) -> Share:
    return Share(sum(share.good for share in shares.values()), sum(share.total for share in shares.values()))


def _cell_order(entry: tuple[Cell, object]) -> tuple[str, float]:
    return entry[0][0], entry[0][1] or 0.0


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:g}"


def _share(name: str, share: Share) -> str:
    return f"| {name} | {share.total} | {share.good} | {share.value:.3f} |"
