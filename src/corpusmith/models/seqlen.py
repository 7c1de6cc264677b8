"""The sequence length to train at: tokens cut off against positions wasted, on the examples as they are, uncut.

For each candidate length L over n examples of t tokens in all:

    cut      tokens behind position L / t               (documents: tokens outside a document's first window)
    padding  positions that hold no token / positions   unpacked: n rows of L; packed: the rows that packing needs
    efficiency = 1 - (cut + padding)

The recommendation is the shortest length within half a point of the best efficiency: attention costs by the length.
Packed rows may be longer than the longest example, up to `PACKED`: short examples fill a longer row better.
Packing is measured on a seeded sample, the same for every candidate. For pre-training nothing is lost by cutting, a
long document becomes several windows; `cut` then is what stands apart from its beginning.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from corpusmith.models.packing import pack

CANDIDATES = (128, 256, 512, 1024, 2048, 4096, 8192)
SAMPLE = 20_000
TOLERANCE = 0.005
PACKED = 512
LEAST = 8


class LengthChoice(BaseModel):
    """One candidate."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    length: int
    cut: float = Field(description="share of tokens cut off")
    cut_examples: int = Field(description="examples that are longer")
    padding: float = Field(description="share of positions wasted, one example a row")
    padding_packed: float = Field(description="share of positions wasted, packed")
    efficiency: float
    efficiency_packed: float


class LengthAnalysis(BaseModel):
    """All candidates and the recommendation."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    examples: int
    tokens: int
    longest: int
    choices: tuple[LengthChoice, ...]
    packing: bool
    recommended: int

    def table(self) -> str:
        """The candidates as lines of text."""
        lines = ["length   cut       longer   padding   packed    efficiency  packed"]
        for c in self.choices:
            here = "  <- recommended" if c.length == self.recommended else ""
            lines.append(
                f"{c.length:6d} {c.cut:8.2%} {c.cut_examples:9d} {c.padding:9.2%} {c.padding_packed:8.2%}"
                f" {c.efficiency:12.2%} {c.efficiency_packed:9.2%}{here}"
            )
        return "\n".join(lines)


def analyse_lengths(
    lengths: Sequence[int] | npt.NDArray[np.integer], context: int | None, packing: bool, seed: int = 0
) -> LengthAnalysis:
    """Compare candidate lengths.

    Args:
        lengths: Tokens of each example before any cut, at least one.
        context: Most tokens the model takes; None = not known.
        packing: Whether the training will pack; decides which efficiency counts.
        seed: Seed of the sample that packing is measured on.
    """
    sizes = np.asarray(lengths, np.int64)
    longest = int(sizes.max())
    whole = max(LEAST, -(-longest // 8) * 8)  # takes every example
    most = max(whole, PACKED) if packing else whole
    limit = min(context or most, most)
    candidates = sorted({min(limit, whole), *(one for one in CANDIDATES if one < limit or one == limit == PACKED)})
    sample = sizes
    if sizes.size > SAMPLE:
        sample = np.random.default_rng(seed).choice(sizes, SAMPLE, replace=False)
    choices = tuple(_measure(sizes, sample, length) for length in candidates)
    score = {c.length: c.efficiency_packed if packing else c.efficiency for c in choices}
    best = max(score.values())
    return LengthAnalysis(
        examples=int(sizes.size),
        tokens=int(sizes.sum()),
        longest=longest,
        choices=choices,
        packing=packing,
        recommended=min(length for length, value in score.items() if value >= best - TOLERANCE),
    )


def _measure(sizes: npt.NDArray[np.int64], sample: npt.NDArray[np.int64], length: int) -> LengthChoice:
    kept = np.minimum(sizes, length)
    cut = 1.0 - float(kept.sum() / sizes.sum())
    padding = 1.0 - float(kept.sum() / (sizes.size * length))
    shown = np.minimum(sample, length)
    packed = 1.0 - float(shown.sum() / (len(pack(shown, length)) * length))
    return LengthChoice(
        length=length,
        cut=cut,
        cut_examples=int((sizes > length).sum()),
        padding=padding,
        padding_packed=packed,
        efficiency=1 - cut - padding,
        efficiency_packed=1 - cut - packed,
    )
