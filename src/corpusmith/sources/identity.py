"""What would be read, as plain data: the identity of an `observe` step over files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xxhash

from corpusmith.core.errors import SourceError
from corpusmith.sources.files import SourceFile, find_files

_CHUNK = 1 << 22


def snapshot(uris: Sequence[str]) -> dict[str, Any]:
    """Every file's root-relative URI, size and content hash (xxh3, 128 bits), in URI order.

    Where the files are is no part of it: the same corpus in another folder gives the same snapshot.

    Raises:
        ParameterError: `uris` is empty or names what is not read here.
        SourceError: Something named is missing, empty or unreadable.
    """
    files = find_files(uris).files
    return {
        "files": [{"uri": file.uri, "size_bytes": file.size_bytes, "xxh3_128": content_hash(file)} for file in files]
    }


def content_hash(file: SourceFile) -> str:
    """32 hex digits over the bytes of `file`, as stored; of a saved dataset over its files in name order.

    Raises:
        SourceError: The file cannot be read.
    """
    state = xxhash.xxh3_128()
    for path in file.members or (file.path,):
        if file.members:
            state.update(path.rsplit("/", 1)[-1].encode() + b"\0")
        try:
            with file.fs.open(path, "rb") as stream:
                while chunk := stream.read(_CHUNK):
                    state.update(chunk)
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror or error}", path=path) from error
    return state.hexdigest()
