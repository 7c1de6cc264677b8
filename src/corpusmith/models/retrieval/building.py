"""The embedder that an index is built with: found by what was asked for, opened, told apart by digest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from corpusmith.core.errors import SourceError
from corpusmith.models.hosted.access import HostedAccess
from corpusmith.models.hub_fetch import commit_of
from corpusmith.models.hub_publish import HubAccess
from corpusmith.models.retrieval.embedding import Embedder, parse_embedder
from corpusmith.models.retrieval.encoder import FolderEncoder, encoder_digest
from corpusmith.models.retrieval.endpoint import EndpointEmbedder, EndpointTerms

WANTED = ("*.safetensors", "*.json", "*.txt", "*.model", "*_Pooling/config.json")
UNWANTED = ("onnx/*", "openvino/*")


@dataclass(frozen=True)
class EmbedderAccess:
    """How servers are reached.

    Attributes:
        openai: Address and key of an embeddings server.
        hub: The hub that encoders come from.
        terms: Price, budget and dimension of a server's vectors.
    """

    openai: HostedAccess = field(default_factory=HostedAccess)
    hub: HubAccess | None = None
    terms: EndpointTerms = field(default_factory=EndpointTerms)


def open_embedder(asked: str, access: EmbedderAccess) -> Embedder | None:
    """An encoder or a server's model; None for `none` and for `lsa`, which is fitted on the corpus.

    Raises:
        ParameterError: No such kind.
        SourceError: The folder, the hub's model or the server is not there.
        PreconditionError: What runs an encoder is not installed.
    """
    kind, name = parse_embedder(asked)
    if kind == "endpoint":
        return EndpointEmbedder(name, access.openai, access.terms)
    if kind == "encoder":
        folder = encoder_folder(name, access.hub)
        return FolderEncoder(folder, name if not Path(name).expanduser().is_dir() else folder.name)
    return None


def embedder_digest(asked: str, hub: HubAccess | None = None) -> str | None:
    """What an encoder's vectors follow from, for a step's identity; None where the name says it all."""
    kind, name = parse_embedder(asked)
    return encoder_digest(encoder_folder(name, hub)) if kind == "encoder" else None


def encoder_folder(name: str, hub: HubAccess | None = None) -> Path:
    """The folder of an encoder: the one named, or the hub's files in the local cache.

    Raises:
        SourceError: It is neither.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder.absolute()
    if name.count("/") != 1 or folder.is_absolute() or name.startswith("."):
        raise SourceError(f"no folder {name}", hint="Give a folder with an encoder, or its name on a hub.")
    import httpx
    from huggingface_hub import errors, snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    commit = commit_of(name, None, hub)
    token = None if hub is None or hub.token is None else hub.token.get_secret_value()
    endpoint = None if hub is None else hub.endpoint
    try:
        return Path(
            snapshot_download(
                name,
                revision=commit,
                endpoint=endpoint,
                token=token,
                allow_patterns=list(WANTED),
                ignore_patterns=list(UNWANTED),
            )
        )
    except (httpx.TransportError, errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError) as error:
        raise SourceError(f"{name} cannot be downloaded: {error}", hint="Download it, and name its folder.") from error
