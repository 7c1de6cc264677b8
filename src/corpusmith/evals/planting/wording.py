"""Word lists written as one string."""

from __future__ import annotations


def words_of(text: str) -> tuple[str, ...]:
    """The words of `text`, split at white space."""
    return tuple(text.split())
