"""Where traces go, and what came of sending them."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from corpusmith.core.fingerprints import fingerprint
from corpusmith.core.settings import Settings


class OpikSettings(BaseModel):
    """An Opik server. With no `url` nothing is sent anywhere and the SDK is not even imported."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: str | None = Field(None, description="base of the API, `https://opik.example.org/api/`")
    api_key: SecretStr | None = None
    workspace: str = "default"
    project: str = "corpusmith"
    timeout_s: float = Field(15.0, gt=0, description="seconds a request may take")
    retries: int = Field(2, ge=0, le=10, description="further attempts after a 429, a 5xx or a lost connection")
    batch: int = Field(200, ge=1, le=1000, description="spans per request; Opik takes 1,000 at most")

    def destination(self) -> str:
        """32 hex digits that name the place records go to; the key is no part of it.

        Ids and cursors depend on it, so the same run can be sent to two projects without one hiding the other.
        """
        return fingerprint([(self.url or "").rstrip("/"), self.workspace, self.project])


class ExportResult(NamedTuple):
    """What one export did: records of the log acknowledged now, records still to send, and why it stopped."""

    exported: int
    pending: int
    error: str | None


def opik_settings(settings: Settings) -> OpikSettings:
    """The Opik part of the program's settings."""
    return OpikSettings(
        url=settings.opik_url,
        api_key=settings.opik_api_key,
        workspace=settings.opik_workspace,
        project=settings.opik_project,
    )
