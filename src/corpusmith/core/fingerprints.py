"""Identity of steps and sameness of data.

A step's fingerprint hashes (tool, version, canonical params, input ids, seed); where it ran is no part of it. A
dataset's content digest hashes its ordered (row id, values), so it is equal whatever the part boundaries, the engine
and the number of workers. The canonical encoder raises on what it cannot encode: no `default=str`, no NaN.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash
from pydantic import BaseModel

from corpusmith.core.errors import ParameterError


def canonical(value: Any) -> str:
    """One JSON text per value: sorted keys, no spaces, shortest float form, integers and floats kept apart.

    Raises:
        ParameterError: The value holds something with no canonical form (NaN, a set, an object, a non-string key).
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="python"))
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(item) for item in value]
    raise ParameterError(
        f"cannot encode {type(value).__name__} {value!r} in a step's identity",
        hint="Give plain numbers, strings, lists and mappings.",
    )


def fingerprint(value: Any) -> str:
    """32 hex digits (SHA-256, cut) of the canonical form of `value`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:32]


def row_digests(table: pa.Table) -> npt.NDArray[np.uint8]:
    """A 128-bit digest (xxh3) per row over the values of every column in schema order; shape (n, 16).

    Each value is hashed by itself, straight from Arrow's bytes; a row's digest is that of its values' digests.
    """
    rows, columns = table.num_rows, table.num_columns
    values = np.zeros((rows, columns, 17), np.uint8)  # 16 bytes of digest, 1 where there is a value
    for number, column in enumerate(table.columns):
        array = column.combine_chunks()
        digests = b"".join(_value_digests(array))
        values[:, number, :16] = np.frombuffer(digests, np.uint8).reshape(rows, 16)
        values[:, number, 16] = np.asarray(array.is_valid())
    values[values[:, :, 16] == 0] = 0
    whole, width = memoryview(values.tobytes()), 17 * columns
    joined = b"".join(xxhash.xxh3_128_digest(whole[at : at + width]) for at in range(0, rows * width, width))
    return np.frombuffer(joined, np.uint8).reshape(-1, 16)


def _value_digests(array: pa.Array) -> Iterator[bytes]:
    """One digest of 16 bytes for each value; of what stands at a null nothing is said."""
    if not pa.types.is_large_string(array.type):
        yield from (xxhash.xxh3_128_digest(repr(value).encode()) for value in array.to_pylist())
        return
    _, offsets, data = array.buffers()
    raw = memoryview(b"" if data is None else data)
    limits = np.frombuffer(offsets, np.int64, len(array) + 1, array.offset * 8).tolist() if len(array) else []
    yield from (xxhash.xxh3_128_digest(raw[low:high]) for low, high in itertools.pairwise(limits))


class ContentDigest:
    """Folds row digests, in row order, into one digest of a dataset."""

    def __init__(self, schema: pa.Schema) -> None:
        head = ";".join(f"{field.name}:{field.type}" for field in schema)
        self._hash = hashlib.sha256(head.encode())

    def update(self, digests: npt.NDArray[np.uint8]) -> None:
        """Add the rows' digests (n, 16), in order."""
        self._hash.update(np.ascontiguousarray(digests).tobytes())

    def hexdigest(self) -> str:
        """64 hex digits."""
        return self._hash.hexdigest()
