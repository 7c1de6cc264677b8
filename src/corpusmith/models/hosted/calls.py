"""One request to a provider: its failure as one of our errors, masked, and asked again while that can help."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from corpusmith.models.chat_errors import (
    ModelAuthError,
    ModelBadReply,
    ModelFailure,
    ModelRateLimited,
    ModelRequestError,
    ModelServerError,
    ModelTimeout,
)
from corpusmith.models.chat_failures import Failure, mask, retry_after
from corpusmith.models.hosted.access import HostedAccess

T = TypeVar("T")
MAX_WAIT_S = 300.0
"""A provider that wants to be left alone for longer is not waited for."""

PASSING = (ModelTimeout, ModelServerError, ModelBadReply, ModelRateLimited)
"""Failures after which the same request may succeed later."""

UNSURE = (ModelTimeout, ModelServerError, ModelBadReply)
"""Failures after which what was asked for may have been done."""

_SPENT = ("insufficient_quota", "billing_hard_limit_reached")


def failure_of(error: Exception, what: str, access: HostedAccess) -> Failure:
    """What `error`, raised by the client or by reading its answer, means.

    Args:
        error: An `openai.OpenAIError`, or the ValueError of an answer that is not what it should be.
        what: What was asked for, to go into the message.
        access: Whose secrets are masked.
    """
    import openai

    host, said = access.host, mask(_words(error), access.secrets())
    status = error.status_code if isinstance(error, openai.APIStatusError) else None
    fields: dict[str, Any] = {"status": status, "code": getattr(error, "code", None), "what": what}
    if isinstance(error, openai.APITimeoutError) or status == 408:
        text = f"{host} gave no answer in time to: {what}"
        return Failure(ModelTimeout(text, hint="Try again later.", **fields), True)
    if isinstance(error, openai.APIStatusError):
        return _refusal(error, f"{host} {{}} (HTTP {status}) on: {what}: {said}", fields)
    if isinstance(error, openai.APIConnectionError):
        cause = mask(str(error.__cause__ or error), access.secrets())
        text = f"{host} was not reached, or broke off, on: {what}: {cause}"
        return Failure(ModelServerError(text, hint="Check the network and OPENAI_BASE_URL.", **fields), True)
    text = f"{host} gave an answer that cannot be read to: {what}: {said}"
    hint = "Is OPENAI_BASE_URL the address of a provider of the OpenAI API?"
    return Failure(ModelBadReply(text, hint=hint, **fields), True)


def _refusal(error: Any, text: str, fields: dict[str, Any]) -> Failure:
    status = fields["status"]
    if status in (401, 403):
        hint = "Set OPENAI_API_KEY to a key that may do this."
        return Failure(ModelAuthError(text.format("refuses the key"), hint=hint, **fields), False)
    if status == 429:
        spent = fields["spent"] = error.code in _SPENT
        headers = {key.lower(): value for key, value in error.response.headers.items()}
        fields["retry_after"] = retry_after(headers)
        said = "says that the account's quota is spent" if spent else "says that there are too many requests"
        hint = "Raise the account's limit." if spent else "Try again later."
        return Failure(ModelRateLimited(text.format(said), hint=hint, **fields), not spent)
    if status == 409 or status >= 500:
        return Failure(ModelServerError(text.format("failed"), hint="Try again later.", **fields), True)
    hint = (
        "Is OPENAI_BASE_URL the address of a provider of the fine-tuning API?"
        if status == 404
        else "Check the name of the model and the settings."
    )
    return Failure(ModelRequestError(text.format("refuses"), hint=hint, **fields), False)


def _words(error: Exception) -> str:
    """The provider's own message where there is one."""
    body = getattr(error, "body", None)
    said = body.get("message") if isinstance(body, dict) else None
    return said if isinstance(said, str) and said else str(error)


class Caller:
    """Asks again while that can help.

    Args:
        access: The provider, and how patient to be.
        pause: Sleeps; may raise to stop.
    """

    def __init__(self, access: HostedAccess, pause: Callable[[float], None] = time.sleep) -> None:
        self.access, self.pause = access, pause

    def once(self, what: str, request: Callable[[], T]) -> T:
        """One attempt.

        Raises:
            ModelFailure: It failed.
        """
        import openai

        try:
            return request()
        except (openai.OpenAIError, ValueError) as error:
            raise failure_of(error, what, self.access).error from None

    def ask(self, what: str, request: Callable[[], T]) -> T:
        """As often as the access says; only for what may be done twice.

        Raises:
            ModelFailure: It failed in a way that does not pass, or every time.
        """
        attempt = 0
        while True:
            try:
                return self.once(what, request)
            except ModelFailure as failure:
                attempt += 1
                wait = self.wait_before(attempt, failure)
                if wait is None:
                    raise
            self.pause(wait)

    def wait_before(self, attempt: int, failure: ModelFailure) -> float | None:
        """Seconds to wait before attempt number `attempt` (from 0) after a failure; None = do not ask again."""
        if attempt >= self.access.attempts or not passes(failure):
            return None
        told = failure.retry_after if isinstance(failure, ModelRateLimited) else None
        wait = self.access.backoff_s * 2 ** (attempt - 1) if told is None else told
        return wait if wait <= MAX_WAIT_S else None


def passes(failure: ModelFailure) -> bool:
    """Whether the same request may succeed later."""
    return isinstance(failure, PASSING) and not failure.fields.get("spent")
