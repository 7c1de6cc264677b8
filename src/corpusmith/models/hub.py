"""Model repositories of a Hugging Face hub (`HF_ENDPOINT`): a name to a commit, a commit to files in the local cache.

Only configuration, tokenizer and safetensors are fetched. What is in the cache is used without the network.
"""

from __future__ import annotations

import re
from pathlib import Path

from corpusmith.core.errors import SourceError

WANTED = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
UNWANTED = ("*/*", "consolidated*", "original/*")
"""Only the top folder is a transformers model; `consolidated` files are second copies in another layout."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


def commit_of(name: str, revision: str | None) -> str:
    """The commit that a branch or tag (default: the main one) of a hub repository points at now.

    Where the hub cannot be reached, the newest one in the local cache.

    Raises:
        SourceError: There is no such repository or revision, or it can be neither reached nor found in the cache.
    """
    if revision is not None and _COMMIT.fullmatch(revision):
        return revision
    import httpx
    from huggingface_hub import HfApi, errors

    try:
        commit = HfApi().model_info(name, revision=revision, timeout=30).sha
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
    except (errors.HfHubHTTPError, errors.OfflineModeIsEnabled, httpx.HTTPError, OSError) as error:
        return _cached_commit(name, revision, error)
    if commit is None:
        raise SourceError(f"the hub does not say the commit of {name}", hint="Give a commit as revision.")
    return commit


def _cached_commit(name: str, revision: str | None, cause: BaseException) -> str:
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True)).name
    except errors.LocalEntryNotFoundError:
        raise _unreachable(name) from cause


def snapshot_folder(name: str, commit: str | None) -> Path:
    """The local folder with a commit's files; downloads what is not in the cache.

    Raises:
        SourceError: It is not in the cache and cannot be downloaded.
    """
    import httpx
    from huggingface_hub import errors, snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    try:
        found = snapshot_download(name, revision=commit, allow_patterns=list(WANTED), ignore_patterns=list(UNWANTED))
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
        raise SourceError(
            f"no model {name} at {commit} on the hub", hint="Check the name and the revision, or give a folder."
        ) from error
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, httpx.HTTPError, OSError) as error:
        raise _unreachable(name) from error
    return Path(found)


def _unreachable(name: str) -> SourceError:
    return SourceError(
        f"the model {name} is not on this machine and the hub cannot be reached",
        hint="Check the network and HF_ENDPOINT, or give a local folder, or `tiny`.",
    )
