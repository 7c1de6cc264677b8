"""Ids that a second sending repeats: UUIDs of version 7 (RFC 9562) whose random bits are a hash of what they name.

Opik upserts by id and orders by the id's time, so a record sent twice stays one record at its place in time.
"""

from __future__ import annotations

import hashlib
import uuid

_MAX_MS = (1 << 48) - 1


def stable_uuid7(time_s: float, *key: str | int) -> str:
    """The UUID of version 7 for `key` at Unix time `time_s` (milliseconds kept); equal for equal arguments."""
    milliseconds = min(max(int(time_s * 1000), 0), _MAX_MS)
    digest = hashlib.sha256("\x1f".join(str(part) for part in key).encode("utf-8", "surrogatepass")).digest()
    raw = bytearray(milliseconds.to_bytes(6, "big") + digest[:10])
    raw[6] = 0x70 | (raw[6] & 0x0F)
    raw[8] = 0x80 | (raw[8] & 0x3F)
    return str(uuid.UUID(bytes=bytes(raw)))
