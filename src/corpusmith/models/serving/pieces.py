"""What a chosen token is to the one who waits for it: its spelling, its chance, the end of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace

from corpusmith.models.serving.contract import Finish, Piece, Token
from corpusmith.models.serving.jobs import Answering
from corpusmith.models.serving.sampling import Chosen
from corpusmith.models.serving.spelling import Spelling


class Pieces:
    """Makes pieces of answers out of chosen tokens.

    Args:
        spelling: The tokenizer's.
        ends: Token ids that end an answer.
    """

    def __init__(self, spelling: Spelling, ends: Collection[int]) -> None:
        self._spelling, self._ends = spelling, ends

    def token(self, token: int, chosen: Chosen | None) -> Token:
        """As it is told, with what is known of its chance."""
        plain = self._spelling.token(token)
        if chosen is None or chosen.logprob is None:
            return plain
        top = tuple(replace(self._spelling.token(other), logprob=chance) for other, chance in chosen.top)
        return Token(plain.id, plain.text, plain.raw, chosen.logprob, top)

    def next(self, row: Answering, chosen: Chosen) -> Piece:
        """Add the token to the answer; its piece, and whether the answer ends with it."""
        row.made, row.last = row.made + 1, chosen.id
        ended, text = chosen.id in self._ends, ""
        if not ended:
            text = row.writer.add(chosen.id)
            if row.json is not None:
                row.json.take(chosen.id)
        finish: Finish | None = None
        if row.made >= row.draws.sampling.max_tokens:
            finish = "length"
        if ended or row.writer.stopped or (row.json is not None and row.json.complete):
            finish = "stop"
        if finish:
            text += row.writer.end()
            finish = "stop" if row.writer.stopped else finish
            row.over = True
        return Piece(text, (self.token(chosen.id, chosen),), finish)


def tell(told: Sequence[tuple[Answering, Piece | BaseException]]) -> None:
    """Hand pieces to the loops that wait for them, one wake-up each."""
    loops = {row.loop for row, _ in told}
    for loop in loops:
        mine = [(row.out, piece) for row, piece in told if row.loop is loop]
        try:
            loop.call_soon_threadsafe(_put, mine)
        except RuntimeError:  # the loop is closed: nobody listens
            for row, _ in told:
                row.gone = row.gone or row.loop is loop


def _put(pieces: Sequence[tuple[asyncio.Queue[Piece | BaseException], Piece | BaseException]]) -> None:
    for queue, piece in pieces:
        queue.put_nowait(piece)
