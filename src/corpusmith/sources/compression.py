"""A file's bytes, unpacked as they are read, with bounded memory and a cap on what they unpack to.

Whether a file is compressed is told by its first bytes, not its name. Damage does not raise: what could be unpacked is
handed out and `damage` says what went wrong, so the rows before a torn end are kept.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

import zstandard

CHUNK = 1 << 20
_GZIP_FEED = 1 << 16
_ZSTD_FEED = 1 << 12  # a 4 KiB feed of run-length blocks unpacks to at most 128 MiB
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class ByteStream:
    """Decompressed bytes of one file, once, from start to end.

    Args:
        raw: The open file, at its start. Closed by `close`.
        max_bytes: Most bytes a compressed file may unpack to.

    Attributes:
        damage: Why the file ended early, None when it did not.
        compression: `gzip`, `zstd` or "" as told by the first bytes.
    """

    def __init__(self, raw: BinaryIO, max_bytes: int) -> None:
        self.damage: str | None = None
        self._raw = raw
        self._max_bytes = max_bytes
        self._ahead: deque[bytes] = deque()
        magic = self._read(4)
        self.compression = "gzip" if magic[:2] == _GZIP else "zstd" if magic == _ZSTD else ""
        unpack = {"gzip": self._gunzip, "zstd": self._unzstd, "": self._plain}[self.compression]
        self._chunks = unpack(magic)

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    def peek(self, size: int) -> bytes:
        """The first `size` bytes (fewer at the end of the file); they are handed out again by iteration."""
        have = sum(map(len, self._ahead))
        while have < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._ahead.append(chunk)
            have += len(chunk)
        return b"".join(self._ahead)[:size]

    def skip(self, size: int) -> None:
        """Drop the next `size` bytes, which must have been seen by `peek`."""
        rest = b"".join(self._ahead)[size:]
        self._ahead.clear()
        if rest:
            self._ahead.append(rest)

    def __iter__(self) -> Iterator[bytes]:
        while self._ahead:
            yield self._ahead.popleft()
        yield from self._chunks

    def _read(self, size: int) -> bytes:
        try:
            return self._raw.read(size)
        except OSError as error:
            self.damage = f"the file cannot be read further ({error.strerror or error})"
            return b""

    def _plain(self, magic: bytes) -> Iterator[bytes]:
        if magic:
            yield magic
        while chunk := self._read(CHUNK):
            yield chunk

    def _capped(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        left = self._max_bytes
        for chunk in chunks:
            if not chunk:
                continue
            if len(chunk) > left:
                if left:
                    yield chunk[:left]
                self.damage = f"the file unpacks to more than {self._max_bytes} bytes, the limit"
                return
            left -= len(chunk)
            yield chunk

    def _gunzip(self, magic: bytes) -> Iterator[bytes]:
        return self._capped(self._gunzip_members(magic))

    def _gunzip_members(self, packed: bytes) -> Iterator[bytes]:
        packed += self._read(CHUNK)
        while packed:
            engine = zlib.decompressobj(31)
            while not engine.eof:
                if not packed and not (packed := self._read(CHUNK)):
                    self.damage = self.damage or "the gzip file is cut off"
                    return
                feed, packed = packed[:_GZIP_FEED], packed[_GZIP_FEED:]
                before = engine.copy()
                try:
                    out = engine.decompress(feed, CHUNK)
                except zlib.error as error:
                    self.damage = f"the gzip file is damaged ({error})"
                    yield _up_to_the_damage(before, feed)
                    return
                packed = engine.unconsumed_tail + packed
                yield out
            packed = (engine.unused_data + packed or self._read(CHUNK)).lstrip(
                b"\x00"
            )  # members may be padded with zeros
            if packed and not packed.startswith(_GZIP[: len(packed)]):
                self.damage = "the gzip file is followed by bytes that are not gzip"
                return

    def _unzstd(self, magic: bytes) -> Iterator[bytes]:
        return self._capped(self._unzstd_frames(magic))

    def _unzstd_frames(self, packed: bytes) -> Iterator[bytes]:
        packed += self._read(CHUNK)
        while packed:
            engine = zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()
            while not engine.eof:
                if not packed and not (packed := self._read(CHUNK)):
                    self.damage = self.damage or "the zstd file is cut off"
                    return
                feed, packed = packed[:_ZSTD_FEED], packed[_ZSTD_FEED:]
                try:
                    yield engine.decompress(feed)
                except zstandard.ZstdError as error:
                    self.damage = f"the zstd file is damaged ({error})"
                    return
            packed = engine.unused_data + packed
            packed = packed or self._read(CHUNK)


def _up_to_the_damage(engine: zlib._Decompress, feed: bytes) -> bytes:
    """What `feed` unpacks to before the byte at which it breaks; `decompress` gives nothing of a feed that breaks."""
    out = []
    for start in range(len(feed)):
        try:
            out.append(engine.decompress(feed[start : start + 1]))
        except zlib.error:
            break
    return b"".join(out)
