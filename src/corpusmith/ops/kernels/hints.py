"""What a text may hold, in one pass over its bytes: words in any case, and digits where a number may begin.

A hint is a promise in one direction: where it is missing, the pattern it stands for cannot match. So it may stand
where nothing is, and patterns decide. `ops.pii.hints` says which words are looked for and what each bit means.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from corpusmith.ops.kernels.characters import I64, U8, U16

DIGIT, UPPER, WORD, SPACING, BASE58, VALUE, SKIPPED, HEX = (1 << bit for bit in range(8))
"""What a byte is: a digit; A-Z; a word character; may stand inside a group of digits; may stand in a wallet address; in
a password; before one (white space, quotes, `>`); a hexadecimal digit. Bytes over 127 may be anything but a digit."""
SECRET_WORD, IS_WORD, NAMED, SECRET, ADDRESS_6, HARDWARE, ODD_DIGIT = (1 << bit for bit in range(7))
"""Bits that this kernel sets or asks for; those of the words follow. SECRET_WORD: a word such as `password` ends here.
IS_WORD: " is" does. NAMED: an acronym that was asked for. SECRET: such a word, then a sign, then twelve characters.
ADDRESS_6 and HARDWARE: what an IPv6 and a MAC address cannot do without. ODD_DIGIT: a digit that is not ASCII."""
LEAST_SECRET, _SECRET_REACH, _SECRET_LEAD = 12, 40, 12


def byte_kinds() -> U8:
    """Per byte what it is, as the bits above."""
    kinds = np.zeros(256, np.uint8)
    for code in range(256):
        char = chr(code)
        alnum = code < 128 and char.isalnum()
        for bit, holds in (
            (DIGIT, alnum and char.isdigit()),
            (UPPER, alnum and char.isupper()),
            (WORD, alnum or char == "_"),
            (SPACING, code > 127 or char in "0123456789 .()-/"),
            (BASE58, alnum and char not in "0IOl"),
            (VALUE, alnum or char in "_+/=.!@#$%^&*~-"),
            (SKIPPED, code > 127 or char.isspace() or char in ">\"'`"),
            (HEX, char in "0123456789abcdefABCDEF"),
        ):
            if holds:
                kinds[code] |= bit
    return kinds


@njit(cache=True, nogil=True)
def _run(data: U8, at: Any, end: int, kinds: U8, bit: int, most: int) -> int:
    """How many bytes from `at` on have the bit, at most `most`."""
    size = 0
    while size < most and at + size < end and kinds[data[at + size]] & bit:
        size += 1
    return size


@njit(cache=True, nogil=True)
def _begins_number(data: U8, at: Any, end: int, kinds: U8) -> bool:
    """Whether a group of digits, an account, a code, a house or a wallet may begin at the digit `at`."""
    here = at + 1
    while here < end and kinds[data[here]] & SPACING:
        if here - at >= 5 and (kinds[data[here]] & DIGIT or data[here] > 127):
            return True
        here += 1
    before = data[at - 1] if at else np.uint8(10)
    second = data[at - 2] if at > 1 else np.uint8(10)
    upper = before & 0xDF
    if 65 <= upper <= 90 and 65 <= (second & 0xDF) <= 90 and at + 1 < end and kinds[data[at + 1]] & DIGIT:
        return True
    if before == 32 and kinds[second] & UPPER and _run(data, at + 1, end, kinds, DIGIT, 4) == 4:
        return True
    if _run(data, at + 1, end, kinds, UPPER, 2) == 2:
        return True
    if _run(data, at + 1, end, kinds, BASE58, 12) == 12:
        return True
    if kinds[before] & WORD or before in (44, 45, 46, 47, 35, 36):
        return False
    here = at + 1 + _run(data, at + 1, end, kinds, DIGIT, 4)
    if here < end and 65 <= (data[here] & 0xDF) <= 90:
        here += 1
    if here < end and data[here] in (45, 47):
        here += 1 + _run(data, here + 1, end, kinds, DIGIT, 5)
    if here < end and data[here] == 44:
        here += 1
    return here + 1 < end and data[here] == 32 and bool(kinds[data[here + 1]] & (UPPER | DIGIT) or data[here + 1] > 127)


@njit(cache=True, nogil=True)
def _is_hardware(data: U8, at: Any, end: int, kinds: U8) -> bool:
    """Whether four colons or hyphens stand from `at` on with two hexadecimal digits between each two."""
    if at + 9 >= end:
        return False
    for group in range(3):
        here = at + 3 * group
        if not (kinds[data[here + 1]] & HEX and kinds[data[here + 2]] & HEX and data[here + 3] in (45, 58)):
            return False
    return True


@njit(cache=True, nogil=True)
def hints(  # noqa: PLR0912, PLR0915 - one loop with one state
    data: U8, kinds: U8, odd_digits: U8, classes: U8, steps: U16, found: I64, acronyms: I64, numbers: I64
) -> tuple[int, Any]:
    """Look through one text.

    Args:
        data: Its UTF-8 bytes, not empty.
        kinds: `byte_kinds()`.
        odd_digits: Per code point from 128 on, whether it is a digit.
        classes: The letter of the automaton per code point, 0 for most; code points that are not in it count as 0.
        steps: uint16 (states, letters): the automaton that finds the words.
        found: Per state the bits of the words that end there.
        acronyms: Words of capitals as big-endian numbers.
        numbers: Room for one place per digit; filled with the characters (not bytes) at which a number may begin.

    Returns:
        How many numbers may begin, and all bits that were met.
    """
    count = 0
    bits = np.int64(0)
    state = np.uint16(0)
    secret_end = np.int64(-100)
    packed = np.int64(0)
    whole = True
    end = data.size
    at = np.int64(0)
    place = np.int64(0)
    while at < end:
        byte = data[at]
        if byte < 128:
            kind = kinds[byte]
            letter = classes[byte]
            if kind & UPPER:
                packed = (packed << 8) | byte
            else:
                if packed and whole and (kind & DIGIT or not kind & WORD):
                    for index in range(acronyms.size):
                        if packed == acronyms[index]:
                            bits |= NAMED
                packed = np.int64(0)
                whole = not kind & WORD
            if kind & DIGIT:
                if _begins_number(data, at, end, kinds):
                    numbers[count] = place
                    count += 1
                if 50 <= byte <= 51 and at + 4 < end and data[at + 4] == 58 and _run(data, at, end, kinds, HEX, 4) == 4:
                    bits |= ADDRESS_6
            size = 1
        else:
            size = 2 if byte < 0xE0 else (3 if byte < 0xF0 else 4)
            code = np.int64(byte) & (0x3F >> (size - 1))
            for more in range(1, size):
                code = (code << 6) | (np.int64(data[at + more]) & 0x3F)
            if code < odd_digits.size and odd_digits[code]:
                bits |= ODD_DIGIT
            letter = classes[code] if code < classes.size else np.uint8(0)
            if packed and whole:
                for index in range(acronyms.size):
                    if packed == acronyms[index]:
                        bits |= NAMED
            packed = np.int64(0)
            whole = True
        state = steps[state, letter]
        new = found[state]
        if new:
            bits |= new
            if new & SECRET_WORD:
                secret_end = place
        if (byte in (58, 61) or new & IS_WORD) and place - secret_end <= _SECRET_REACH:
            lead = _run(data, at + 1, end, kinds, SKIPPED, _SECRET_LEAD)
            if _run(data, at + 1 + lead, end, kinds, VALUE, LEAST_SECRET) == LEAST_SECRET:
                bits |= SECRET
        if byte in (45, 58) and not bits & HARDWARE and _is_hardware(data, at, end, kinds):
            bits |= HARDWARE
        at += size
        place += 1
    if packed and whole:
        for index in range(acronyms.size):
            if packed == acronyms[index]:
                bits |= NAMED
    return count, bits
