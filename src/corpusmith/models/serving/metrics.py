"""What Prometheus may scrape: requests, tokens, latencies, what is at work and which versions are open.

A registry of its own, so that nothing else of the process is in it. Labels come from what the server knows: a name that
a caller made up never becomes one, or anybody could fill the memory with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from corpusmith.models.serving.contract import Asked
from corpusmith.models.serving.fleet import FleetState

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_KNOWN = ("/v1/", "/healthz", "/metrics")


class Metrics:
    """Counts requests, and looks at the fleet when it is scraped."""

    def __init__(self, state: Callable[[], FleetState], in_flight: Callable[[], int]) -> None:
        """Make the registry.

        Args:
            state: Of the fleet.
            in_flight: Requests that are being answered.
        """
        registry = self.registry = CollectorRegistry()
        self.requests = Counter(
            "corpusmith_requests", "Requests answered", ["route", "status", "model", "version"], registry=registry
        )
        labels = ["model", "version"]
        self.prompt_tokens = Counter("corpusmith_prompt_tokens", "Tokens of prompts", labels, registry=registry)
        self.answer_tokens = Counter("corpusmith_answer_tokens", "Tokens of answers", labels, registry=registry)
        self.seconds = Histogram(
            "corpusmith_request_seconds", "From the first byte of a request to the last of its answer",
            ["route", "version"], buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.first_token = Histogram(
            "corpusmith_first_token_seconds", "To the first token of an answer", ["version"], buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        Gauge("corpusmith_in_flight", "Requests being answered", registry=registry).set_function(in_flight)
        registry.register(_FleetLook(state))

    def record(self, asked: Asked) -> None:
        """Count a request."""
        route = asked.route if asked.route.startswith(_KNOWN) else "other"
        model = asked.model if asked.version else ""
        self.requests.labels(route, str(asked.status), model, asked.version).inc()
        if not asked.version:
            return
        self.prompt_tokens.labels(model, asked.version).inc(asked.prompt_tokens)
        self.answer_tokens.labels(model, asked.version).inc(asked.answer_tokens)
        self.seconds.labels(route, asked.version).observe(asked.seconds)
        if asked.first_token_s is not None:
            self.first_token.labels(asked.version).observe(asked.first_token_s)

    def render(self) -> bytes:
        """The text that is scraped."""
        return generate_latest(self.registry)


class _FleetLook(Collector):
    """What the fleet says, at the moment of the scrape."""

    def __init__(self, state: Callable[[], FleetState]) -> None:
        self._state = state

    def collect(self) -> Iterator[GaugeMetricFamily]:
        state = self._state()
        versions = GaugeMetricFamily("corpusmith_version_open", "1 for each open version", labels=["version", "role"])
        for ref in state.open:
            role = "champion" if ref == state.version else "canary" if ref == state.canary else "leaving"
            versions.add_metric([ref, role], 1)
        yield versions
        yield GaugeMetricFamily("corpusmith_canary_share", "Share of requests for the canary", value=state.share)
        yield GaugeMetricFamily("corpusmith_versions_refused", "Versions in trouble", value=len(state.troubles))
        yield GaugeMetricFamily("corpusmith_answering", "Answers in the making", value=state.answering)
        yield GaugeMetricFamily("corpusmith_queue", "Requests that wait for the engine", value=state.waiting)
