"""Real requests to a server that was just brought up: the evidence that a version answers there.

Each asks for one version by name, so that neither an alias nor a canary's share can send it to another. Where there are
keys, a key is made for the probes alone and revoked after them; a server takes a new key within a second.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from corpusmith.models.serving.tally import percentile
from corpusmith.store.api_keys import ApiKeys

PROMPTS = ("Hello", "What is the capital of France?", "The river", "Write one sentence.", "1, 2, 3,")
_TOKENS = 8
_KEY_WAIT_S = 10.0


@dataclass(frozen=True)
class Probe:
    """One request and what came of it. `answer` is a hash of the text, `fault` None when all is well."""

    url: str
    version: str
    prompt: str
    status: int
    seconds: float
    tokens: int
    answer: str
    fault: str | None


def probe(
    url: str, version: str, count: int, key: str | None, timeout_s: float, check: Callable[[], None]
) -> list[Probe]:
    """Ask a server `count` times, one after the other.

    Args:
        url: The server, without `/v1`.
        version: The model to ask for, `name@version` or an artifact id.
        count: How often.
        key: API key; None where there are none.
        timeout_s: Of each request.
        check: Called between two: raises when it is time to stop.
    """
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=timeout_s) as client:
        if key is not None:
            _wait_for_key(client, check)
        found = []
        for number in range(count):
            check()
            found.append(_ask(client, url, version, PROMPTS[number % len(PROMPTS)]))
        return found


def _ask(client: httpx.Client, url: str, version: str, prompt: str) -> Probe:
    body = {"model": version, "prompt": prompt, "max_tokens": _TOKENS, "temperature": 0, "seed": 0}
    began, status, tokens, text, fault = time.perf_counter(), 0, 0, "", None
    try:
        answer = client.post("/v1/completions", json=body)
        status = answer.status_code
        said = answer.json()
        if status == 200:
            text, tokens = str(said["choices"][0]["text"]), int(said["usage"]["completion_tokens"])
            fault = None if tokens else "the answer has no token"
        else:
            fault = f"status {status}: {said['error']['message']}"
    except httpx.HTTPError as error:
        fault = f"{type(error).__name__}: {error}"
    except (ValueError, KeyError, TypeError, IndexError) as error:
        fault = f"an answer that is none ({type(error).__name__})"
    seconds = round(time.perf_counter() - began, 4)
    return Probe(url, version, prompt, status, seconds, tokens, hashlib.sha256(text.encode()).hexdigest()[:16], fault)


def _wait_for_key(client: httpx.Client, check: Callable[[], None]) -> None:
    ends = time.monotonic() + _KEY_WAIT_S
    while time.monotonic() < ends:
        check()
        try:
            if client.get("/v1/models").status_code != 401:
                return
        except httpx.HTTPError:
            return  # the probes will say so
        time.sleep(0.1)


@contextmanager
def probe_key(keys: ApiKeys, by: str) -> Iterator[str | None]:
    """A key for as long as the probes take; None where there are no keys, since the first would shut everybody out."""
    if not keys.all():
        yield None
        return
    name = f"probe-{secrets.token_hex(4)}"
    _, key = keys.create(name, by, redact=True)
    try:
        yield key
    finally:
        keys.revoke(name)


def evidence(probes: list[Probe]) -> dict[str, Any]:
    """Figures over the probes, and each of them."""
    seconds = [one.seconds for one in probes if one.fault is None]
    return {
        "probes": len(probes),
        "failed": sum(one.fault is not None for one in probes),
        "p50_s": percentile(seconds, 0.5),
        "max_s": max(seconds, default=None),
        "versions": sorted({one.version for one in probes}),
        "answers": [asdict(one) for one in probes],
    }


def ready_s(url: str, timeout_s: float = 5.0) -> float | None:
    """Seconds until the server said that it is ready; None when it did not."""
    began = time.perf_counter()
    try:
        ready = httpx.get(f"{url}/healthz", timeout=timeout_s).status_code == 200
    except httpx.HTTPError:
        return None
    return round(time.perf_counter() - began, 4) if ready else None
