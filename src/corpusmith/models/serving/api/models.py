"""`GET /v1/models`, `/v1/models/{id}`, and whether the server lives and is ready."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from corpusmith.core.errors import NotFoundError
from corpusmith.models.serving.api.desk import RAG, Desk, desk_of
from corpusmith.models.serving.api.shapes import ERRORS

router = APIRouter()


@router.get("/v1/models", responses={**ERRORS})
async def models(request: Request) -> Response:
    """Every name that may be asked for."""
    desk = desk_of(request)
    return JSONResponse({"object": "list", "data": [_facts(desk, name) for name in desk.names()]})


@router.get("/v1/models/{name:path}", responses={**ERRORS})
async def model(request: Request, name: str) -> Response:
    """One of them."""
    desk = desk_of(request)
    if name not in desk.names():
        raise NotFoundError(f"no model {name!r} is served here", hint=f"There are: {', '.join(desk.names())}.")
    return JSONResponse(_facts(desk, name))


@router.get("/healthz", include_in_schema=False)
async def health(request: Request) -> Response:
    """200 when a model is open, else 503; that it answers at all says that it lives."""
    desk = desk_of(request)
    open_now = {}
    for name in desk.fleet.names():
        try:
            async with desk.fleet.lend(name, "healthz") as served:
                open_now[name] = served.ref
        except NotFoundError:
            continue
    return JSONResponse({"live": True, "ready": bool(open_now), "models": open_now}, 200 if open_now else 503)


def _facts(desk: Desk, name: str) -> dict[str, Any]:
    facts = {"id": name, "object": "model", "created": 0, "owned_by": "corpusmith"}
    return facts | ({"filters": desk.grounder(name.removesuffix(RAG)).fields} if name.endswith(RAG) else {})
