"""Which files are read, by the end of their name, and why the others are not."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath


class Kind(StrEnum):
    """A family of formats with one reader."""

    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    HF = "hf"


DOCUMENT_KINDS = frozenset({Kind.TEXT, Kind.MARKDOWN, Kind.HTML})
"""Kinds whose file is one row."""

KINDS_READ = (
    "JSONL, JSON, CSV, TSV, Parquet, text, Markdown, HTML (each also .gz or .zst) and saved Hugging Face datasets"
)

_KIND_BY_SUFFIX = {
    ".jsonl": Kind.JSONL,
    ".ndjson": Kind.JSONL,
    ".jsonlines": Kind.JSONL,
    ".json": Kind.JSON,
    ".csv": Kind.CSV,
    ".tsv": Kind.TSV,
    ".tab": Kind.TSV,
    ".parquet": Kind.PARQUET,
    ".pq": Kind.PARQUET,
    ".txt": Kind.TEXT,
    ".text": Kind.TEXT,
    ".md": Kind.MARKDOWN,
    ".markdown": Kind.MARKDOWN,
    ".html": Kind.HTML,
    ".htm": Kind.HTML,
    ".xhtml": Kind.HTML,
}

COMPRESSED = frozenset({".gz", ".gzip", ".zst", ".zstd"})

_UNREAD = {
    "an image": ("png", "jpg", "jpeg", "gif", "bmp", "webp", "tiff", "tif", "svg", "ico", "heic"),
    "a PDF": ("pdf",),
    "an archive": ("zip", "tar", "tgz", "7z", "rar", "bz2", "xz", "lz4", "jar", "whl"),
    "an office document": ("doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods", "epub", "rtf"),
    "sound or video": ("mp3", "wav", "flac", "ogg", "mp4", "mkv", "avi", "mov", "webm"),
    "a pickle, which is never opened": ("pkl", "pickle", "joblib", "pt", "pth", "npy", "npz"),
    "program code": ("py", "js", "ts", "c", "h", "cpp", "rs", "go", "java", "sh", "ipynb", "css"),
    "an Arrow file outside a saved dataset": ("arrow", "feather"),
}
_REASON_BY_SUFFIX = {f".{suffix}": reason for reason, suffixes in _UNREAD.items() for suffix in suffixes}

_ABOUT = frozenset(
    {"readme", "license", "licence", "copying", "notice", "contributing", "changelog", "citation", "authors", "credits"}
)
_SIDECARS = frozenset({"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "package.json"})


def bare_name(name: str) -> str:
    """`name` without a compression suffix: `a.jsonl.gz` -> `a.jsonl`."""
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in COMPRESSED else path.name


def kind_of(name: str) -> Kind | None:
    """The kind of a file by its name, None when its ending is not one that is read."""
    return _KIND_BY_SUFFIX.get(PurePosixPath(bare_name(name)).suffix.lower())


def unread_reason(name: str) -> str:
    """Why a file of this name is not read."""
    suffix = PurePosixPath(bare_name(name)).suffix.lower()
    if suffix in _REASON_BY_SUFFIX:
        return f"{_REASON_BY_SUFFIX[suffix]} ({suffix}) is not read"
    return f"files ending in {suffix!r} are not read" if suffix else "files without an ending are not read in a folder"


def is_about(name: str) -> bool:
    """Whether a file documents the data beside it (README, licence, dataset_info.json) rather than being data."""
    path = PurePosixPath(bare_name(name))
    if path.name.lower() in _SIDECARS:
        return True
    return kind_of(name) in DOCUMENT_KINDS and path.stem.lower().split(".")[0] in _ABOUT


def sniff_kind(head: bytes) -> Kind | None:
    """The kind of a file that was named itself and has an unknown ending, by its first bytes; None = binary."""
    if head.startswith(b"PAR1"):
        return Kind.PARQUET
    if head.startswith((b"%PDF", b"\x89PNG", b"PK\x03\x04", b"\xff\xd8\xff", b"GIF8", b"\x7fELF")):
        return None
    utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not utf16 and b"\x00" in head[:4096]:
        return None
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:256].lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return Kind.HTML
    if start.startswith((b'{"', b"{ ", b"{\n", b"[{", b"[ {", b"[\n")):
        return Kind.JSON
    return Kind.TEXT
