"""The application: the routes behind the door, every failure an error object of the API."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from corpusmith.core.errors import CorpusmithError
from corpusmith.models.serving.api import chat, completions, embeddings, models, rag
from corpusmith.models.serving.api.desk import Desk
from corpusmith.models.serving.api.errors import error_response, refusal_of
from corpusmith.models.serving.api.limits import Limits
from corpusmith.models.serving.api.reception import Reception
from corpusmith.models.serving.contract import Fleet, Gatekeeper, Grounder, Recorder, Refused


def create_app(
    fleet: Fleet,
    gatekeeper: Gatekeeper,
    recorder: Recorder,
    grounders: Mapping[str, Grounder] | None = None,
    limits: Limits | None = None,
) -> FastAPI:
    """The server's application.

    Args:
        fleet: The models.
        gatekeeper: Who is let in to `/v1`.
        recorder: Told of every request to `/v1`.
        grounders: Indexes by the name of the model that answers from them; `*` = any model.
        limits: What one request may ask.
    """
    app = FastAPI(title="corpusmith", version="1", openapi_url="/openapi.json", docs_url=None, redoc_url=None)
    limits = limits or Limits()
    app.state.desk = Desk(fleet, grounders or {}, limits)
    for part in (chat, completions, embeddings, rag, models):
        app.include_router(part.router)
    for kind in (CorpusmithError, Refused, RequestValidationError, HTTPException, TimeoutError):
        app.add_exception_handler(kind, _refuse)
    app.add_middleware(Reception, gatekeeper=gatekeeper, recorder=recorder, limits=limits)
    return app


async def _refuse(_request: Request, error: Exception) -> Response:
    return error_response(refusal_of(error))
