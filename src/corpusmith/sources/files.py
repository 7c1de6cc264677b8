"""Finding files: paths, folders, globs, file:// and other fsspec URLs, in a fixed order, each under a stable URI.

A file's URI is relative to the source it was found in, so a corpus that moves keeps its row ids: the file name for a
single file, the path below the folder for a folder, the path below the fixed part for a glob. Two sources that would
give the same URI to different files get the names of their folders as prefixes. `%`, `#` and `~` are percent-encoded,
because row ids use them.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import fsspec

from corpusmith.core.errors import ParameterError, SourceError
from corpusmith.sources.compression import ByteStream
from corpusmith.sources.items import Skipped
from corpusmith.sources.kinds import KINDS_READ, Kind, kind_of, sniff_kind, unread_reason

_MAGIC = "*?["
_REFUSED = frozenset({"http", "https", "reference"})
_HF_MARKS = {"state.json", "dataset_dict.json"}


@dataclass(frozen=True)
class SourceFile:
    """One file (or saved dataset folder) to read.

    Attributes:
        uri: Root-relative, `/`-separated, percent-encoded where row ids need it.
        kind: Which reader reads it.
        path: Where it is on `fs`.
        size_bytes: As stored; of all its files for a saved dataset.
        modified: Change mark of the file system, for hashing once.
        fs: fsspec file system.
        members: For a saved dataset: its files' paths.
        named: Whether the person pointed at this very file.
    """

    uri: str
    kind: Kind
    path: str
    size_bytes: int
    modified: str
    fs: Any
    members: tuple[str, ...] = ()
    named: bool = False

    def open(self) -> BinaryIO:
        """The file's bytes.

        Raises:
            SourceError: It cannot be opened.
        """
        try:
            stream: BinaryIO = self.fs.open(self.path, "rb")
        except OSError as error:
            raise SourceError(f"cannot open {self.path}: {error.strerror or error}", path=self.path) from error
        return stream


@dataclass(frozen=True)
class Found:
    """What the sources hold: the files to read and what was passed over."""

    files: tuple[SourceFile, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class _Source:
    """One thing the person pointed at, listed: `files` have URIs below `root`."""

    root: PurePosixPath
    files: list[SourceFile]
    skipped: list[Skipped]


def find_files(uris: Sequence[str]) -> Found:
    """List every file that would be read, in URI order.

    Args:
        uris: Paths, folders, globs and URLs.

    Raises:
        ParameterError: `uris` is empty or names a kind of URL that is not read here.
        SourceError: Something named is missing, empty, or holds no file of a kind that is read.
    """
    if not uris:
        raise ParameterError("no source is given", hint="Name a file, a folder or a glob.")
    sources = [_list(uri) for uri in uris]
    seen: set[tuple[str, str]] = set()
    skipped = [item for source in sources for item in source.skipped]
    for source in sources:
        for file in list(source.files):
            key = (str(file.fs.protocol), file.path)
            if key in seen:
                source.files.remove(file)
                skipped.append(Skipped(file.uri, "named twice; read once"))
            seen.add(key)
    files = sorted(_distinct(sources), key=lambda file: file.uri)
    return Found(tuple(files), tuple(skipped))


def _list(uri: str) -> _Source:
    fs, path = _locate(uri)
    if is_local(fs) and any(char in path for char in _MAGIC) and not fs.exists(path):
        return _list_glob(fs, path, uri)
    try:
        info = fs.info(path)
    except FileNotFoundError as error:
        if any(char in path for char in _MAGIC):
            return _list_glob(fs, path, uri)
        raise SourceError(f"{uri} does not exist", hint=_near(fs, path), path=uri) from error
    except OSError as error:
        raise SourceError(f"cannot look at {uri}: {error.strerror or error}", path=uri) from error
    if info["type"] == "directory":
        return _list_folder(fs, path, uri)
    if info["type"] != "file" and not info.get("islink"):
        raise SourceError(f"{uri} is neither a file nor a folder", path=uri)
    return _Source(PurePosixPath(path).parent, [_single(fs, path, info, uri)], [])


def _locate(uri: str) -> tuple[Any, str]:
    """The file system and the path on it."""
    if "::" in uri:
        raise ParameterError(f"chained URLs are not read: {uri}", hint="Give a plain path or URL.")
    scheme = uri.split("://", 1)[0].lower() if "://" in uri else ""
    if scheme in _REFUSED:
        raise ParameterError(f"{uri} is a web address", hint="Use the tool crawl for pages of the web.")
    path = uri if scheme else os.path.abspath(os.path.expanduser(uri))  # noqa: PTH100, PTH111 - no symlink is followed
    try:
        fs, found = fsspec.core.url_to_fs(path)
    except (ValueError, ImportError) as error:
        raise ParameterError(f"no file system is installed for {scheme}://", hint=str(error)) from error
    return fs, str(found)


def is_local(fs: Any) -> bool:
    """Whether `fs` is this machine's file system."""
    return "file" in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,))


