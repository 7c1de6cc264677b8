"""Server-sent events, as the `openai` client reads them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from starlette.responses import StreamingResponse

from corpusmith.models.serving.api.errors import error_object, refusal_of
from corpusmith.models.serving.api.visit import Visit

HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}


def event_stream(visit: Visit, chunks: AsyncIterator[Mapping[str, Any]]) -> StreamingResponse:
    """Send chunks as events, then `[DONE]`; a failure on the way is an event too, and the last one."""

    async def events() -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in chunks:
                yield _event(json.dumps(chunk, separators=(",", ":")))
        except Exception as error:  # noqa: BLE001 - the headers are out: the stream says it
            refused = refusal_of(error)
            visit.status = refused.status
            yield _event(json.dumps(error_object(refused)))
        else:
            yield _event("[DONE]")

    return StreamingResponse(events(), media_type="text/event-stream", headers=HEADERS)


def _event(data: str) -> bytes:
    return f"data: {data}\n\n".encode()
