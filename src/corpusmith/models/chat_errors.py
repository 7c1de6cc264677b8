"""What can go wrong with a chat model, as a part of the one error tree.

    ModelFailure        exit 2   the model gave no usable answer; the rules can go on without it
    |- ModelTimeout              no answer in time, after every attempt
    |- ModelRateLimited          429; `retry_after` seconds when the server said so
    |- ModelServerError          5xx, or the server was not reached
    |- ModelBadReply             an answer that is no chat completion (broken JSON, no choices)
    |- ModelAuthError            the key is missing or refused
    `- ModelRequestError         the server refuses the request (no such model, text too long)

A completion whose text does not fit the schema is no failure: it is a `ChatReply` with an error, for the caller to send
back. Messages never hold a key.
"""

from __future__ import annotations

from corpusmith.core.errors import CorpusmithError, UsageError


class ModelFailure(CorpusmithError):  # noqa: N818 - the name says what it is
    """A call to a chat model gave nothing; `fields['model']` names the model, `fields['status']` the HTTP status."""

    exit_status = 2


class ModelTimeout(ModelFailure):
    """No answer within the time limit."""


class ModelRateLimited(ModelFailure):
    """Too many requests, or the account's quota is spent."""

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the server says to ask again; None when it did not say."""
        value = self.fields.get("retry_after")
        return None if value is None else float(value)


class ModelServerError(ModelFailure):
    """The server failed or was not reached."""


class ModelBadReply(ModelFailure):
    """What came back is no chat completion."""


class ModelAuthError(ModelFailure, UsageError):
    """The key is missing, wrong, or not allowed to use the model."""


class ModelRequestError(ModelFailure, UsageError):
    """The server refuses this request and would refuse it again."""
