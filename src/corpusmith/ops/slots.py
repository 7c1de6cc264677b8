"""Even out a number: rows fall into slots of equal width, full slots are thinned, sparse ones kept whole.

The case this was made for is price prediction from product texts, where cheap goods and one category crowd out the
rest: prices from 0.50 to 999.49, one slot per dollar, slots above 240 kept whole, at most 1,200 rows of every other,
the over-represented category at weight 1 and the rest at 5. A slot is the number rounded **half up** and at least 1;
rounding half to even would put 0.50 into a slot 0 that no one looks at, and 2.50 beside 1.50.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from corpusmith.ops.sampling import Bools, Floats, Keys, weighted

NO_NUMBER, OUT_OF_RANGE, NOT_DRAWN = "sample.no_number", "sample.out_of_range", "sample.number_slots"


@dataclass(frozen=True)
class Slots:
    """How numbers are slotted and slots thinned.

    Attributes:
        low: Smallest number kept, itself included.
        high: Largest number kept, itself included.
        width: Width of a slot, in the number's own unit.
        keep_above: Slots above this number (slot times width) are kept whole.
        cap: Most rows of any other slot.
    """

    low: float = 0.50
    high: float = 999.49
    width: float = 1.0
    keep_above: float = 240.0
    cap: int = 1200

    def slot(self, numbers: Floats) -> npt.NDArray[np.int64]:
        """The slot of each (finite) number: rounded half up in units of `width`, at least 1."""
        return np.maximum(1, np.floor(numbers / self.width + 0.5)).astype(np.int64)


@dataclass(frozen=True)
class Slotted:
    """The draw over n rows; `rule` is None for rows kept, `value` the row's number."""

    keep: Bools
    rule: list[str | None]
    value: Floats
    slots: int


def draw_slots(numbers: Floats, weights: Floats, keys: Keys, slots: Slots) -> Slotted:
    """Thin the slots by weighted draws without replacement (`sampling.weighted`), each slot on its own.

    Args:
        numbers: n numbers, NaN where a row has none.
        weights: n weights of at least 0.
        keys: n hashes.
        slots: The rule.
    """
    count = len(numbers)
    missing = np.isnan(numbers)
    outside = ~missing & ~((numbers >= slots.low) & (numbers <= slots.high))
    inside = np.flatnonzero(~missing & ~outside)
    slot = slots.slot(numbers[inside])
    priority = weighted(keys[inside], weights[inside])
    order = np.lexsort((keys[inside], priority, slot))
    ordered = slot[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, np.int64)
    place = np.arange(len(ordered)) - np.repeat(first, np.diff(np.r_[first, len(ordered)]))
    whole = ordered * slots.width > slots.keep_above
    stays = whole | ((place < slots.cap) & np.isfinite(priority[order]))
    keep = np.zeros(count, bool)
    keep[inside[order[stays]]] = True
    rule = np.full(count, NOT_DRAWN, object)
    rule[missing], rule[outside], rule[keep] = NO_NUMBER, OUT_OF_RANGE, None
    return Slotted(keep, rule.tolist(), numbers, len(first))