def _near(fs: Any, path: str) -> str:
    """A hint with the closest name beside a missing path."""
    parent = PurePosixPath(path).parent
    try:
        names = [PurePosixPath(entry).name for entry in fs.ls(str(parent), detail=False)]
    except OSError:
        return f"Its folder {parent} does not exist either."
    close = difflib.get_close_matches(PurePosixPath(path).name, names, 1)
    return f"Did you mean {parent / close[0]}?" if close else "Check the path."


def _single(fs: Any, path: str, info: dict[str, Any], uri: str) -> SourceFile:
    """A file that was named itself: an unknown ending is looked at instead of refused."""
    name = PurePosixPath(path).name
    if not info["size"]:
        raise SourceError(f"{uri} is empty", hint="It holds no byte; point at another file.", path=uri)
    kind = kind_of(name)
    file = SourceFile(_encoded(name), kind or Kind.TEXT, path, info["size"], _modified(info), fs, named=True)
    if kind is None:
        with file.open() as raw:
            kind = sniff_kind(ByteStream(raw, 1 << 24).peek(8192))
        if kind is None or unread_reason(name).startswith("an archive"):
            raise SourceError(f"{uri} cannot be read: {unread_reason(name)}", hint=f"Read are {KINDS_READ}.", path=uri)
    return replace(file, kind=kind)


def _list_folder(fs: Any, path: str, uri: str) -> _Source:
    root = PurePosixPath(path)
    files: list[SourceFile] = []
    skipped: list[Skipped] = []

    def unlisted(error: OSError) -> None:
        skipped.append(Skipped(_encoded(str(error.filename or path)), f"cannot be listed ({error.strerror or error})"))

    for folder, folders, names in fs.walk(path, detail=True, on_error=unlisted):
        below = PurePosixPath(folder).relative_to(root)
        for name in sorted(folders):
            if name.startswith((".", "__")) and name != ".":
                del folders[name]
                skipped.append(Skipped(_encoded(str(below / name)), "hidden folder"))
        if _HF_MARKS & names.keys():
            files += _saved_dataset(fs, folder, below, names)
            if "state.json" in names:
                folders.clear()
            continue
        for name, info in sorted(names.items()):
            _sort_out(fs, below / name, info, files, skipped)
    if not files:
        reason = "is an empty folder" if not skipped else "holds no file that can be read"
        seen = "; ".join(f"{item.uri}: {item.reason}" for item in skipped[:3])
        hint = f"Read are {KINDS_READ}." + (f" Found: {seen}." if seen else "")
        raise SourceError(f"{uri} {reason}", hint=hint, path=uri)
    return _Source(root, files, skipped)


def _sort_out(
    fs: Any, below: PurePosixPath, info: dict[str, Any], files: list[SourceFile], skipped: list[Skipped]
) -> None:
    """Put one file of a folder with those to read, or with the skipped and why."""
    uri = _encoded(str(below))
    if below.name.startswith((".", "_")):
        skipped.append(Skipped(uri, "hidden file"))
    elif (info := _followed(fs, info))["type"] != "file":
        skipped.append(Skipped(uri, "a link to a folder" if info["type"] == "directory" else "not a regular file"))
    elif (kind := kind_of(below.name)) is None:
        skipped.append(Skipped(uri, unread_reason(below.name)))
    elif not info["size"]:
        skipped.append(Skipped(uri, "empty file"))
    else:
        files.append(SourceFile(uri, kind, info["name"], info["size"], _modified(info), fs))


