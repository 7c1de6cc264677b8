"""What one request may ask of the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Past these a request is refused.

    Attributes:
        body_bytes: Most bytes of a request.
        request_s: Most seconds from the first byte of a request to the last of its answer.
        answers: Most answers of one request: prompts x n.
        together: Most of them that are made at a time; the others wait in the request, not in the engine.
        texts: Most texts of one request for embeddings.
    """

    body_bytes: int = 4 * 1024 * 1024
    request_s: float = 600.0
    answers: int = 512
    together: int = 32
    texts: int = 2048
