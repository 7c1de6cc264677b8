r"""Tokens as the project counts them, and windows of them for causal language modelling.

A token is a run of word characters or one punctuation mark (`\w+|[^\w\s]`): no model, no download, the same count on
every machine. Windows never cross a document, hold no padding, and are exact substrings of it: a window reaches from
its first token to the first token of the next one, so that without overlap the windows together are the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from corpusmith.core.errors import ParameterError

TOKEN = re.compile(r"\w+|[^\w\s]")


def count_tokens(text: str) -> int:
    """Number of tokens in `text`."""
    return len(TOKEN.findall(text))


def token_starts(text: str) -> npt.NDArray[np.int64]:
    """Character offset of each token's first character, ascending."""
    return np.fromiter((found.start() for found in TOKEN.finditer(text)), np.int64)


def window_spans(text: str, window: int, stride: int | None = None, least: int = 1) -> Iterator[tuple[int, int, int]]:
    """Cut a text into windows of `window` tokens.

    Args:
        text: The document.
        window: Tokens per window, at least 1.
        stride: Tokens from one window's start to the next one's; None = `window` (no overlap).
        least: A last window with fewer tokens is given too, for the caller to drop and explain: its count says so.
            It is left out only when it lies whole in the window before it (which happens only with overlap).

    Yields:
        (first char, one past the last char, tokens). White space before the first token belongs to the first window,
        that between two windows to the earlier one.

    Raises:
        ParameterError: A length is below 1 or the stride is longer than the window (which would leave gaps).
    """
    step = window if stride is None else stride
    if window < 1 or step < 1 or least < 1:
        raise ParameterError("window, stride and least tokens must be at least 1")
    if step > window:
        raise ParameterError(f"stride {step} is longer than the window of {window} tokens and would leave gaps")
    starts = token_starts(text)
    total = len(starts)
    first = 0
    while first < total:
        last = min(first + window, total)
        begin = 0 if first == 0 else int(starts[first])
        end = len(text) if last == total else int(starts[last])
        yield begin, end, last - first
        if last == total:
            return
        first += step
