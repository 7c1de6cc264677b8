"""`corpusmith serve`: a model behind an OpenAI-compatible API, in the foreground until it is told to stop."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from corpusmith.apps.boundary import boundary
from corpusmith.apps.output import say, show, show_json
from corpusmith.apps.runtimes import LEAST, MOST, Runtime, runtime_of
from corpusmith.apps.workspaces import open_existing
from corpusmith.core.errors import ParameterError
from corpusmith.core.settings import Settings, load_settings
from corpusmith.models.serving.alerts import Thresholds, load_score
from corpusmith.models.serving.gate import refuse_open_elsewhere
from corpusmith.models.serving.launch import END_ASKED, STOP_ASKED
from corpusmith.models.serving.log_file import Lines, open_log
from corpusmith.models.serving.sockets import listen, url_of
from corpusmith.models.serving.structured import log_to
from corpusmith.ops.pii import mask
from corpusmith.store.api_keys import ApiKeys
from corpusmith.store.endpoints import Endpoints
from corpusmith.store.servers import Servers
from corpusmith.telemetry.opik_settings import opik_settings


def masked(text: str) -> str:
    """A text with personal data as placeholders."""
    return mask(text)[0]


def serve(ref: str, options: dict[str, Any], workspace: Path | None, as_json: bool) -> None:
    """Serve `ref` until SIGTERM or Ctrl-C; `options` are those of the command."""
    with boundary(as_json, workspace):
        if (options["alert_scorer"] is None) != (options["alert_score"] is None):
            raise ParameterError("--alert-scorer and --alert-score belong together", hint="Give both, or neither.")
        runtime = runtime_of(options)
        open_existing(workspace).close()  # serving makes no workspace where there is none
        settings = load_settings(workspace)
        run = _on_ray if runtime.backend == "ray" else _here
        run(ref, options, runtime, settings, as_json)


def _here(ref: str, options: dict[str, Any], runtime: Runtime, settings: Settings, as_json: bool) -> None:
    from corpusmith.apps.compose import App
    from corpusmith.apps.serving import declared, make_parts

    app = App.open(settings, quiet=True)
    refuse_open_elsewhere(options["host"], bool(ApiKeys(app.workspace.database).all()))
    with listen(options["host"], options["port"]) as listener:
        served, endpoint = declared(app, ref, options["name"], "uvicorn", options["index"])
        say(f"corpusmith: opening {served.model} for {url_of(listener)} ...")
        from corpusmith.models.serving.server import ModelServer, run_server  # the web framework and torch: last

        parts = make_parts(settings, endpoint, options["log_file"], runtime.engine)
        Servers(app.workspace.database).enlist(endpoint, "uvicorn", runtime.engine)
        lines: Lines = sys.stderr
        if options["log_file"]:
            used = [replica.log for replica in parts.endpoints.living(endpoint)]
            lines = open_log(Path(options["log_file"]), parts.folder, used)
        log_to(lines)
        server = ModelServer(listener, parts, _serve_options(options, settings), lines)

        def ready() -> None:
            _tell(server.url, endpoint, served.name, server.fleet.state().version, server.gate.is_open, as_json)

        run_server(server, ready)
    say("corpusmith: drained and stopped")


def _on_ray(ref: str, options: dict[str, Any], runtime: Runtime, settings: Settings, as_json: bool) -> None:
    from corpusmith.apps.compose import App
    from corpusmith.apps.serving import declared, maker
    from corpusmith.apps.stopping import Stop
    from corpusmith.models.serving.ray_app import Scaling, serve_on_ray

    app = App.open(settings, quiet=True)
    is_open = not ApiKeys(app.workspace.database).all()
    refuse_open_elsewhere(options["host"], not is_open)
    if settings.train.address is None:  # on a cluster that is joined the port may be Serve's already
        listen(options["host"], options["port"]).close()
    served, endpoint = declared(app, ref, options["name"], "ray", options["index"])
    endpoints = Endpoints(app.workspace.database, "serve")
    seen = endpoints.last_event(endpoint)
    stop = Stop(f"the endpoint {endpoint}", f"corpusmith serve {ref} --backend ray")
    Servers(app.workspace.database).enlist(endpoint, "ray", runtime.engine, settings.train.address)
    say(f"corpusmith: opening {served.model} on Ray ...")
    with stop.on_signals():
        running = serve_on_ray(
            maker(settings, endpoint, options["log_file"], runtime.engine), endpoint, options["host"],
            options["port"], options=_serve_options(options, settings),
            scaling=Scaling(*(runtime.replicas or (LEAST, MOST)), gpus=1.0 if runtime.engine == "vllm" else 0.0),
            address=settings.train.address,
        )  # fmt: skip
        try:
            _tell(running.url, endpoint, served.name, None, is_open, as_json)
            while not stop.asked and not _asked(endpoints, endpoint, seen, STOP_ASKED):
                time.sleep(0.5)
        finally:
            running.stop(lambda: _asked(endpoints, endpoint, seen, END_ASKED))
    say("corpusmith: drained and stopped")


def _asked(endpoints: Endpoints, endpoint: str, seen: int, kind: str) -> bool:
    if endpoints.last_event(endpoint) == seen:
        return False
    return any(event.n > seen and event.kind == kind for event in endpoints.events(endpoint))


def _serve_options(options: dict[str, Any], settings: Settings) -> Any:
    from corpusmith.models.serving.server import ServeOptions

    scorer, score = options["alert_scorer"], options["alert_score"]
    return ServeOptions(
        drain_s=options["drain_seconds"],
        prompts=options["log_prompts"],
        redact=masked if options["redact"] else None,
        traced=opik_settings(settings) if settings.opik_url else None,
        webhook=options["alert_webhook"],
        thresholds=Thresholds(
            error_rate=options["alert_error_rate"],
            p95_s=options["alert_p95"],
            poor_share=options["alert_poor"],
            score=score,
        ),
        score=None if scorer is None else load_score(scorer),
    )


def _tell(url: str, endpoint: str, name: str, version: str | None, is_open: bool, as_json: bool) -> None:
    """Say where it answers, and how it is asked."""
    if as_json:
        said = {"status": 0, "url": f"{url}/v1", "endpoint": endpoint, "model": name, "version": version}
        show_json({**said, "pid": os.getpid(), "open": is_open})
        return
    body = json.dumps({"model": name, "messages": [{"role": "user", "content": "Hello"}]})
    key = "none" if is_open else "YOUR_KEY"
    header = "" if is_open else f"-H 'authorization: Bearer {key}' "
    show(f"{version or name} answers at {url}/v1   (endpoint {endpoint}; Ctrl-C drains and stops)")
    show(f"  curl {url}/v1/chat/completions {header}-H 'content-type: application/json' -d '{body}'")
    show(f'  OpenAI(base_url="{url}/v1", api_key="{key}").chat.completions.create(model="{name}", messages=[...])')
    sys.stdout.flush()
