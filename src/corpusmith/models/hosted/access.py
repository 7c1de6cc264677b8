"""Which provider, and as whom; and the client that speaks to it. The key is held in memory only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from corpusmith.core.errors import PreconditionError
from corpusmith.models.chat_errors import ModelAuthError
from corpusmith.models.chat_transport import bounded_client

if TYPE_CHECKING:
    from openai import OpenAI

OPENAI = "https://api.openai.com/v1"
LOCAL_KEY = "not-needed"


class HostedAccess(BaseModel):
    """Address and key of a provider, and how patient to be with it. A server at an own address may need no key."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    base_url: str | None = Field(None, description="null = OpenAI's own")
    api_key: SecretStr | None = None
    prices: dict[str, float] = Field(
        default_factory=dict, description="US dollars for a million trained tokens, by the name of the base"
    )
    timeout_s: float = Field(60.0, gt=0, description="for one answer")
    attempts: int = Field(5, ge=1, description="of one request, when it fails in a way that may pass")
    backoff_s: float = Field(1.0, ge=0, description="before the second attempt; doubled before each further one")
    patience_s: float = Field(3600.0, ge=0, description="how long a running job may be out of reach before we give up")

    @property
    def endpoint(self) -> str:
        """The address, without a user or password that it may hold."""
        url = (self.base_url or OPENAI).rstrip("/")
        parts = urlsplit(url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    @property
    def host(self) -> str:
        """What to call it in messages."""
        return urlsplit(self.endpoint).netloc or self.endpoint

    def secrets(self) -> list[str]:
        """What no message may hold."""
        found = [] if self.api_key is None else [self.api_key.get_secret_value()]
        return [*found, *filter(None, [urlsplit(self.base_url or "").password])]


@contextmanager
def open_client(access: HostedAccess) -> Iterator[OpenAI]:
    """The real client, with no retries of its own; its connections are closed on leaving.

    Raises:
        ModelAuthError: OpenAI's own address, and no key.
        PreconditionError: The package `openai` is not installed.
    """
    if access.api_key is None and access.base_url is None:
        raise ModelAuthError("OpenAI needs a key", hint="Set OPENAI_API_KEY.")
    try:
        from openai import OpenAI
    except ImportError as error:
        raise PreconditionError(
            "a hosted model needs the package openai", hint="pip install 'corpusmith[llm]'"
        ) from error
    key = LOCAL_KEY if access.api_key is None else access.api_key.get_secret_value()
    with bounded_client(access.timeout_s) as http:
        yield OpenAI(
            api_key=key,
            base_url=access.base_url or OPENAI,
            timeout=access.timeout_s,
            max_retries=0,
            http_client=http,
        )
