"""`POST /v1/embeddings`: the mean of a text's last hidden states in the served model, of unit length.

A causal model's states make plain vectors: they tell texts of one kind apart, and are no match for a model that was
trained to embed. `dimensions` is refused, since these vectors may not be cut.
"""

from __future__ import annotations

import asyncio
import base64
import struct
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from corpusmith.models.serving.api.answers import room_for
from corpusmith.models.serving.api.completions import as_many
from corpusmith.models.serving.api.desk import desk_of, in_thread
from corpusmith.models.serving.api.shapes import ERRORS, EmbeddingRequest
from corpusmith.models.serving.api.visit import visit_of
from corpusmith.models.serving.contract import Refused

router = APIRouter()


@router.post("/v1/embeddings", responses={**ERRORS})
async def embed(request: Request, body: EmbeddingRequest) -> Response:
    """A vector for each text."""
    visit, desk = visit_of(request), desk_of(request)
    visit.prompt = body.input
    if body.dimensions is not None:
        raise Refused(400, "these vectors have one size", param="dimensions", code="unsupported_value")
    served, grounder = await desk.borrow(visit, body.model)
    if grounder is not None:
        raise Refused(400, "an index makes no vectors here", param="model", code="unsupported_value")
    asked = as_many(body.input)
    if len(asked) > desk.limits.texts:
        raise Refused(400, f"more than {desk.limits.texts} texts in one request", param="input")
    ids = await in_thread(visit, lambda: [served.text_ids(one) if isinstance(one, str) else one for one in asked])
    for one in ids:
        room_for(served.context, len(one), 0)
    visit.prompt_tokens = sum(len(one) for one in ids)
    async with asyncio.timeout_at(visit.deadline):
        vectors = await served.embed(ids)
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector, body.encoding_format)}
        for index, vector in enumerate(vectors)
    ]
    spent = {"prompt_tokens": visit.prompt_tokens, "total_tokens": visit.prompt_tokens}
    return JSONResponse({"object": "list", "data": data, "model": body.model, "usage": spent})


def _packed(vector: list[float], form: str | None) -> Any:
    """Numbers, or their 32-bit little-endian bytes in base64, which the client asks for by itself."""
    if form == "base64":
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return vector
