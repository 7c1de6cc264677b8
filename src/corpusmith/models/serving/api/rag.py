"""`POST /v1/rag`: one question, answered from the index, with the rows that the answer rests on."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from corpusmith.models.serving.api.answers import collected, room_for
from corpusmith.models.serving.api.desk import (
    NOT_FOUND,
    RAG,
    desk_of,
    grounded,
    grounding_facts,
    in_thread,
)
from corpusmith.models.serving.api.shapes import ERRORS, RagRequest
from corpusmith.models.serving.api.visit import Visit, usage, visit_of
from corpusmith.models.serving.contract import Composer, Grounder, Grounding, Refused, Sampling

router = APIRouter()


@router.post("/v1/rag", responses={**ERRORS})
async def answer(request: Request, body: RagRequest) -> Response:
    """Answer a question from the index."""
    visit, desk = visit_of(request), desk_of(request)
    visit.prompt = body.question
    able = [name.removesuffix(RAG) for name in desk.names() if name.endswith(RAG)]
    if body.model is None and not able:
        raise Refused(404, "no index is served", param="model", code="model_not_found")
    name = (body.model or able[0]).removesuffix(RAG)
    served, grounder = await desk.borrow(visit, name + RAG)
    assert grounder is not None
    messages = [{"role": "user", "content": body.question}]
    if body.task == "write":
        found = await _composed(visit, grounder, messages, body)
    elif body.files:
        raise Refused(400, "files are for the task write", param="files")
    else:
        asked = (body.k, body.filters)
        found = await grounded(visit, grounder, served, messages, asked, body.max_tokens or 1)
    text: str = NOT_FOUND
    if found.found or body.task == "write":
        ids = await in_thread(visit, lambda: served.chat_ids(found.messages))
        visit.prompt_tokens = len(ids)
        room = room_for(served.context, len(ids), body.max_tokens)
        temperature = 0.0 if body.temperature is None else body.temperature
        sampling = Sampling(room, temperature, seed=body.seed)
        text = (await collected(visit, [partial(served.generate, ids, sampling)], 1))[0].text
    out: dict[str, Any] = {"id": f"rag-{uuid.uuid4().hex}", "object": "rag.answer", "model": name, "answer": text}
    facts = grounding_facts(found)
    spent = usage(visit.prompt_tokens, visit.answer_tokens)
    return JSONResponse(out | {"citations": facts["citations"], **facts["grounding"], "usage": spent})


async def _composed(visit: Visit, grounder: Grounder, messages: list[dict[str, Any]], body: RagRequest) -> Grounding:
    if not isinstance(grounder, Composer):
        raise Refused(400, "this index cannot be written from", param="task")
    files = [(file.name, file.text) for file in body.files]
    found = await in_thread(visit, lambda: grounder.compose(messages, files=files, k=body.k, filters=body.filters))
    visit.passages = tuple(str(one["row_id"]) for one in found.citations)
    return found
