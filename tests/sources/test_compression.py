from __future__ import annotations

import gzip
import io
import random

import pytest
import zstandard

from corpusmith.sources import ReadOptions
from corpusmith.sources.compression import ByteStream

RAW = random.Random(0).randbytes(3_000_000)
PACK = {"gzip": lambda raw: gzip.compress(raw, 1), "zstd": zstandard.ZstdCompressor().compress}


def unpacked(data: bytes, limit: int = 1 << 30) -> tuple[bytes, ByteStream]:
    stream = ByteStream(io.BytesIO(data), limit)
    return b"".join(stream), stream


@pytest.mark.parametrize("kind", PACK)
def test_members_one_after_the_other_are_one_file(kind):
    raw, stream = unpacked(PACK[kind](RAW) + PACK[kind](b"tail"))
    assert raw == RAW + b"tail"
    assert stream.compression == kind
    assert stream.damage is None


@pytest.mark.parametrize("kind", PACK)
def test_a_torn_file_gives_what_is_there_and_says_so(kind):
    raw, stream = unpacked(PACK[kind](RAW)[:-2000])
    assert RAW.startswith(raw)
    assert len(raw) > 2_000_000
    assert stream.damage == f"the {kind} file is cut off"


@pytest.mark.parametrize("kind", PACK)
def test_damage_in_the_middle_is_named(kind):
    packed = bytearray(PACK[kind](b"some words " * 200_000))
    packed[len(packed) // 2 : len(packed) // 2 + 40] = bytes(40)
    assert unpacked(bytes(packed))[1].damage


def test_what_stands_before_the_damage_of_a_small_gzip_is_handed_out():
    lines = "".join(f"line {n}: {RAW[n * 40 : n * 40 + 40].hex()}\n" for n in range(9000)).encode()
    packed = bytearray(gzip.compress(lines))
    packed[len(packed) // 2 : len(packed) // 2 + 400] = bytes(400)
    raw, stream = unpacked(bytes(packed))
    assert "damaged" in str(stream.damage)
    whole = raw[: len(lines) // 3]
    assert len(whole) == len(lines) // 3
    assert lines.startswith(whole)


def test_a_wrong_checksum_takes_no_row_away(save, read_all):
    packed = bytearray(gzip.compress(b'{"text": "a sentence of five words"}\n' * 10))
    packed[-8] ^= 1
    rows, reader = read_all(save("a.jsonl.gz", bytes(packed)))
    assert len(rows) == 10
    assert "incorrect data check" in reader.rejects[0].reason


@pytest.mark.parametrize("kind", PACK)
def test_a_bomb_stops_at_the_limit(kind):
    raw, stream = unpacked(PACK[kind](bytes(20_000_000)), limit=5_000_000)
    assert len(raw) == 5_000_000
    assert "more than 5000000 bytes" in str(stream.damage)


def test_zero_padding_after_gzip_is_no_damage_and_junk_is():
    assert unpacked(gzip.compress(b"a") + bytes(512))[1].damage is None
    raw, stream = unpacked(gzip.compress(b"a") + b"junk")
    assert raw == b"a"
    assert "not gzip" in str(stream.damage)


def test_peek_and_skip_lose_nothing():
    stream = ByteStream(io.BytesIO(b"\xef\xbb\xbfhello"), 1)
    assert stream.peek(5) == b"\xef\xbb\xbfhe"
    stream.skip(3)
    assert b"".join(stream) == b"hello"


def test_the_name_does_not_decide(save, read_all, compress):
    line = b'{"text": "the same words in every file"}\n'
    for name, raw in (("a.jsonl.gz", line), ("b.jsonl", gzip.compress(line)), ("c.jsonl.gz", compress(".zst", line))):
        assert read_all(save(name, raw))[0][0]["text"] == "the same words in every file"


def test_rows_before_a_torn_gzip_end_are_kept(save, read_all):
    lines = [f'{{"text": "{RAW[i * 50 : i * 50 + 50].hex()}"}}\n' for i in range(2000)]
    path = save("a.jsonl.gz", gzip.compress("".join(lines).encode())[:-500])
    rows, reader = read_all(path, text_field="text")
    assert 1900 < len(rows) < 2000
    [reject] = reader.rejects
    assert reject.position == len(rows)
    assert reject.reason == "the gzip file is cut off"


def test_a_bomb_keeps_rows_up_to_the_limit(save, read_all):
    path = save("a.jsonl.gz", gzip.compress(b'{"text": "a sentence of five words"}\n' * 1000))
    rows, reader = read_all(path, options=ReadOptions(max_decompressed_bytes=3800))
    assert len(rows) == 102
    assert "the limit" in reader.rejects[0].reason