def _followed(fs: Any, info: dict[str, Any]) -> dict[str, Any]:
    """What a link points at; a broken link stays of the type `other`."""
    if not info.get("islink"):
        return info
    try:
        return {**fs.info(info["name"]), "name": info["name"]}
    except OSError:
        return info


def _saved_dataset(fs: Any, folder: str, below: PurePosixPath, names: dict[str, Any]) -> list[SourceFile]:
    """A `datasets` folder as one file; a DatasetDict's splits are found as the walk goes down."""
    if "state.json" not in names:
        return []
    members = sorted((name, info) for name, info in names.items() if not name.startswith(("cache-", ".", "tmp")))
    name = str(below) if str(below) != "." else PurePosixPath(folder).name
    size = sum(info["size"] for _, info in members)
    changed = ",".join(_modified(info) for _, info in members)
    return [SourceFile(_encoded(name), Kind.HF, folder, size, changed, fs, tuple(info["name"] for _, info in members))]


def _list_glob(fs: Any, pattern: str, uri: str) -> _Source:
    parts = PurePosixPath(pattern).parts
    fixed = next(index for index, part in enumerate(parts) if any(char in part for char in _MAGIC))
    root = PurePosixPath(*parts[:fixed])
    files: list[SourceFile] = []
    skipped: list[Skipped] = []
    for path, info in sorted(fs.glob(pattern, detail=True).items()):
        below = PurePosixPath(path).relative_to(root)
        if info["type"] == "directory":
            if not pattern.endswith("**") and fs.ls(path, detail=False):
                try:
                    inner = _list_folder(fs, path, path)
                except SourceError as error:
                    skipped.append(Skipped(_encoded(str(below)), error.message))
                    continue
                files += [replace(file, uri=f"{_encoded(str(below))}/{file.uri}") for file in inner.files]
        else:
            _sort_out(fs, below, info, files, skipped)
    unique = list({file.path: file for file in files}.values())
    if not unique:
        raise SourceError(f"nothing that can be read matches {uri}", hint=f"Read are {KINDS_READ}.", path=uri)
    return _Source(root, unique, skipped)


def _distinct(sources: Iterable[_Source]) -> list[SourceFile]:
    """Every file under a URI of its own: sources that clash get the names of their folders in front."""
    groups = [source for source in sources if source.files]
    depth = [0] * len(groups)
    while True:
        owners: dict[str, set[int]] = {}
        for index, source in enumerate(groups):
            for file in source.files:
                owners.setdefault(_prefixed(file.uri, source.root, depth[index]), set()).add(index)
        clashing = set().union(*(who for who in owners.values() if len(who) > 1))
        deeper = {index for index in clashing if depth[index] < len(groups[index].root.parts)}
        if not deeper:
            break
        for index in deeper:
            depth[index] += 1
    return [
        replace(file, uri=_prefixed(file.uri, source.root, depth[index]) + (f".{index}" if index in clashing else ""))
        for index, source in enumerate(groups)
        for file in source.files
    ]


def _prefixed(uri: str, root: PurePosixPath, depth: int) -> str:
    parts = [part.strip("/") for part in root.parts[len(root.parts) - depth :]] if depth else []
    return "/".join([*(_encoded(part) for part in parts if part), uri])


def _encoded(name: str) -> str:
    """A path as it stands in row ids: UTF-8, with `%`, `#` and `~` percent-encoded."""
    clean = os.fsencode(name).decode("utf-8", "replace")
    return clean.replace("%", "%25").replace("#", "%23").replace("~", "%7E")


def _modified(info: dict[str, Any]) -> str:
    """What changes when a file changes, as far as its file system says."""
    return str([info.get(key) for key in ("mtime", "ino", "ETag", "etag", "LastModified", "created") if key in info])
