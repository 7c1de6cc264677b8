"""The digest of a model folder: what the model computes, not how its files happen to be laid out.

    weights     every tensor (name, type, shape, bytes) in order of name: shards and file headers do not matter
    config      config.json and generation_config.json, without what a library's version leaves in them
    tokenizer   tokenizer.json and tokenizer_config.json, without what was set while it ran; older files by their bytes
    template    the chat template
    adapter     adapter_config.json, without the name of the base (whose digest the manifest holds)

A part that a folder lacks is not in it. Needs no torch; reads the weights once, in blocks.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from corpusmith.core.errors import SourceError

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
_BLOCK = 1 << 22
_MAX_HEADER = 100_000_000
_VOLATILE: dict[str, frozenset[str]] = {
    "config.json": frozenset({"transformers_version", "_name_or_path", "use_cache", "_attn_implementation"}),
    "generation_config.json": frozenset({"transformers_version", "_from_model_config", "use_cache"}),
    "tokenizer.json": frozenset({"truncation", "padding"}),
    "tokenizer_config.json": frozenset(
        {"chat_template", "name_or_path", "is_local", "local_files_only", "transformers_version", "_commit_hash"}
    ),
    ADAPTER_CONFIG: frozenset({"base_model_name_or_path", "revision", "inference_mode", "peft_version"}),
}
_OLD_TOKENIZERS = (
    "vocab.json", "merges.txt", "vocab.txt", "tokenizer.model", "spiece.model", "special_tokens_map.json",
    "added_tokens.json",
)  # fmt: skip


@dataclass(frozen=True)
class ModelDigests:
    """64 hex digits per part, and over all parts."""

    parts: dict[str, str]
    digest: str


def model_digests(folder: Path | str) -> ModelDigests:
    """Digest a model folder or an adapter folder.

    Raises:
        SourceError: It is no folder, lacks its safetensors, or a file is damaged; the message names the file.
    """
    place = Path(folder)
    if not place.is_dir():
        raise SourceError(f"no model folder at {place}", hint="Give a folder with config.json and *.safetensors.")
    found: dict[str, str] = {"weights": _weights(weight_files(place))}
    configs = [place / "config.json", place / "generation_config.json"]
    if not (place / ADAPTER_CONFIG).is_file():
        found["config"] = _documents(configs)
    if (place / "tokenizer.json").is_file() or (place / "tokenizer_config.json").is_file():
        found["tokenizer"] = _tokenizer(place)
    if (template := chat_template_of(place)) is not None:
        found["template"] = hashlib.sha256(template.encode()).hexdigest()
    if (place / ADAPTER_CONFIG).is_file():
        found["adapter"] = _documents([place / ADAPTER_CONFIG])
    parts = dict(sorted(found.items()))
    return ModelDigests(parts, hashlib.sha256(json.dumps(parts).encode()).hexdigest())


def same_model(folder: Path, digest: str) -> bool:
    """Whether the folder still has this digest; read once while no file of it changes.

    Raises:
        SourceError: As `model_digests`.
    """
    if not folder.is_dir():
        return False
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    seen = tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    return _seen_digest(folder, seen) == digest


@functools.lru_cache(maxsize=64)
def _seen_digest(folder: Path, _seen: tuple[tuple[str, int, int], ...]) -> str:
    return model_digests(folder).digest


def weight_files(folder: Path) -> list[Path]:
    """The safetensors that a model or adapter folder is loaded from.

    Raises:
        SourceError: There are none, or the index names one that is not there.
    """
    if (folder / ADAPTER_CONFIG).is_file():
        paths = [folder / ADAPTER_WEIGHTS]
    elif (folder / WEIGHTS).is_file() or not (folder / INDEX).is_file():
        paths = [folder / WEIGHTS]
    else:
        paths = [folder / name for name in sorted(set(_read(folder / INDEX)["weight_map"].values()))]
    for path in paths:
        if not path.is_file() or path.parent != folder:
            other = sorted(p.name for p in folder.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl"))
            hint = (
                f"{other[0]} is a pickle, which may run code: save the model with safe_serialization=True."
                if other
                else "Save the model with save_pretrained."
            )
            raise SourceError(f"{folder} lacks {path.name}", hint=hint)
    return paths


def tensor_headers(path: Path) -> dict[str, dict[str, Any]]:
    """Name -> dtype, shape and data_offsets (from the file's beginning) of the tensors in a safetensors file.

    Raises:
        SourceError: It is no whole safetensors file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _MAX_HEADER):
            raise _damaged(path)
        try:
            header = json.loads(file.read(length))
            tensors = {name: dict(said) for name, said in header.items() if name != "__metadata__"}
            for said in tensors.values():
                said["data_offsets"] = [8 + length + int(offset) for offset in said["data_offsets"]]
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            raise _damaged(path) from error
    if any(said["data_offsets"][1] > size for said in tensors.values()):
        raise _damaged(path)
    return tensors


def chat_template_of(folder: Path) -> str | None:
    """The chat template of a tokenizer folder (several: as one JSON text), or None."""
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text("utf-8")
    if not (folder / "tokenizer_config.json").is_file():
        return None
    said = _read(folder / "tokenizer_config.json").get("chat_template")
    return said if said is None or isinstance(said, str) else json.dumps(said, sort_keys=True)


def _weights(paths: Sequence[Path]) -> str:
    where = {name: (path, said) for path in paths for name, said in tensor_headers(path).items()}
    whole = hashlib.sha256()
    files: dict[Path, BinaryIO] = {}
    try:
        for name in sorted(where):
            path, said = where[name]
            if path not in files:
                files[path] = path.open("rb")
            start, end = said["data_offsets"]
            whole.update(json.dumps([name, said.get("dtype"), said.get("shape"), end - start]).encode())
            files[path].seek(start)
            while start < end:
                block = files[path].read(min(_BLOCK, end - start))
                if not block:
                    raise _damaged(path)
                whole.update(block)
                start += len(block)
    finally:
        for file in files.values():
            file.close()
    return whole.hexdigest()


def _tokenizer(folder: Path) -> str:
    whole = hashlib.sha256(_documents([folder / "tokenizer.json", folder / "tokenizer_config.json"]).encode())
    if not (folder / "tokenizer.json").is_file():
        for name in _OLD_TOKENIZERS:
            if (folder / name).is_file():
                whole.update(name.encode() + hashlib.sha256((folder / name).read_bytes()).digest())
    return whole.hexdigest()


def _documents(paths: Sequence[Path]) -> str:
    said = {
        path.name: {key: value for key, value in _read(path).items() if key not in _VOLATILE[path.name]}
        for path in paths
        if path.is_file()
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> Mapping[str, Any]:
    try:
        said = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise SourceError(f"{path} is not valid JSON", hint="Download or save the model again.") from error
    if not isinstance(said, dict):
        raise SourceError(f"{path} is not a JSON object", hint="Download or save the model again.")
    return said


def _damaged(path: Path) -> SourceError:
    return SourceError(f"{path} is not a whole safetensors file", hint="Download or save the model again.")
