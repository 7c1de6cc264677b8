"""Lines of text by a rough key, so that only lines which may be frequent are looked at one by one.

The key of a line is a hash of its letters, case folded as `str.casefold` does: lines that are equal but for case,
digits, spaces and marks have the same key.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit

from corpusmith.ops.kernels.words import I32, I64, U8, fold_table, mix

CELL_BITS = 24
"""Keys are cut to so many bits; lines that share a cell are counted together."""
LEAST_LETTERS = 3
_SEVERAL = 1 << 24
_SEED = np.uint64(0x9AE16A3B2F90404F)
_MUL = np.uint64(0x9E3779B97F4A7C15)
_S32 = np.uint64(32)
_SHIFT = np.uint64(64 - CELL_BITS)


@lru_cache(maxsize=1)
def letter_table() -> tuple[I32, I32]:
    """Per code point: its folded letter; 0 for what is none; _SEVERAL + i where it folds to the letters in row i."""
    letters = np.where(fold_table() > 0, fold_table(), 0).astype(np.int32)
    rows: list[list[int]] = []
    for code in np.flatnonzero(letters).tolist():
        if not chr(code).isalpha():
            letters[code] = 0
        elif len(folded := chr(code).casefold()) > 1:
            letters[code] = _SEVERAL + len(rows)
            rows.append([ord(char) if char.isalpha() else 0 for char in folded.ljust(3)])
    return letters, np.array(rows, np.int32)


@njit(cache=True, nogil=True)
def line_cell(data: U8, start: int, end: int, table: I32, several: I32) -> np.int64:
    """The cell of the line `data[start:end]`; -1 when it has fewer than three letters. The tables: `letter_table()`."""
    value = _SEED
    letters = 0
    at = start
    while at < end:
        code = np.int64(data[at])
        at += 1
        if code >= 0x80:
            more = 1 if code < 0xE0 else (2 if code < 0xF0 else 3)
            code &= 0x3F >> more
            while more > 0 and at < end:
                code = (code << 6) | (np.int64(data[at]) & 0x3F)
                at += 1
                more -= 1
        elif code < 65:
            continue
        folded = np.int64(table[code]) if code < table.size else np.int64(0)
        row = folded - _SEVERAL
        for place in range(several.shape[1] if row >= 0 else 1):
            letter = np.int64(several[row, place]) if row >= 0 else folded
            if letter > 0:
                value = (value ^ np.uint64(letter)) * _MUL
                value ^= value >> _S32
                letters += 1
    return np.int64(mix(value) >> _SHIFT) if letters >= LEAST_LETTERS else np.int64(-1)


@njit(cache=True, nogil=True)
def _line_end(data: U8, start: int, end: int) -> int:
    while start < end and data[start] != 10:
        start += 1
    return start


@njit(cache=True, nogil=True)
def line_spans(data: U8, offsets: I64, table: I32, several: I32, wanted: U8, longest: int, spans: I64) -> int:
    """Find the lines outside fenced code whose cell is wanted, in order.

    Args:
        data: Bytes of all rows.
        offsets: n + 1 offsets.
        table: `letter_table()[0]`.
        several: `letter_table()[1]`.
        wanted: One bit per cell; empty = all are wanted.
        longest: Most bytes of a line of interest.
        spans: Room for (row, start, end, cell) of each line, as many as there are lines.

    Returns:
        How many were found.
    """
    found = 0
    for row in range(offsets.size - 1):
        start, stop = offsets[row], offsets[row + 1]
        fenced = False
        while start < stop:
            end = _line_end(data, start, stop)
            at = start
            while at < end and (data[at] == 32 or 9 <= data[at] <= 13 or 28 <= data[at] <= 31):
                at += 1
            mark = data[at] if at + 2 < end else np.uint8(0)
            if mark in (96, 126) and data[at + 1] == mark and data[at + 2] == mark:
                fenced = not fenced
            elif not fenced and end - at >= LEAST_LETTERS and end - start <= longest:
                cell = line_cell(data, at, end, table, several)
                if cell >= 0 and (wanted.size == 0 or (wanted[cell >> 3] >> (cell & 7)) & 1):
                    spans[found, 0], spans[found, 1], spans[found, 2], spans[found, 3] = row, start, end, cell
                    found += 1
            start = end + 1
    return found
