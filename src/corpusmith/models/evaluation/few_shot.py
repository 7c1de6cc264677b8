"""Few-shot prompting: examples of the training rows as exchanges before the question, drawn anew for each row.

The draw depends on the seed and the row's id alone. What does not fit the context gives way where the prompt is encoded
(`examples.fit`): the oldest exchange goes first, the question and the room for an answer stay.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xxhash

from corpusmith.models.chat_format import Turn

Row = tuple[str, Sequence[Turn]]


def with_shots(rows: Sequence[Row], pool: Sequence[Row], shots: int, seed: int) -> tuple[list[Row], int]:
    """Rows with examples in front of them, behind their system turn.

    Args:
        rows: (row id, turns).
        pool: Rows to draw from, which end with a response; those of more than one exchange are left out.
        shots: Examples for each row.
        seed: Of the draws.

    Returns:
        The rows, and how many examples each got: fewer than `shots` where the pool is smaller.
    """
    usable = [(row_id, [turn for turn in turns if turn[0] != "system"]) for row_id, turns in pool]
    usable = [(row_id, said) for row_id, said in usable if [role for role, _ in said] == ["user", "assistant"]]
    usable = [(row_id, said) for row_id, said in usable if said[1][1].strip()]
    own = {row_id for row_id, _ in rows}
    usable = [(row_id, said) for row_id, said in usable if row_id not in own]
    count = min(shots, len(usable))
    return [(row_id, _before(row_id, turns, usable, count, seed)) for row_id, turns in rows], count


def _before(
    row_id: str, turns: Sequence[Turn], pool: Sequence[tuple[str, list[Turn]]], count: int, seed: int
) -> list[Turn]:
    rng = np.random.default_rng(xxhash.xxh3_64_intdigest(f"{seed}:few_shot:{row_id}".encode()))
    drawn = rng.choice(len(pool), count, replace=False).tolist() if count else []
    opening = [turn for turn in turns[:1] if turn[0] == "system"]
    return [*opening, *(turn for at in drawn for turn in pool[at][1]), *turns[len(opening) :]]
