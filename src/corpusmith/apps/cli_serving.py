"""The commands around a served model, declared: serve, deploy, endpoint and key. See `apps.cli`."""

from __future__ import annotations

from typing import Annotated

import typer

from corpusmith.apps.cli_options import Approve, Json, Policy, Workspace

endpoint_app = typer.Typer(help="Served models: list, show, stop, canary.", no_args_is_help=True)
key_app = typer.Typer(help="Keys of the served API.", no_args_is_help=True)

EndpointArg = Annotated[str, typer.Argument(metavar="NAME", help="Name of the endpoint.")]
Host = Annotated[str, typer.Option(help="Address to listen on; other machines need keys.")]
Port = Annotated[int, typer.Option(help="Port; 0 = a free one.")]
Backend = Annotated[str, typer.Option(help="uvicorn (this process) or ray (replicas by load).")]
Engine = Annotated[str, typer.Option(help="plain (transformers), or vllm (needs it and a GPU; not run yet).")]
Least = Annotated[int | None, typer.Option("--min-replicas", help="ray: replicas that are there always; 1.")]
Most = Annotated[int | None, typer.Option("--max-replicas", help="ray: most replicas; 4.")]
Index = Annotated[str | None, typer.Option(help="Index that answers are grounded in, as MODEL+rag.")]


def serve(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="name (its champion), name@version or artifact id.")],
    name: Annotated[str | None, typer.Option(help="Name of the endpoint; default: the model's.")] = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    backend: Backend = "uvicorn",
    index: Index = None,
    engine: Engine = "plain",
    least: Least = None,
    most: Most = None,
    drain_seconds: Annotated[float, typer.Option(min=0, help="Most time for requests at work, when stopped.")] = 30.0,
    log_prompts: Annotated[bool, typer.Option("--log-prompts", help="Prompts and answers in the access log.")] = False,
    redact: Annotated[bool, typer.Option("--redact", help="Personal data as placeholders in traces.")] = False,
    alert_webhook: Annotated[str | None, typer.Option(help="URL that is told of alerts.")] = None,
    alert_error_rate: Annotated[float, typer.Option(min=0, max=1, help="Largest share of failures.")] = 0.05,
    alert_p95: Annotated[float | None, typer.Option(min=0, help="Largest 95th percentile, seconds.")] = None,
    alert_poor: Annotated[float | None, typer.Option(min=0, max=1, help="Share of empty or cut off answers.")] = None,
    alert_scorer: Annotated[str | None, typer.Option(help="Your own worth of an answer, module:function.")] = None,
    alert_score: Annotated[float | None, typer.Option(help="Smallest mean of it.")] = None,
    log_file: Annotated[
        str | None, typer.Option(help="File for the log instead of stderr; at 32 MiB a new one begins, 3 stay.")
    ] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Serve a model over an OpenAI-compatible API until Ctrl-C."""
    from corpusmith.apps.commands import serve as command

    options = {
        "name": name,
        "host": host,
        "port": port,
        "backend": backend,
        "index": index,
        "engine": engine,
        "least": least,
        "most": most,
        "drain_seconds": drain_seconds,
        "log_prompts": log_prompts,
        "redact": redact,
        "alert_webhook": alert_webhook,
        "alert_error_rate": alert_error_rate,
        "alert_p95": alert_p95,
        "alert_poor": alert_poor,
        "alert_scorer": alert_scorer,
        "alert_score": alert_score,
        "log_file": log_file,
    }
    command.serve(model, options, workspace, as_json)


def deploy(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="name (its champion), or name@version.")],
    endpoint: Annotated[str | None, typer.Option("--name", help="Name of the endpoint; default: the model's.")] = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    backend: Backend = "uvicorn",
    index: Index = None,
    engine: Engine = "plain",
    least: Least = None,
    most: Most = None,
    canary: Annotated[float, typer.Option(min=0, max=1, help="Share for a version that is not the champion.")] = 0.0,
    watch: Annotated[float, typer.Option(min=0, help="canary: seconds that both sides are compared.")] = 0.0,
    evaluation: Annotated[str | None, typer.Option(help="Evaluation of this very version, to hold to gates.")] = None,
    probes: Annotated[int, typer.Option(min=1, help="Requests that must succeed.")] = 5,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds until the version must be healthy.")] = 300.0,
    approve_: Approve = "ask",
    policy: Policy = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Bring a version to its endpoint, prove that it answers, or undo it. Needs an approval, unless it is there."""
    from corpusmith.apps.commands import deploy as command

    params = {
        "endpoint": endpoint,
        "host": host,
        "port": port,
        "backend": backend,
        "engine": engine,
        "least": least,
        "most": most,
        "canary_share": canary,
        "watch_s": watch,
        "probes": probes,
        "health_timeout_s": timeout,
    }
    command.deploy(model, params, (index, evaluation), (approve_, policy), workspace, as_json)


@endpoint_app.command(name="list")
def endpoint_list(workspace: Workspace = None, as_json: Json = False) -> None:
    """List endpoints: what answers where."""
    from corpusmith.apps.commands import endpoints

    endpoints.list_endpoints(workspace, as_json)


@endpoint_app.command(name="show")
def endpoint_show(name: EndpointArg, workspace: Workspace = None, as_json: Json = False) -> None:
    """Show an endpoint: its processes, versions, counts, and all that happened to it."""
    from corpusmith.apps.commands import endpoints

    endpoints.show_endpoint(name, workspace, as_json)


@endpoint_app.command(name="stop")
def endpoint_stop(
    name: EndpointArg,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for requests at work.")] = 60.0,
    force: Annotated[bool, typer.Option("--force", help="Kill what has not ended then.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Drain and end every process of an endpoint."""
    from corpusmith.apps.commands import endpoints

    endpoints.stop(name, wait, force, workspace, as_json)


@endpoint_app.command(name="canary")
def endpoint_canary(
    name: EndpointArg,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Version that gets a share; `none` ends it.")],
    share: Annotated[float, typer.Option(help="Share of the requests, above 0.")] = 0.1,
    evaluation: Annotated[str | None, typer.Option(help="Evaluation of this very version, to hold to gates.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Give a version that passes its gates a share of the requests."""
    from corpusmith.apps.commands import endpoints

    endpoints.canary(name, version, share, evaluation, workspace, as_json)


@key_app.command(name="create")
def key_create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key, or what for.")],
    requests: Annotated[int | None, typer.Option("--requests-per-minute", help="Most requests a minute.")] = None,
    tokens: Annotated[int | None, typer.Option("--tokens-per-minute", help="Most tokens a minute.")] = None,
    redact: Annotated[bool, typer.Option("--redact", help="Record nothing that is said with it.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Make a key and show it, once."""
    from corpusmith.apps.commands import keys

    keys.create(name, (requests, tokens), redact, workspace, as_json)


@key_app.command(name="list")
def key_list(workspace: Workspace = None, as_json: Json = False) -> None:
    """List keys, revoked ones too."""
    from corpusmith.apps.commands import keys

    keys.list_keys(workspace, as_json)


@key_app.command(name="revoke")
def key_revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the key.")],
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Shut a key out for good."""
    from corpusmith.apps.commands import keys

    keys.revoke(name, workspace, as_json)
