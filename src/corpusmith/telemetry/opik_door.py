"""The one door to Opik: the SDK's own REST client, called synchronously.

The SDK's high-level client hands records to background threads and keeps what it could not deliver in a temporary
database that is deleted when the process ends, so its caller cannot know what arrived. Here a call that returns was
answered with a 2xx by the server; anything else is a `TraceServerError`. Sending again is safe: every record carries
its own id and the server keeps the last row of an id.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from corpusmith.core.errors import CorpusmithError, ParameterError
from corpusmith.telemetry.opik_settings import OpikSettings
from corpusmith.telemetry.trace_tree import Span, Trace

MAX_WAIT_S = 30.0
TELEMETRY_SWITCHES = ("OPIK_SENTRY_ENABLE", "OPIK_ANALYTICS_ENABLE")


class TraceServerError(CorpusmithError):
    """The trace server did not take a record; `fields['status']` is the HTTP status, None when it was not reached."""


def quiet_opik() -> None:
    """Turn the SDK's error reports and usage events off, unless the environment turns them on.

    Must run before `opik` is imported: it decides at import.
    """
    for switch in TELEMETRY_SWITCHES:
        os.environ.setdefault(switch, "false")


class OpikDoor:
    """A connection to one workspace and project of one server; close it after use."""

    def __init__(self, settings: OpikSettings, sleep: Callable[[float], None] = time.sleep) -> None:
        url = _address(settings.url or "")
        quiet_opik()
        try:
            from opik import httpx_client
            from opik.rest_api.client import OpikApi
        except ImportError:
            raise ParameterError(
                "exporting traces needs the opik package", hint="pip install 'corpusmith[opik]'"
            ) from None
        key = settings.api_key.get_secret_value() if settings.api_key else None
        self.settings, self._sleep = settings, sleep
        with warnings.catch_warnings():
            # with SSL_CERT_FILE set the SDK uses a form of httpx's `verify` that httpx warns about
            warnings.filterwarnings("ignore", "`verify=<str>` is deprecated", DeprecationWarning)
            self._http = httpx_client.get(
                settings.workspace, key, check_tls_certificate=True, compress_json_requests=True
            )
        self._http.event_hooks["response"].append(_no_web_page)
        self.api = OpikApi(
            base_url=url,
            api_key=key,
            workspace_name=settings.workspace,
            timeout=settings.timeout_s,
            httpx_client=self._http,
        )

    def __enter__(self) -> OpikDoor:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(self, what: str, send: Callable[..., Any], *, accept: Sequence[int] = (), **body: Any) -> Any:
        """Send one request and wait for the answer; try again after a 429, a 5xx or a lost connection.

        Args:
            what: Names the records in an error.
            send: A method of the REST client.
            accept: Statuses that mean the record is already as wanted (or is known not to be there).
            **body: Its arguments.

        Returns:
            What the method returns; None when the status is one of `accept`.

        Raises:
            TraceServerError: The server refused, or could not be reached after every attempt.
        """
        import httpx
        from opik.rest_api.core.api_error import ApiError

        for attempt in range(self.settings.retries + 1):
            wait = 0.5 * 2**attempt
            try:
                return send(**body)
            except ApiError as error:
                status = error.status_code
                if status in accept:
                    return None
                failure = TraceServerError(f"the trace server answered {status} to {what}", hint=_advice(status),
                                           status=status)  # fmt: skip
                if status is None or (status != 429 and status < 500):
                    raise failure from None
                wait = _retry_after(error.headers, wait)
            except httpx.HTTPError as error:
                failure = TraceServerError(
                    f"the trace server was not reached for {what} ({type(error).__name__})",
                    hint="What is pending is sent by the next export.",
                    status=None,
                )
            if attempt < self.settings.retries:
                self._sleep(wait)
        raise failure

    def send_trace(self, trace: Trace) -> None:
        """Create or replace the trace of a run."""
        from opik.rest_api.types.trace_write import TraceWrite

        record = TraceWrite(
            id=trace.id,
            project_name=self.settings.project,
            name="corpusmith run",
            start_time=utc(trace.start),
            end_time=None if trace.end is None else utc(trace.end),
            input=trace.input,
            output=trace.output or None,
            metadata={"run_id": trace.run_id, **trace.metadata},
            tags=["corpusmith", trace.status],
            thread_id=trace.run_id,
            source="sdk",
        )
        self.call(f"the trace of {trace.run_id}", self.api.traces.create_traces, traces=[record])

    def send_spans(self, trace: Trace, spans: Sequence[Span]) -> None:
        """Create or replace spans, then their scores."""
        records = [self._span(trace, span) for span in spans]
        self.call(f"{len(spans)} spans of {trace.run_id}", self.api.spans.create_spans, spans=records)
        self.send_scores(
            f"scores of {trace.run_id}",
            self.api.spans.score_batch_of_spans,
            ((span.id, name, value) for span in spans for name, value in span.scores.items()),
        )

    def send_scores(self, what: str, send: Callable[..., Any], scores: Iterable[tuple[str, str, float]]) -> None:
        """Set feedback scores, given as (record id, name, value); the last value of a name stands."""
        from opik.rest_api.types.feedback_score_batch_item import FeedbackScoreBatchItem

        items = [
            FeedbackScoreBatchItem(id=record, project_name=self.settings.project, name=name, value=value, source="sdk")
            for record, name, value in scores
        ]
        for start in range(0, len(items), 1000):
            self.call(what, send, scores=items[start : start + 1000])

    def _span(self, trace: Trace, span: Span) -> Any:
        from opik.rest_api.types.error_info_write import ErrorInfoWrite
        from opik.rest_api.types.span_write import SpanWrite

        return SpanWrite(
            id=span.id,
            trace_id=trace.id,
            parent_span_id=span.parent,
            project_name=self.settings.project,
            name=span.name,
            type=span.kind,
            start_time=utc(span.start),
            end_time=None if span.end is None else utc(span.end),
            input=span.input or None,
            output=span.output or None,
            metadata=span.metadata or None,
            model=span.model,
            provider=span.provider,
            usage=span.usage or None,
            total_estimated_cost=span.cost_usd,
            error_info=ErrorInfoWrite(exception_type="error", message=span.error, traceback=span.error)
            if span.error
            else None,
            source="sdk",
        )


def utc(seconds: float) -> datetime:
    """Unix seconds as an aware time."""
    return datetime.fromtimestamp(seconds, UTC)


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        hint = "Set OPIK_URL_OVERRIDE to the address of the API, http://localhost:5173/api/ for a local server."
        raise ParameterError("the trace server has no usable address", hint=hint)
    return url.rstrip("/")


def _no_web_page(response: Any) -> None:
    """Refuse a web page as an acknowledgement: a login page or the server's own pages answer 200 to anything."""
    if response.is_success and response.headers.get("content-type", "").startswith("text/html"):
        raise TraceServerError("the trace server answered with a web page", hint=_advice(404), status=404)


def _advice(status: int | None) -> str:
    if status in (401, 403):
        return "Check OPIK_API_KEY and OPIK_WORKSPACE."
    if status == 404:
        return "Check OPIK_URL_OVERRIDE; a self-hosted server's address ends in /api/."
    return "What is pending is sent by the next export."


def _retry_after(headers: Any, otherwise: float) -> float:
    """Seconds the server asks to wait, at most 30; `otherwise` when it names none."""
    raw = {str(key).lower(): value for key, value in dict(headers or {}).items()}.get("retry-after")
    try:
        seconds = float(raw) if raw is not None else otherwise
    except ValueError:
        return otherwise
    return min(seconds, MAX_WAIT_S) if seconds >= 0 else otherwise
