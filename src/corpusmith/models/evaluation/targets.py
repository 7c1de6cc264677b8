"""Rows as sequences to be scored: token ids, which of them bear loss, and how many bytes these stand for.

The encoding is that of training (`models.chat_format`, `models.examples`): loss on the responses and on the EOS that
ends them, or on every token of a document. Nothing that bears loss is ever cut away, so that every model is scored on
the same bytes: a prompt that is too long gives way as in training (`examples.fit`), a response or document that is
longer than the context is scored in windows, each of which begins with tokens that were scored before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from corpusmith.models.chat_format import ChatFormat, Turn, UnfitRow, opens_with_bos
from corpusmith.models.examples import Example, Tally, encode_documents, fit, require_system

OVERLAP = 0.25
"""Share of a window that only gives context to the rest of it."""


@dataclass(frozen=True)
class Target:
    """One row to be scored.

    Attributes:
        windows: Its sequences, each at most as long as the context; every token that bears loss does so in one.
        size_bytes: UTF-8 bytes of what bears loss.
    """

    windows: tuple[Example, ...]
    size_bytes: int


def conversation_target(form: ChatFormat, row_id: str, turns: Sequence[Turn], context: int, shots: int = 0) -> Target:
    """A conversation whose responses are scored.

    Args:
        form: The chat format of the model.
        row_id: Names the row.
        turns: The conversation; a system turn with nothing in it is left out.
        context: Most tokens of a window.
        shots: Exchanges at its beginning that are examples, and not scored.

    Raises:
        UnfitRow: The template refuses the turns, or the last turn is no response.
    """
    said = spoken(turns)
    if not said or said[-1][0] != "assistant" or not said[-1][1].strip():
        raise UnfitRow("it has no response")
    encoded = form.encode(said)
    responses = [text for role, text in said if role == "assistant" and text.strip()][shots:]
    own = encoded.starts[shots] if shots < len(encoded.starts) else encoded.answer
    loss = [flag and at >= own for at, flag in enumerate(encoded.loss)]
    encoded = replace(encoded, loss=loss)
    size = sum(len(text.encode()) for text in responses)
    if any(loss[: encoded.answer]) or len(encoded.ids) - encoded.prompt_end > context:
        whole = Example(row_id, np.array(encoded.ids, np.int32), np.array(loss, bool))
        return Target(tuple(scored_windows(whole, context)), size)
    return Target((fit(row_id, encoded, context, Tally()),), size)


def document_target(form: ChatFormat, row_id: str, text: str, context: int) -> Target:
    """A document whose every token is scored, EOS too.

    Raises:
        UnfitRow: It is blank.
    """
    found = next(encode_documents([(row_id, text)], form, Tally()), None)
    if found is None:
        raise UnfitRow("it has no text")
    if opens_with_bos(form.tokenizer):
        found.loss[0] = False  # it stands before every document, nobody has to say it
    return Target(tuple(scored_windows(found, context)), len(text.encode()))


def spoken(turns: Sequence[Turn]) -> list[Turn]:
    """The turns without system turns that say nothing, as training takes them."""
    return [(role, text) for role, text in turns if role != "system" or text.strip()]


def scored_windows(example: Example, context: int) -> Iterator[Example]:
    """Windows of at most `context` tokens; each token that bears loss does so in exactly one of them."""
    size = len(example.ids)
    step = context - int(context * OVERLAP)
    done = start = 0
    while done < size:
        end = min(size, start + context)
        loss = example.loss[start:end].copy()
        loss[: done - start] = False
        if loss.any():
            yield Example(example.row_id, example.ids[start:end], loss)
        done, start = end, start + step


def refuse_lost_system(form: ChatFormat, rows: Sequence[tuple[str, Sequence[Turn]]]) -> None:
    """Refuse rows with a system turn under a template that loses it, as training does.

    Raises:
        PreconditionError: There is such a row.
    """
    row = next((row_id for row_id, turns in rows if any(role == "system" for role, _ in spoken(turns))), None)
    if row is not None:
        require_system(form, row)
