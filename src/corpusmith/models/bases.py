"""A base model by its name: `tiny`, a local folder or a hub id; what it is, and whether it can be trained at all.

Refused, each with its reason: weights as pickles, a model that brings its own code, one that does not predict the next
token, a tokenizer without EOS or with ids that the model does not know.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from corpusmith.core.errors import ParameterError, PreconditionError, SourceError
from corpusmith.core.model_manifest import ModelManifest
from corpusmith.models.digests import ADAPTER_CONFIG, chat_template_of, model_digests, tensor_headers, weight_files
from corpusmith.models.hub_fetch import commit_of, snapshot_folder
from corpusmith.models.hub_publish import HubAccess
from corpusmith.models.training.extra import need_training_libraries

TINY = "tiny"
_HUB_ID = re.compile(r"(?:[A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")


@dataclass(frozen=True)
class BasePoint:
    """What a name points at now.

    Attributes:
        kind: `tiny`, `folder` or `hub`.
        location: Absolute folder, or hub id.
        state: Digest of the folder, or commit of the repository; empty for `tiny`.
    """

    kind: Literal["tiny", "folder", "hub"]
    location: str
    state: str


def point_at(name: str, revision: str | None = None, access: HubAccess | None = None) -> BasePoint:
    """Resolve a name. A folder that exists comes before a hub id of the same name.

    Raises:
        ParameterError: The name is none of the three, or a revision was given where there are none.
        SourceError: The folder holds no model, or the hub does not know or give it.
    """
    folder = Path(name).expanduser()
    looks_local = folder.is_absolute() or name.startswith((".", "~")) or folder.is_dir()
    if revision is not None and (name == TINY or looks_local):
        raise ParameterError(f"{name} has no revisions", hint="Leave out the revision.")
    if name == TINY:
        return BasePoint("tiny", TINY, "")
    if looks_local:
        if (folder / ADAPTER_CONFIG).is_file():
            raise SourceError(f"{folder} holds an adapter, not a whole model", hint="Give the base, or merge it first.")
        return BasePoint("folder", str(folder.resolve()), model_digests(folder).digest)
    if not _HUB_ID.fullmatch(name) or ".." in name or "--" in name:
        raise ParameterError(f"{name!r} names no base model", hint="Give tiny, a folder, or a hub id (owner/name).")
    return BasePoint("hub", name, commit_of(name, revision, access))


def glance(name: str, access: HubAccess | None = None) -> None:
    """Refuse early what cannot be a base: of a folder everything but its weights, of a hub model that it is there.

    Raises:
        ParameterError: It is no name of a base.
        SourceError: It is not there, or a file of it is missing or damaged.
        PreconditionError: It cannot be trained; says why.
    """
    folder = Path(name).expanduser()
    if name == TINY:
        return
    if folder.is_absolute() or name.startswith((".", "~")) or folder.is_dir():
        if not folder.is_dir():
            raise SourceError(f"there is no base model at {name}", hint="Give tiny, a folder, or a hub id.")
        if (folder / ADAPTER_CONFIG).is_file():
            raise SourceError(f"{folder} holds an adapter, not a whole model", hint="Give the base, or merge it first.")
        inspect(folder, name)
        return
    point_at(name, None, access)


def describe(point: BasePoint, name: str, access: HubAccess | None = None) -> ModelManifest:
    """The manifest of a folder or a hub model, after every check; downloads the hub model.

    Raises:
        SourceError: A file is missing or damaged; the message names it.
        PreconditionError: It cannot be trained; says why.
    """
    hub = point.kind == "hub"
    folder = snapshot_folder(point.location, point.state, access) if hub else Path(point.location)
    facts = inspect(folder, name)
    found = model_digests(folder)
    return ModelManifest(
        kind="reference",
        name=name,
        digest=found.digest,
        parts=found.parts,
        location=point.location,
        revision=point.state if hub else None,
        parameters=facts.parameters,
        context_length=facts.context_length,
        chat_template=facts.chat_template,
    )


@dataclass(frozen=True)
class BaseFacts:
    """What was seen of a model: all parameters, most tokens it takes, whether its tokenizer has a chat template."""

    parameters: int
    context_length: int | None
    chat_template: bool


def inspect(folder: Path, name: str) -> BaseFacts:
    """Check a model folder and take its facts; no weights are loaded.

    Raises:
        SourceError: A file is missing or damaged; the message names it.
        PreconditionError: It cannot be trained; says why.
    """
    need_training_libraries()
    config = _config(folder, name)
    sizes = {key: said["shape"] for path in weight_files(folder) for key, said in tensor_headers(path).items()}
    tokenizer = _tokenizer(folder, name)
    rows = config.get_text_config().vocab_size
    largest = max(tokenizer.get_vocab().values())
    if largest >= rows:
        raise PreconditionError(
            f"the tokenizer of {name} has the id {largest}, and the model knows {rows}",
            hint="Give the tokenizer that belongs to the model.",
        )
    length = getattr(config.get_text_config(), "max_position_embeddings", None)
    return BaseFacts(
        sum(math.prod(shape) for shape in sizes.values()),
        length if isinstance(length, int) and length > 0 else None,
        chat_template_of(folder) is not None,
    )


def _config(folder: Path, name: str) -> Any:
    """The configuration of a model that predicts the next token, by code that transformers has itself."""
    if not (folder / "config.json").is_file():
        raise SourceError(f"{folder} lacks config.json", hint="Give a folder that save_pretrained wrote.")
    for file in ("config.json", "tokenizer_config.json"):
        if (folder / file).is_file() and "auto_map" in _json(folder / file):
            raise PreconditionError(
                f"{name} brings its own code (auto_map in {file}), which is never run",
                hint="Choose a model that transformers knows.",
            )
    transformers: Any = import_module("transformers")
    try:
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (ValueError, KeyError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise PreconditionError(f"transformers does not know {name}: {first}", hint="Choose another base.") from error
    known: Any = import_module("transformers.models.auto.modeling_auto").MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    said = config.architectures or []
    fits = any(one in known.values() for one in said) if said else config.model_type in known
    if not fits or getattr(config, "is_encoder_decoder", False):
        what = ", ".join(said) or config.model_type
        raise PreconditionError(
            f"{name} is no causal language model ({what})", hint="Choose one that ends in ForCausalLM."
        )
    return config


def _tokenizer(folder: Path, name: str) -> Any:
    if not any((folder / file).is_file() for file in _TOKENIZERS):
        raise SourceError(f"{folder} lacks tokenizer.json", hint="Save the tokenizer beside the model.")
    transformers: Any = import_module("transformers")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (ValueError, KeyError, OSError, ImportError) as error:
        first = str(error).strip().splitlines()[0]
        raise SourceError(
            f"the tokenizer of {name} cannot be read: {first}", hint="Save it as a fast tokenizer (tokenizer.json)."
        ) from error
    if tokenizer.eos_token_id is None:
        raise PreconditionError(
            f"the tokenizer of {name} has no EOS token, so no answer would end",
            hint="Set eos_token in its tokenizer_config.json.",
        )
    return tokenizer


def _json(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise SourceError(f"{path} is not valid JSON", hint="Download or save the model again.") from error
    return said if isinstance(said, dict) else {}
