"""Every failure as the error object that the `openai` client reads: `{"error": {message, type, param, code}}`.

The client tries 408, 409, 429 and 5xx again by itself. So a fault of the request is never a 5xx, and what would fail
again in the same way says `x-should-retry: false`.
"""

from __future__ import annotations

import json
import logging
import math
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from corpusmith.core.errors import CorpusmithError, NotFoundError, SourceError, UsageError
from corpusmith.models.serving.contract import Refused
from corpusmith.models.serving.sampling import Senseless

_log = logging.getLogger(__name__)
TOO_LONG = "took_too_long"
SENSELESS = "model_failed"


def refusal_of(error: BaseException) -> Refused:
    """What to answer for an exception."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        return _http(error)
    if isinstance(error, TimeoutError):
        return Refused(408, "the answer took longer than a request may take", "timeout_error", code=TOO_LONG)
    if isinstance(error, NotFoundError):
        return Refused(404, _sentences(error), param="model", code="model_not_found")
    if isinstance(error, SourceError):
        return Refused(503, _sentences(error), "server_error", code="source_unavailable", retry_after_s=5.0)
    if isinstance(error, UsageError):
        return Refused(400, _sentences(error))
    if isinstance(error, Senseless):
        return Refused(500, str(error), "server_error", code=SENSELESS)
    _log.error("a request failed", exc_info=error)
    said = _sentences(error) if isinstance(error, CorpusmithError) else "the server failed on this request"
    return Refused(500, said, "server_error", code="internal_error")


def _sentences(error: CorpusmithError) -> str:
    """What is wrong, and what to do about it."""
    return f"{error.message.rstrip('.')}. {error.hint}" if error.hint else error.message


def error_object(refused: Refused) -> dict[str, Any]:
    """The body of an error."""
    return {
        "error": {
            "message": refused.message,
            "type": refused.kind,
            "param": refused.param,
            "code": refused.code,
        }
    }


def error_response(refused: Refused) -> Response:
    """The whole answer, with what tells the client when to try again."""
    headers = {}
    if refused.retry_after_s is not None:
        headers = {
            "retry-after": str(math.ceil(refused.retry_after_s)),
            "retry-after-ms": str(math.ceil(1000 * refused.retry_after_s)),
        }
    if refused.code in (TOO_LONG, SENSELESS):
        headers["x-should-retry"] = "false"
    if refused.status == 401:
        headers["www-authenticate"] = "Bearer"
    body = json.dumps(error_object(refused)).encode()  # ASCII: what was sent may hold half a surrogate pair
    return Response(body, refused.status, headers, media_type="application/json")


def _invalid(error: RequestValidationError) -> Refused:
    """The first thing that is wrong, by its place in the body."""
    found = list(error.errors())
    first: dict[str, Any] = dict(found[0]) if found else {"loc": (), "msg": "the request is not valid"}
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    param = ".".join(place) or None
    if first.get("type") == "json_invalid":
        return Refused(400, f"the body is no JSON: {first.get('ctx', {}).get('error', '')}", code="invalid_json")
    message = str(first["msg"]).removeprefix("Value error, ")
    return Refused(400, f"{param}: {message}" if param else message, param=param, code="invalid_value")


def _http(error: HTTPException) -> Refused:
    if error.status_code == 404:
        return Refused(404, "there is no such route", code="unknown_url")
    if error.status_code == 405:
        return Refused(405, "the route does not take this method", code="method_not_allowed")
    kind = "invalid_request_error" if error.status_code < 500 else "server_error"
    return Refused(error.status_code, str(error.detail), kind)
