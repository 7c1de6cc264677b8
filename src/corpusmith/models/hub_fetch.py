"""A model repository on a Hugging Face hub, to read: a name to a commit, a commit to files in the local cache.

Only configuration, tokenizer and safetensors of the top folder are fetched. What is in the cache is used without the
network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from corpusmith.core.errors import SourceError
from corpusmith.models.hub_publish import HubAccess

WANTED = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
UNWANTED = ("*/*", "consolidated*")
"""Only the top folder is a transformers model; `consolidated` files are second copies in another layout."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TIMEOUT_S = 30


def commit_of(name: str, revision: str | None, access: HubAccess | None = None) -> str:
    """The commit that a branch or tag (default: `main`) of a hub repository points at now.

    Where the hub cannot be reached, the one that the local cache holds for it.

    Raises:
        SourceError: There is no such repository or revision, or it can be neither reached nor found in the cache.
    """
    if revision is not None and _COMMIT.fullmatch(revision):
        return revision
    import httpx
    from huggingface_hub import HfApi, errors

    said = _said(access)
    with _told(name, revision):
        try:
            commit = HfApi(**said).model_info(name, revision=revision, timeout=_TIMEOUT_S).sha
        except (httpx.TransportError, errors.OfflineModeIsEnabled):
            return _cached(name, revision).name
    if commit is None:
        raise SourceError(f"the hub does not say the commit of {name}", hint="Give a commit as revision.")
    return str(commit)


def snapshot_folder(name: str, commit: str | None, access: HubAccess | None = None) -> Path:
    """The local folder with a commit's files; downloads what is not in the cache.

    Raises:
        SourceError: It is not in the cache and cannot be downloaded.
    """
    import httpx
    from huggingface_hub import errors, snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    patterns: dict[str, Any] = {"allow_patterns": list(WANTED), "ignore_patterns": list(UNWANTED)}
    with _told(name, commit):
        try:
            return Path(snapshot_download(name, revision=commit, **patterns, **_said(access)))
        except (httpx.TransportError, errors.OfflineModeIsEnabled):
            return _cached(name, commit)


def _cached(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    return Path(
        snapshot_download(
            name,
            revision=revision,
            local_files_only=True,
            allow_patterns=list(WANTED),
            ignore_patterns=list(UNWANTED),
        )
    )


def _said(access: HubAccess | None) -> dict[str, Any]:
    if access is None:
        return {}
    return {"endpoint": access.endpoint, "token": None if access.token is None else access.token.get_secret_value()}


@contextmanager
def _told(name: str, revision: str | None) -> Iterator[None]:
    """What the client may raise, as one clear error.

    Raises:
        SourceError: Says which.
    """
    import httpx
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise SourceError(
            f"the hub model {name} is gated", hint="Accept its terms on the hub and log in (HF_TOKEN)."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise SourceError(f"the hub model {name} has no revision {revision}", hint="Check the revision.") from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise SourceError(
            f"no model {name} on the hub", hint="Check the name, log in if it is private (HF_TOKEN), or give a folder."
        ) from error
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, httpx.HTTPError) as error:
        raise SourceError(
            f"the model {name} is not whole on this machine and the hub cannot give it",
            hint="Check the network and HF_ENDPOINT, or give a local folder, or `tiny`.",
        ) from error
