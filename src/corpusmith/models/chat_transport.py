"""Bounds on the body of an answer: its bytes, and the seconds it may take from its first byte to its last.

A client's read timeout starts anew with every chunk, so a server that sends a byte now and then would hold a run for
ever; and nothing stops one that never stops sending.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

MAX_BODY_BYTES = 8 * 1024 * 1024


def bounded_client(timeout_s: float, max_bytes: int = MAX_BODY_BYTES) -> httpx.Client:
    """An HTTP client whose answers end after `timeout_s` seconds and `max_bytes` bytes, or break off; close it."""
    import httpx

    class Bounded(httpx.SyncByteStream):
        def __init__(self, response: httpx.Response) -> None:
            self.request, self.inner = response.request, response.stream
            self.deadline = time.monotonic() + timeout_s

        def __iter__(self) -> Iterator[bytes]:
            size = 0
            assert isinstance(self.inner, httpx.SyncByteStream)
            for chunk in self.inner:
                size += len(chunk)
                if size > max_bytes:
                    raise httpx.RemoteProtocolError(f"an answer of over {max_bytes} bytes", request=self.request)
                if time.monotonic() > self.deadline:
                    raise httpx.ReadTimeout(f"an answer of over {timeout_s:g} s", request=self.request)
                yield chunk

        def close(self) -> None:
            assert isinstance(self.inner, httpx.SyncByteStream)
            self.inner.close()

    def bound(response: httpx.Response) -> None:
        response.stream = Bounded(response)

    hooks = {"response": [bound]}
    return httpx.Client(timeout=timeout_s, follow_redirects=True, event_hooks=hooks, verify=_certificates())


@cache
def _certificates() -> ssl.SSLContext:
    """Whom to trust, read once a process: that takes longer than a request does."""
    import httpx

    return httpx.create_ssl_context()
