"""Model and evaluation artifacts made by hand: what the registry, the command line and the publisher look at."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corpusmith.core.fingerprints import fingerprint
from corpusmith.core.model_manifest import ModelManifest
from corpusmith.models.digests import model_digests
from corpusmith.store.artifacts import ArtifactStore
from corpusmith.store.records import ArtifactRecord
from corpusmith.store.writer import StagedWriter, side_files


def plain_digest(folder: Path) -> str:
    """A stand-in for the digest of a model folder: over names and bytes."""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        whole.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return whole.hexdigest()


def commit_files(
    store: ArtifactStore, kind: str, files: Mapping[str, bytes | Path], inputs: Mapping[str, str], result: Any
) -> str:
    """Store side files (bytes, or a folder to copy) as an artifact; its id."""
    tool = {"model": "train", "report": "evaluate"}.get(kind, kind)
    listing = {name: len(body) if isinstance(body, bytes) else str(body) for name, body in files.items()}
    seen = [body.hex() for body in files.values() if isinstance(body, bytes)]
    artifact = fingerprint({"by hand": kind, "files": listing, "bodies": seen, "inputs": dict(inputs)})
    with store.stage(artifact, lambda: None) as folder:
        writer = StagedWriter(folder)
        for name, body in files.items():
            path = writer.path(name)
            if isinstance(body, bytes):
                path.write_bytes(body)
            else:
                shutil.copytree(body, path)
        parts, counts, digest = writer.finish()
        record = ArtifactRecord(
            id=artifact, kind=kind, tool=tool, tool_version=1, params={}, inputs=dict(inputs), seed=0,
            parts=tuple(parts), content_digest=digest, counts=counts, files=side_files(folder), result=result,
        )  # fmt: skip
        store.commit(record, folder)
    return artifact


def make_model(
    store: ArtifactStore,
    weights: str,
    *,
    base: str | None = None,
    data: str | None = None,
    start: str | None = None,
    **changes: Any,
) -> str:
    """A model of one file of weights."""
    body = weights.encode()
    digest = hashlib.sha256(b"model.safetensors\0" + body).hexdigest()
    base_digest = None if base is None else digest_in(store, base)
    result = changes.pop("result", {"steps": 3, "loss": 1.5})
    manifest = ModelManifest(
        **{"kind": "full", "name": "m", "digest": digest, "base": base, "base_digest": base_digest, **changes}
    )
    files = {"model/model.safetensors": body, "manifest.json": manifest.model_dump_json().encode()}
    inputs = {"base": base, "data": data, "start": start}
    return commit_files(store, "model", files, {k: v for k, v in inputs.items() if v}, result)


def make_real_model(
    store: ArtifactStore, folder: Path, *, base: str | None = None, data: str | None = None, **changes: Any
) -> str:
    """A model artifact out of a model or adapter folder, with its true digest."""
    found = model_digests(folder)
    base_digest = None if base is None else digest_in(store, base)
    given = {
        "kind": "adapter" if (folder / "adapter_config.json").is_file() else "full", "name": "news",
        "digest": found.digest, "parts": found.parts, "base": base, "base_digest": base_digest,
    }  # fmt: skip
    manifest = ModelManifest(**{**given, **changes})
    inputs = {role: ref for role, ref in {"base": base, "data": data}.items() if ref}
    files = {"model": folder, "manifest.json": manifest.model_dump_json().encode()}
    return commit_files(store, "model", files, inputs, {"steps": 3, "loss": 1.5})


def tiny_weights(folder: Path, text: str) -> Path:
    """A folder that looks like a model's to all who do not load it: one tensor of bytes, a configuration."""
    folder.mkdir(parents=True)
    body = text.encode()
    header = json.dumps({"w": {"dtype": "U8", "shape": [len(body)], "data_offsets": [0, len(body)]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + body)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 8}))
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


def digest_in(store: ArtifactStore, model: str) -> str:
    """The digest in a model artifact's manifest."""
    return str(json.loads(store.open(model).file("manifest.json").read_text())["digest"])


GOOD = {"accuracy": 0.8, "gain_over_base_low": 0.1, "gain_over_champion_low": 0.0, "gain_over_plain_low": 0.05}


def make_evaluation(
    store: ArtifactStore,
    model: str,
    metrics: Mapping[str, float | None] | None = None,
    *,
    primary: str = "accuracy",
    digest: str | None = None,
    **inputs: str | None,
) -> str:
    """An evaluation of a model on 100 rows; `inputs` are artifact ids of `base`, `champion`, `train`."""
    values = GOOD if metrics is None else metrics
    card = {"artifact": model, "metrics": {name: {"value": value, "n": 100} for name, value in values.items()}}
    result = {"model_digest": digest or digest_in(store, model), "data_digest": "d" * 64, "primary": primary}
    given = {"model": model, "data": "e" * 32, **{role: ref for role, ref in inputs.items() if ref}}
    body = json.dumps({**card, "digest": digest}).encode() if digest else json.dumps(card).encode()
    return commit_files(store, "report", {"scorecard.json": body}, given, result)
