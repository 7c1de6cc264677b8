"""Rows as training examples: token ids and which of them bear loss, fitted to the sequence length, nothing lost unsaid.

    sft       a conversation; loss on its responses
    pretrain  a document and EOS, in windows of the sequence length; loss on every token; a long one gives several
    dpo       a prompt, the chosen and the rejected response, both with EOS

Too long an sft example gives up its oldest exchanges, then the beginning of what the person wrote in the last one;
the system turn, the end of the prompt and the response stay. The response is cut only when it alone is too long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from corpusmith.core.errors import PreconditionError
from corpusmith.models.chat_format import ChatFormat, Encoded, Turn, UnfitRow, opens_with_bos

NO_LOSS = -100


@dataclass(frozen=True)
class Example:
    """One example in one row of a batch: ids and flags of loss, both of the same length."""

    row_id: str
    ids: npt.NDArray[np.int32]
    loss: npt.NDArray[np.bool_]

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """The ids, `NO_LOSS` where no loss is taken."""
        return np.where(self.loss, self.ids, NO_LOSS).astype(np.int32)


@dataclass(frozen=True)
class Pair:
    """One preference pair."""

    row_id: str
    prompt: npt.NDArray[np.int32]
    chosen: npt.NDArray[np.int32]
    rejected: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.prompt) + max(len(self.chosen), len(self.rejected))


@dataclass
class Tally:
    """What happened to the rows.

    Attributes:
        rows: Rows that came.
        dropped: Rows that gave no example, by rule.
        gone: (row id, rule) of each.
        truncated_prompts: Examples whose prompt was shortened.
        truncated_responses: Examples whose response was cut.
        reasons: The first reason that the template gave for each rule.
    """

    rows: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    gone: list[tuple[str, str]] = field(default_factory=list)
    truncated_prompts: int = 0
    truncated_responses: int = 0
    reasons: dict[str, str] = field(default_factory=dict)

    def drop(self, row_id: str, rule: str, reason: str = "") -> None:
        """Note that a row gave no example."""
        self.dropped[rule] += 1
        self.gone.append((row_id, rule))
        if reason:
            self.reasons.setdefault(rule, reason)


def encode_chats(
    rows: Iterable[tuple[str, list[Turn]]], form: ChatFormat, tally: Tally
) -> Iterator[tuple[str, Encoded]]:
    """Conversations as ids, uncut. Rows with no response to learn, or that the template refuses, are dropped.

    Raises:
        PreconditionError: A row has a system turn and the template loses it.
    """
    sure = False
    for row_id, given in rows:
        tally.rows += 1
        turns = [(role, text) for role, text in given if role != "system" or text.strip()]
        if not turns or turns[-1][0] != "assistant" or not turns[-1][1].strip():
            tally.drop(row_id, "empty_response")
            continue
        if not sure and any(role == "system" for role, _ in turns):
            sure = require_system(form, row_id)
        try:
            yield row_id, form.encode(turns)
        except UnfitRow as error:
            tally.drop(row_id, "template_refuses", str(error))


def require_system(form: ChatFormat, row_id: str) -> bool:
    """True when the template renders system turns.

    Raises:
        PreconditionError: It loses them.
    """
    if not form.keeps_system():
        raise PreconditionError(
            f"the chat template of {form.tokenizer.name_or_path or 'the model'} loses the system turn, and row"
            f" {row_id} has one",
            hint="Choose a base whose template renders system turns, or take them out of the data.",
            row=row_id,
        )
    return True


def fit(row_id: str, encoded: Encoded, length: int, tally: Tally) -> Example:
    """The example in at most `length` tokens; see the module's text for what goes first."""
    ids, loss = np.array(encoded.ids, np.int32), np.array(encoded.loss, bool)
    if len(ids) <= length:
        return Example(row_id, ids, loss)
    head = encoded.starts[0]
    suffix = len(ids) - encoded.prompt_end
    if suffix > length:  # the response alone is too long: keep the header before it, at most half
        start = max(encoded.prompt_end, encoded.answer - length // 2)
        tally.truncated_responses += 1
        tally.truncated_prompts += start > 0
        return Example(row_id, ids[start : start + length], loss[start : start + length])
    tally.truncated_prompts += 1
    for start in encoded.starts[1:]:
        if head + len(ids) - start <= length:
            keep = np.r_[0:head, start : len(ids)]
            return Example(row_id, ids[keep], loss[keep])
    room = length - suffix
    front = head if head < room else room // 2
    last = max(encoded.starts[-1], encoded.prompt_end - (room - front))
    keep = np.r_[0:front, last : len(ids)]
    return Example(row_id, ids[keep], loss[keep])


def encode_documents(rows: Iterable[tuple[str, str]], form: ChatFormat, tally: Tally) -> Iterator[Example]:
    """Documents with EOS, uncut; BOS first where the tokenizer puts one. Blank ones are dropped."""
    eos = form.tokenizer.eos_token_id
    opening = [form.tokenizer.bos_token_id] if opens_with_bos(form.tokenizer) else []
    for row_id, text in rows:
        tally.rows += 1
        if not text.strip():
            tally.drop(row_id, "empty_document")
            continue
        ids = np.array([*opening, *form.encode_text(text), eos], np.int32)
        yield Example(row_id, ids, np.ones(len(ids), bool))


def windows(example: Example, length: int) -> Iterator[Example]:
    """The example in consecutive windows of at most `length` tokens; every token stands in exactly one."""
    for start in range(0, len(example.ids), length):
        yield Example(example.row_id, example.ids[start : start + length], example.loss[start : start + length])


def encode_pairs(
    rows: Iterable[tuple[str, str, str, str]], form: ChatFormat, tally: Tally, system: str | None = None
) -> Iterator[Pair]:
    """Preference pairs out of (row id, prompt, chosen, rejected), uncut; `system` opens every prompt.

    Raises:
        PreconditionError: There is a system turn and the template loses it.
    """
    opening = [("system", system)] if system and system.strip() else []
    sure = not opening
    for row_id, prompt, chosen, rejected in rows:
        tally.rows += 1
        if not chosen.strip() or not rejected.strip():
            tally.drop(row_id, "empty_response")
            continue
        if chosen.strip() == rejected.strip():
            tally.drop(row_id, "chosen_is_rejected")
            continue
        sure = sure or require_system(form, row_id)
        turns = [*opening, ("user", prompt)]
        try:
            asked = form.encode_prompt(turns)
            sides = [_response(form.encode([*turns, ("assistant", said)])) for said in (chosen, rejected)]
        except UnfitRow as error:
            tally.drop(row_id, "template_refuses", str(error))
            continue
        yield Pair(row_id, np.array(asked, np.int32), *sides)


def _response(encoded: Encoded) -> npt.NDArray[np.int32]:
    return np.array([token for token, loss in zip(encoded.ids, encoded.loss, strict=True) if loss], np.int32)


def fit_pair(pair: Pair, length: int, tally: Tally) -> Pair | None:
    """The pair in at most `length` tokens: the prompt gives up its beginning, at most half goes to it.

    None (and counted) when nothing tells the cut responses apart.
    """
    if len(pair) <= length:
        return pair
    longest = max(len(pair.chosen), len(pair.rejected))
    room = max(length - longest, min(len(pair.prompt), length // 2))
    tally.truncated_prompts += len(pair.prompt) > room
    tally.truncated_responses += longest > length - room
    chosen, rejected = pair.chosen[: length - room], pair.rejected[: length - room]
    if np.array_equal(chosen, rejected):
        tally.drop(pair.row_id, "same_when_cut")
        return None
    return Pair(pair.row_id, pair.prompt[max(0, len(pair.prompt) - room) :], chosen, rejected)
