from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from corpusmith.core.errors import ParameterError
from corpusmith.models.serving.alerts import Alerts, Thresholds, load_score, post_json
from corpusmith.models.serving.contract import Asked, Caller


class Bench:
    """Alerts with a clock and a webhook in memory."""

    def __init__(self, thresholds: Thresholds, **more: Any) -> None:
        self.now, self.sent = 1000.0, list[dict[str, Any]]()
        self.alerts = Alerts(
            "http://hook", "news", thresholds, post=lambda _url, body: self.sent.append(body), clock=lambda: self.now,
            **more,
        )  # fmt: skip

    def ask(self, count: int = 1, **more: Any) -> None:
        given: dict[str, Any] = {
            "status": 200,
            "answer_tokens": 5,
            "seconds": 0.1,
            "finishes": ("stop",),
            "answer": "a",
        }
        for _ in range(count):
            self.alerts.take(Asked("r", "/v1/chat/completions", Caller("k"), "news", "news@1", **{**given, **more}))

    def told(self) -> list[tuple[str, str]]:
        self.alerts.close()
        return [(body["alert"], body["state"]) for body in self.sent]


def test_errors_fire_once_an_episode_and_resolve() -> None:
    bench = Bench(Thresholds(error_rate=0.2, least=10))
    bench.ask(8)
    bench.ask(5, status=500)
    assert bench.alerts.firing == ["error_rate"]
    bench.ask(20, status=503)
    bench.now += 61
    assert bench.alerts.firing == ["error_rate"]  # silence resolves nothing
    bench.ask(10)
    assert bench.alerts.firing == []
    bench.ask(10, status=500)
    assert bench.told() == [("error_rate", "firing"), ("error_rate", "resolved"), ("error_rate", "firing")]
    assert bench.sent[0]["value"] > 0.2
    assert bench.sent[0]["endpoint"] == "news"
    assert "what?" not in json.dumps(bench.sent)


def test_few_requests_and_callers_faults_say_nothing() -> None:
    bench = Bench(Thresholds(error_rate=0.1, least=10))
    bench.ask(9, status=500)
    bench.ask(100, status=429)
    bench.ask(100, status=499)
    bench.alerts.take(Asked("r", "/v1/models", Caller("k"), "", "", 500))
    assert bench.told() == []


def test_slow_answers_fire() -> None:
    bench = Bench(Thresholds(error_rate=None, p95_s=1.0, least=10))
    bench.ask(19)
    bench.ask(1, seconds=9.0)
    assert bench.alerts.firing == []
    bench.ask(1, seconds=9.0)
    assert bench.told() == [("p95_s", "firing")]


@pytest.mark.parametrize("poor", [{"answer_tokens": 0}, {"finishes": ("length",)}])
def test_empty_and_cut_off_answers_fire(poor: dict[str, Any]) -> None:
    bench = Bench(Thresholds(error_rate=None, poor_share=0.5, least=10))
    bench.ask(6)
    bench.ask(7, **poor)
    assert bench.told() == [("poor_share", "firing")]


def test_a_scorer_of_ones_own_judges_answers_that_may_be_read() -> None:
    bench = Bench(
        Thresholds(error_rate=None, score=0.5, least=4), score=lambda asked: float(asked.answer == "good")
    )  # fmt: skip
    bench.ask(10, answer=None)
    bench.ask(4, answer="good")
    assert bench.alerts.firing == []
    bench.ask(5, answer="bad")
    assert bench.told() == [("score", "firing")]


def test_a_webhook_that_is_away_hurts_nobody() -> None:
    def away(_url: str, _body: Any) -> None:
        raise httpx.ConnectError("refused")

    alerts = Alerts("http://hook", "news", Thresholds(least=1), post=away)
    alerts.take(Asked("r", "/v1/completions", Caller("k"), "news", "news@1", 500))
    alerts.close()
    assert alerts.firing == ["error_rate"]


@pytest.fixture
def hook() -> Iterator[tuple[str, list[Any], list[int]]]:
    bodies: list[Any] = []
    statuses = [500, 204]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(statuses.pop(0))
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", bodies, statuses
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_post_is_tried_again(hook: tuple[str, list[Any], list[int]]) -> None:
    url, bodies, statuses = hook
    post_json(url, {"alert": "x"}, pause_s=0.0)
    assert bodies == [{"alert": "x"}] * 2
    statuses += [500, 500, 500]
    with pytest.raises(httpx.HTTPStatusError):
        post_json(url, {"alert": "y"}, pause_s=0.0)


def test_a_scorer_is_found_by_name() -> None:
    assert load_score("math:floor")(2.5) == 2  # type: ignore[arg-type]
    for wrong in ("math", "math:", "math:nothing", "no_such_module:f", "math:pi", ":f"):
        with pytest.raises(ParameterError, match="scorer"):
            load_score(wrong)
