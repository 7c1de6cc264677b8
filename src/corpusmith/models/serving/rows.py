"""The keys and values of the rows of a running batch: rows join at the right edge and leave, nothing is copied a token.

Rows stand flush right, as `generate` pads them, so every model of transformers understands the mask:

    columns      start ............ end | slack
    row 0        . . a a a a a a a a a
    row 1        . . . . . . b b b b b      a dot is padding, masked out

A step writes one column into the slack. A row that leaves is overwritten by the last one. Buffers grow by doubling.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

SLACK = 64
"""Least columns that are kept free on the right when a buffer is made."""


class Frame:
    """Which part of every buffer is in use: `rows` x [`start`, `end`)."""

    def __init__(self) -> None:
        self.rows = self.start = self.end = 0

    @property
    def width(self) -> int:
        """Columns in use."""
        return self.end - self.start


class RowLayer(DynamicLayer):  # type: ignore[misc,no-untyped-call,unused-ignore]
    """One layer's keys and values, [rows, heads, columns, size] each."""

    def __init__(self, frame: Frame) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.frame = frame
        self.buffers: list[Any] = []

    def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:  # noqa: ARG002
        """Write the new column, and give the whole; the model calls it once a step."""
        frame, new = self.frame, key_states.shape[-2]
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[: frame.rows, :, frame.end : frame.end + new] = states
        keys, values = (buffer[: frame.rows, :, frame.start : frame.end + new] for buffer in self.buffers)
        return keys, values

    def get_seq_length(self) -> int:
        """Columns before the step."""
        return self.frame.width


class Rows:
    """The cache of all rows of a batch.

    Attributes:
        lengths: Tokens of each row that are in the cache.
        cache: What the model is given.
    """

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.cache: Any = DynamicCache()
        self._frame = Frame()

    def __len__(self) -> int:
        return len(self.lengths)

    def join(self, filled: Any, lengths: list[int]) -> None:
        """Take rows in.

        Args:
            filled: A cache of transformers with the new rows, flush right.
            lengths: Tokens of each.
        """
        frame, width = self._frame, int(filled.get_seq_length())
        rows = frame.rows + len(lengths)
        if not frame.rows:
            self._start_anew(filled)
        start = frame.end - max(width, frame.width)
        if start < 0 or rows > self._room[0]:
            self._move(rows, max(width, frame.width))
            start = frame.end - max(width, frame.width)
        for mine, theirs in zip(self.cache.layers, filled.layers, strict=True):
            for buffer, new in zip(mine.buffers, (theirs.keys, theirs.values), strict=bool(mine.buffers)):
                buffer[: frame.rows, :, start : frame.start] = 0  # a NaN of an old row would get past the mask
                buffer[frame.rows : rows, :, frame.end - width : frame.end] = new
                for row, length in enumerate(lengths, frame.rows):
                    buffer[row, :, start : frame.end - length] = 0
        frame.rows, frame.start = rows, start
        self.lengths += lengths

    def leave(self, at: int) -> None:
        """Let row `at` go; the last row takes its place."""
        frame, last = self._frame, len(self.lengths) - 1
        if at != last:
            for layer in self.cache.layers:
                for buffer in layer.buffers:
                    buffer[at, :, frame.start : frame.end] = buffer[last, :, frame.start : frame.end]
            self.lengths[at] = self.lengths[last]
        self.lengths.pop()
        frame.rows = last
        frame.start = frame.end - max(self.lengths, default=0)
        if not last:
            self.cache, self._frame = DynamicCache(), Frame()

    def make_room(self) -> None:
        """Before a step: see that one more column fits."""
        if self._frame.end >= self._room[1]:
            self._move(len(self.lengths), self._frame.width)

    def stepped(self) -> None:
        """After a step: every row has one token more."""
        self._frame.end += 1
        self.lengths = [length + 1 for length in self.lengths]

    @property
    def _room(self) -> tuple[int, int]:
        """(rows, columns) of the buffers."""
        buffer = next((layer.buffers[0] for layer in self.cache.layers if layer.buffers), None)
        return (0, 0) if buffer is None else (int(buffer.shape[0]), int(buffer.shape[2]))

    def _start_anew(self, filled: Any) -> None:
        self.cache = DynamicCache()
        self.cache.layers = []
        self.cache.layer_class_to_replicate = None
        for theirs in filled.layers:
            layer = RowLayer(self._frame)
            if theirs.is_initialized:  # a layer that shares another's keys has none
                layer.buffers = [
                    states.new_empty((0, states.shape[1], 0, states.shape[3]))
                    for states in (theirs.keys, theirs.values)
                ]
                layer.dtype, layer.device, layer.is_initialized = theirs.keys.dtype, theirs.keys.device, True
            self.cache.layers.append(layer)

    def _move(self, rows: int, width: int) -> None:
        """Into buffers of at least `rows` rows, with `width` columns before the edge and slack after it."""
        frame = self._frame
        room = self._room[0] if rows <= self._room[0] else max(rows, 2 * self._room[0])
        columns = width + max(SLACK, width // 2)
        moved = []
        for layer in self.cache.layers:
            for old in layer.buffers:
                new = old.new_zeros((room, old.shape[1], columns, old.shape[3]))
                new[: frame.rows, :, width - frame.width : width] = old[: frame.rows, :, frame.start : frame.end]
                moved.append(new)
        new = iter(moved)  # all or none: memory may run out in between
        for layer in self.cache.layers:
            layer.buffers = [next(new) for _ in layer.buffers]
        frame.start, frame.end = width - frame.width, width


def padding_mask(lengths: Any, width: int) -> Any:
    """[rows, width] of 0 and 1, flush right."""
    return (torch.arange(width) >= width - lengths[:, None]).long()
