"""Documents and a request for tests of the phases of a model."""

from __future__ import annotations

from typing import Any

from corpusmith.store.registry import ModelRegistry

ASKED = "A deduplicated English corpus, fine-tune a LoRA on it, promote it only if it beats the base model"
WORDS = (
    "river",
    "stone",
    "market",
    "lantern",
    "wheel",
    "garden",
    "bridge",
    "winter",
    "letter",
    "basket",
    "orchard",
    "saddle",
)


def story(n: int) -> str:
    """A story of its own for each n: no two share a sentence."""
    lines = []
    for k in range(1, 9):
        a, b, c = (WORDS[(n * p + k * q + k * k * n) % len(WORDS)] for p, q in ((3, 5), (5, 7), (11, 13)))
        lines.append(
            f"On day {n * k + 1} the {a} of town {n} was to be sold with a {b}, and the {c} that we have stayed."
        )
    return "\n".join(lines)


ROWS = [story(n) for n in range(60)]


def registry_of(session: Any) -> ModelRegistry:
    found: ModelRegistry = session.runner.services["registry"]
    return found
