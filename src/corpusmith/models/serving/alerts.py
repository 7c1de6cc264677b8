"""Alerts: a webhook is told when too many answers fail, take too long or are worth nothing, and when that is over.

Looked at over a sliding window, for the routes that answer. An alert fires once an episode and resolves when the value
is good again, measured on enough requests; silence resolves nothing. What is sent holds figures, never what was said. A
webhook that is away is tried three times, then logged: it never holds up or ends a request.
"""

from __future__ import annotations

import importlib
import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from corpusmith.core.errors import ParameterError
from corpusmith.models.serving.contract import Asked
from corpusmith.models.serving.tally import is_error, percentile

Score = Callable[[Asked], float]
Post = Callable[[str, dict[str, Any]], None]
_ANSWERS = ("/v1/chat/completions", "/v1/completions", "/v1/rag")
_KEPT, _FEW = 10_000, 500
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Thresholds:
    """What is too much. None = not looked at.

    Attributes:
        error_rate: Largest share of answers with a status of 500 and more.
        p95_s: Largest 95th percentile of seconds.
        poor_share: Largest share of answers that are empty or were cut off by the token limit.
        score: Smallest mean of the scorer's values.
        window_s: Seconds looked back.
        least: Requests in the window before anything is said.
    """

    error_rate: float | None = 0.05
    p95_s: float | None = None
    poor_share: float | None = None
    score: float | None = None
    window_s: float = 60.0
    least: int = 20


@dataclass(frozen=True)
class _Seen:
    at: float
    error: bool
    seconds: float
    poor: bool | None
    score: float | None


class Alerts:
    """Watches requests and tells a webhook."""

    def __init__(
        self,
        url: str,
        endpoint: str,
        thresholds: Thresholds,
        *,
        score: Score | None = None,
        post: Post | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Watch.

        Args:
            url: The webhook.
            endpoint: Named in what is sent.
            thresholds: What is too much.
            score: Worth of one answer, of the user's own making.
            post: Sends; `post_json` when None.
            clock: Seconds.
        """
        self._url, self._endpoint, self._thresholds = url, endpoint, thresholds
        self._score, self._post, self._clock = score, post or post_json, clock
        self._seen: deque[_Seen] = deque(maxlen=_KEPT)
        self._firing: dict[str, float] = {}
        self._judged = 0.0
        self._sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="alerts")

    @property
    def firing(self) -> Sequence[str]:
        """Names of the alerts that fire."""
        return sorted(self._firing)

    def take(self, asked: Asked) -> None:
        """Look at one more request. Called by one thread."""
        if asked.route not in _ANSWERS or (400 <= asked.status < 500):
            return
        now = self._clock()
        answered = asked.status < 400
        score = self._score(asked) if self._score and answered and asked.answer is not None else None
        poor = (not asked.answer_tokens or "length" in asked.finishes) if answered else None
        self._seen.append(_Seen(now, is_error(asked), asked.seconds, poor, score))
        while self._seen and self._seen[0].at < now - self._thresholds.window_s:
            self._seen.popleft()
        if len(self._seen) < _FEW or now - self._judged >= 1.0:  # a full window is not sorted for every request
            self._judged = now
            self._judge(now)

    def close(self) -> None:
        """Send what waits."""
        self._sender.shutdown(wait=True)

    def _judge(self, now: float) -> None:
        for name, value, count, threshold, is_bad in self._values():
            if count < self._thresholds.least or value is None:
                continue
            if is_bad and name not in self._firing:
                self._firing[name] = now
                self._send("firing", name, value, threshold, count, now)
            elif not is_bad and name in self._firing:
                since = self._firing.pop(name)
                self._send("resolved", name, value, threshold, count, since)

    def _values(self) -> list[tuple[str, float | None, int, float, bool]]:
        """(alert, value, requests, threshold, whether it is bad) of everything that is looked at."""
        t, seen = self._thresholds, list(self._seen)
        poor = [one.poor for one in seen if one.poor is not None]
        scores = [one.score for one in seen if one.score is not None]
        found: list[tuple[str, float | None, int, float, bool]] = []

        def most(name: str, value: float | None, count: int, threshold: float | None) -> None:
            if threshold is not None:
                found.append((name, value, count, threshold, value is not None and value > threshold))

        most("error_rate", _mean([one.error for one in seen]), len(seen), t.error_rate)
        most("p95_s", percentile([one.seconds for one in seen if not one.error], 0.95), len(poor), t.p95_s)
        most("poor_share", _mean(poor), len(poor), t.poor_share)
        if t.score is not None:
            value = _mean(scores)
            found.append(("score", value, len(scores), t.score, value is not None and not value >= t.score))
        return found

    def _send(self, state: str, name: str, value: float, threshold: float, count: int, since: float) -> None:
        body = {
            "text": f"corpusmith endpoint {self._endpoint}: {name} is {value:.4g} ({state}, threshold {threshold:g})",
            "endpoint": self._endpoint,
            "alert": name,
            "state": state,
            "value": value,
            "threshold": threshold,
            "requests": count,
            "window_s": self._thresholds.window_s,
            "since": since,
        }
        self._sender.submit(self._deliver, body)

    def _deliver(self, body: dict[str, Any]) -> None:
        try:
            self._post(self._url, body)
        except Exception as error:  # noqa: BLE001 - a webhook that is away hurts nobody
            _log.warning("the alert %s could not be delivered: %s", body["alert"], type(error).__name__)


def post_json(url: str, body: dict[str, Any], tries: int = 3, pause_s: float = 1.0) -> None:
    """Post, a few times.

    Raises:
        httpx.HTTPError: It was not taken.
    """
    for attempt in range(tries):
        try:
            httpx.post(url, json=body, timeout=5.0).raise_for_status()
            return
        except httpx.HTTPError:
            if attempt == tries - 1:
                raise
            time.sleep(pause_s * 2**attempt)


def load_score(where: str) -> Score:
    """The user's own scorer, given as `module:function`; modules of the current folder are found too.

    Raises:
        ParameterError: There is no such function.
    """
    module, _, name = where.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), name) if module and name else None
    except (ImportError, AttributeError) as error:
        raise ParameterError(f"no scorer {where}: {error}", hint="Give it as module:function.") from error
    if not callable(found):
        raise ParameterError(f"{where} is no scorer", hint="Give it as module:function.")
    return found  # type: ignore[no-any-return]


def _mean(values: Sequence[float | bool]) -> float | None:
    return sum(values) / len(values) if values else None
