"""Turns whatever a chat client raises into our errors, and says whether asking again can help.

LangChain's integrations classify their vendors' errors (`langchain_core.exceptions.ModelError`); for those that do not,
the HTTP status they carry decides.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from corpusmith.models.chat_errors import (
    ModelAuthError,
    ModelBadReply,
    ModelFailure,
    ModelRateLimited,
    ModelRequestError,
    ModelServerError,
    ModelTimeout,
)

EXCERPT_CHARS = 300
_KEYS = re.compile(r"\b(?:sk|pk|rk)-[\w*.-]{6,}|(?i:bearer\s+)\S+")


class Failure(NamedTuple):
    """Our error, and whether the same request may succeed later."""

    error: ModelFailure
    retry: bool


def mask(text: str, secrets: Sequence[str]) -> str:
    """`text` without the secrets and without anything that looks like a key, on one line of at most 300 characters."""
    for secret in secrets:
        text = text.replace(secret, "[key]")
    text = " ".join(_KEYS.sub("[key]", text).split())
    return text if len(text) <= EXCERPT_CHARS else text[:EXCERPT_CHARS] + "…"


def classify(error: Exception, model: str, secrets: Sequence[str]) -> Failure:
    """What `error`, raised by the chat client of `model`, means."""
    from langchain_core import exceptions as lc

    status = _status(error)
    kind, text, hint, again, wait = _meaning(error, status, mask(str(error), secrets), lc)
    fields: dict[str, Any] = {"model": model, "status": status}
    if kind is ModelRateLimited:
        fields["retry_after"] = wait
    return Failure(kind(f"{model} {text}", hint=hint, **fields), again)


def _meaning(
    error: Exception, status: int | None, said: str, lc: Any
) -> tuple[type[ModelFailure], str, str, bool, float | None]:
    """(kind, what the model did, hint, whether to ask again, seconds to wait) for an error of a client."""
    if isinstance(error, lc.ModelTimeoutError | TimeoutError) or status == 408:
        return ModelTimeout, "gave no answer in time", "Raise the time limit or ask a faster model.", True, None
    if isinstance(error, lc.ModelAuthenticationError | lc.ModelPermissionDeniedError) or status in (401, 403):
        hint = "Set the provider's key, OPENAI_API_KEY for openai."
        return ModelAuthError, f"refuses the key ({status or 'no status'})", hint, False, None
    if isinstance(error, lc.ModelRateLimitError) or status == 429:
        spent = getattr(error, "code", None) == "insufficient_quota"
        text = "says that the account's quota is spent" if spent else "says that there are too many requests"
        return ModelRateLimited, text, "Wait, or ask another model.", not spent, retry_after(_headers(error))
    if isinstance(error, lc.ModelAPIError | lc.ModelConnectionError | ConnectionError) or (status or 0) >= 500:
        text = f"failed on its server ({status})" if status else "was not reached, or broke off its answer"
        return ModelServerError, text, "Check the address and the server.", True, None
    if isinstance(error, lc.ModelError) or status is not None:
        return ModelRequestError, f"refuses the request: {said}", "Check the model's name and limits.", False, None
    text = f"answered with no chat completion ({type(error).__name__}: {said})"
    return ModelBadReply, text, "Is the address that of an OpenAI-compatible server?", False, None


def refuses_tools(failure: ModelFailure) -> bool:
    """Whether a refused request was refused because it carried a tool."""
    text = failure.message.lower()
    return isinstance(failure, ModelRequestError) and ("tool" in text or "function" in text)


def retry_after(headers: dict[str, str]) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after` (seconds or a date); None when absent or unreadable."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        raw = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d+)?", raw):
            return float(raw) * scale
    try:
        return max(parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _status(error: Exception) -> int | None:
    # clients hang the response on parse errors too, so a status below 400 says nothing
    for holder in (error, getattr(error, "response", None)):
        status = getattr(holder, "status_code", None)
        if type(status) is int and status >= 400:
            return status
    return None


def _headers(error: Exception) -> dict[str, str]:
    headers: Any = getattr(getattr(error, "response", None), "headers", None)
    return {str(key).lower(): str(value) for key, value in dict(headers or {}).items()}
