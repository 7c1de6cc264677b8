"""Replay: rows of general data mixed into a training, against forgetting what the base could do."""

from __future__ import annotations

import numpy as np


def draw_rows(available: int, wanted: int, seed: int) -> list[int]:
    """Which rows to replay: `wanted` of `available` without repeats, in row order; all when there are fewer."""
    if wanted >= available:
        return list(range(available))
    return sorted(np.random.default_rng([seed, 0x5EED]).choice(available, wanted, replace=False).tolist())
