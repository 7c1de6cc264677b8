"""A repository on a Hugging Face hub, to publish a folder to: what is there now, and one commit that makes it ours.

`HF_ENDPOINT` names another hub. The token is held in memory only; no message, record or log holds it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SecretStr

from corpusmith.core.errors import ParameterError, PreconditionError, SourceError

STAMP = ".corpusmith.json"
"""Names, in a published folder, the artifact and the form that it was made from."""

SCHEME = "hf://"
RepoKind = Literal["dataset", "model"]
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_OWN = frozenset({".gitattributes", STAMP})
"""What a repository that nobody filled holds."""


class HubAccess(BaseModel):
    """Which hub, and as whom. None = what huggingface_hub finds: the public hub, the token of its login."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    endpoint: str | None = None
    token: SecretStr | None = None


@dataclass(frozen=True)
class RepoState:
    """What a repository holds. `stamp`: what it was published from, None when not by us."""

    commit: str
    private: bool
    files: tuple[str, ...]
    stamp: dict[str, str] | None

    @property
    def empty(self) -> bool:
        """Whether nobody put anything there."""
        return set(self.files) <= _OWN


def repo_of(target: str) -> str:
    """`owner/name` of a target `hf://owner/name`.

    Raises:
        ParameterError: It is no such target.
    """
    name = target.removeprefix(SCHEME)
    if name == target or not _NAME.fullmatch(name) or ".." in name or "--" in name:
        raise ParameterError(f"{target!r} is no repository on a hub", hint="Write it as hf://owner/name.")
    return name


class HubRepo:
    """One repository, there or not.

    Args:
        access: Which hub, and as whom.
        name: `owner/name`.
        kind: What it is a repository of.
    """

    def __init__(self, access: HubAccess, name: str, kind: RepoKind) -> None:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined,unused-ignore]

        disable_progress_bars()
        token = None if access.token is None else access.token.get_secret_value()
        self._api = HfApi(endpoint=access.endpoint, token=token)
        self.name, self.kind = name, kind

    @property
    def url(self) -> str:
        """Where people look at it."""
        return f"{self._api.endpoint}/{'datasets/' if self.kind == 'dataset' else ''}{self.name}"

    def state(self, scratch: Path) -> RepoState | None:
        """What is there now; None when there is no such repository.

        Raises:
            PreconditionError: The hub refuses.
            SourceError: The hub cannot be reached.
        """
        from huggingface_hub import errors

        with self._refusals():
            try:
                info: Any = self._api.repo_info(self.name, repo_type=self.kind, timeout=30)
            except errors.GatedRepoError:
                raise
            except errors.RepositoryNotFoundError as error:
                if error.response.status_code == 401:
                    raise
                return None
            files = tuple(sibling.rfilename for sibling in info.siblings or ())
            stamp = self._stamp(info.sha, scratch) if STAMP in files else None
        return RepoState(str(info.sha), bool(info.private), files, stamp)

    def _stamp(self, commit: str, scratch: Path) -> dict[str, str] | None:
        path = self._api.hf_hub_download(
            self.name, STAMP, repo_type=self.kind, revision=commit, local_dir=scratch / "published"
        )
        try:
            said = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError:
            return None
        return {str(k): str(v) for k, v in said.items()} if isinstance(said, dict) else None

    def create(self, private: bool) -> None:
        """Make the repository.

        Raises:
            PreconditionError: The hub refuses.
            SourceError: The hub cannot be reached.
        """
        with self._refusals():
            self._api.create_repo(self.name, repo_type=self.kind, private=private, exist_ok=True)

    def replace(self, folder: Path, message: str, parent: str | None) -> str:
        """Make the repository hold exactly this folder, in one commit on top of `parent`; the commit's id.

        Raises:
            PreconditionError: The hub refuses, or somebody else committed meanwhile.
            SourceError: The hub cannot be reached.
        """
        with self._refusals():
            done = self._api.upload_folder(
                repo_id=self.name,
                repo_type=self.kind,
                folder_path=folder,
                commit_message=message,
                parent_commit=parent,
                delete_patterns="*",
            )
        return str(done.oid)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Say in one line what the hub refused; a status and a name, nothing of the request."""
        import httpx
        from huggingface_hub import errors

        try:
            yield
        except errors.HfHubHTTPError as error:
            status = error.response.status_code
            if status in (401, 403, 404):
                raise PreconditionError(
                    f"the hub does not let us write to {self.name} (HTTP {status})",
                    hint="Set HF_TOKEN to a token that may write there.",
                ) from None
            if status in (409, 412):
                raise PreconditionError(
                    f"{self.name} was changed by somebody else meanwhile", hint="Publish again."
                ) from None
            raise SourceError(f"the hub answered {self.name} with HTTP {status}", hint="Try again later.") from None
        except errors.OfflineModeIsEnabled:
            raise SourceError("HF_HUB_OFFLINE is set", hint="Unset it to publish.") from None
        except (httpx.HTTPError, RuntimeError, ValueError) as error:
            raise SourceError(
                f"the upload to {self._api.endpoint} failed: {_first_line(error.__cause__ or error)}",
                hint="Check the network and HF_ENDPOINT; a hub without Xet storage needs HF_HUB_DISABLE_XET=1.",
            ) from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
