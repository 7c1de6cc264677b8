"""Remembers what pure functions said of texts, because an agent measures the same rows after every step.

Bounded, one per process, keyed by a 128-bit hash of the text: a hit costs about a microsecond, and whether there was
one can change no result.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import xxhash

T = TypeVar("T")
MOST_TEXTS = 1 << 15
"""Texts remembered per function; when they are more, all are forgotten."""
_known: dict[Hashable, dict[bytes, Any]] = {}


def remembered(name: Hashable, texts: Sequence[str | None], compute: Callable[[str], T]) -> list[T]:
    """`compute` of each text (None counts as empty), asked once per text.

    Args:
        name: Names the function and everything else its result depends on.
        texts: Any texts.
        compute: A pure function; its results are shared, so they must not be changed.
    """
    known = _known.setdefault(name, {})
    results = []
    for text in texts:
        key = xxhash.xxh3_128_digest((text or "").encode("utf-8", "surrogatepass"))
        if key not in known:
            if len(known) >= MOST_TEXTS:
                known.clear()
            known[key] = compute(text or "")
        results.append(known[key])
    return results
