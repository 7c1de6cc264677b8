"""Identity of steps and sameness of data.

A step's fingerprint hashes (tool, version, canonical params, input ids, seed); where it ran is no part of it. A
dataset's content digest hashes its ordered (row id, values), so it is equal whatever the part boundaries, the engine
and the number of workers. The canonical encoder raises on what it cannot encode: no `default=str`, no NaN.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
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
    """A 128-bit digest (xxh3) per row over the values of every column in schema order; shape (n, 16)."""
    hashers = [xxhash.xxh3_128() for _ in range(table.num_rows)]
    for column in table.columns:
        if pa.types.is_large_string(column.type) or pa.types.is_string(column.type):
            for hasher, text in zip(hashers, column.to_pylist(), strict=True):
                if text is None:
                    hasher.update(b"\x00")
                else:
                    raw = text.encode()
                    hasher.update(b"\x01%d:" % len(raw))
                    hasher.update(raw)
        else:
            for hasher, value in zip(hashers, column.to_pylist(), strict=True):
                hasher.update(b"\x02" + repr(value).encode() + b"\x00")
    joined = b"".join(hasher.digest() for hasher in hashers)
    return np.frombuffer(joined, np.uint8).reshape(-1, 16)


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
