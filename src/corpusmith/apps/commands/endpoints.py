"""`corpusmith endpoint ...`: what is served, by whom, which version answers; stop it, give a canary its share."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from corpusmith.apps.approving import actor
from corpusmith.apps.boundary import boundary
from corpusmith.apps.commands.models import open_registry
from corpusmith.apps.output import say, show, show_json, table
from corpusmith.apps.workspaces import open_existing
from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.models.serving.launch import stop_endpoint
from corpusmith.store.endpoints import Endpoint, Endpoints, Replica
from corpusmith.store.model_gates import passing_evaluation

STILL_THERE = 3


def list_endpoints(workspace: Path | None, as_json: bool) -> None:
    """`corpusmith endpoint list`."""
    with boundary(as_json, workspace):
        endpoints = Endpoints(open_existing(workspace).database, actor())
        found = [(endpoint, endpoints.living(endpoint.name)) for endpoint in endpoints.all()]
        if as_json:
            show_json({"status": 0, "endpoints": [_plain(*each) for each in found]})
            return
        rows = [
            (e.name, e.model, status_of(living), _versions(living), _canary(e), ", ".join(r.url for r in living))
            for e, living in found
        ]
        head = ("endpoint", "serves", "is", "version", "canary", "at")
        show(table(head, rows) if rows else "No endpoints yet. Begin one: corpusmith serve MODEL")


def status_of(living: list[Replica]) -> str:
    """One word for all processes of an endpoint."""
    states = {replica.state for replica in living}
    for state in ("draining", "starting"):
        if state in states:
            return state
    troubled = any(replica.troubles for replica in living)
    return "stopped" if not living else "serving, in trouble" if troubled else "serving"


def _plain(endpoint: Endpoint, living: list[Replica]) -> dict[str, Any]:
    return {**endpoint.model_dump(), "status": status_of(living), "replicas": [r.model_dump() for r in living]}


def _versions(living: list[Replica]) -> str:
    return ", ".join(sorted({r.version for r in living if r.version})) or "-"


def _canary(endpoint: Endpoint) -> str:
    return "-" if endpoint.canary is None else f"{endpoint.canary} ({endpoint.canary_share:.0%})"


def show_endpoint(name: str, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith endpoint show`."""
    with boundary(as_json, workspace):
        endpoints = Endpoints(open_existing(workspace).database, actor())
        endpoint, living, events = endpoints.get(name), endpoints.living(name), endpoints.events(name)
        if as_json:
            plain = _plain(endpoint, living) | {"events": [event.model_dump() for event in events]}
            show_json({**plain, "status": 0, "state": status_of(living)})
            return
        show(f"{endpoint.name}   {status_of(living)}   serves {endpoint.model} on {endpoint.backend}")
        if endpoint.index:
            show(f"index     {endpoint.index}")
        if endpoint.canary is not None:
            show(f"canary    version {endpoint.canary} gets {endpoint.canary_share:.0%}")
        for replica in living:
            where = f"{replica.pid} on {replica.machine}"
            show(f"process   {where}: {replica.state}, {replica.version or '-'} at {replica.url}")
            for ref, counts in replica.counts.items():
                show(f"          {ref}: " + ", ".join(f"{value:g} {what}" for what, value in counts.items()))
            for ref, why in replica.troubles.items():
                show(f"          {ref} is not switched to: {why}")
            if replica.log:
                show(f"          log {replica.log}")
        for event in events[-20:]:
            said = ", ".join(f"{key} {value}" for key, value in event.evidence.items() if value not in (None, "", []))
            show(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(event.created))}  {event.kind}: {said[:160]}")


def stop(name: str, wait_s: float, force: bool, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith endpoint stop`."""
    with boundary(as_json, workspace):
        endpoints = Endpoints(open_existing(workspace).database, actor())
        gone, left = stop_endpoint(endpoints, name, wait_s, kill=force, why="by hand")
        if as_json:
            status = STILL_THERE if left else 0
            show_json({"status": status, "stopped": [r.id for r in gone], "left": [r.id for r in left]})
        else:
            ended = "1 process ended" if len(gone) == 1 else f"{len(gone)} processes ended"
            show(f"{name}: {ended}" if gone or left else f"{name}: nothing was running")
            for replica in left:
                say(f"  process {replica.pid} on {replica.machine} still drains; --force kills it")
        if left:
            raise SystemExit(STILL_THERE)


def canary(
    name: str, version: str, share: float, evaluation: str | None, workspace: Path | None, as_json: bool
) -> None:
    """`corpusmith endpoint canary`: a version that passes its gates gets a share; `none` ends it."""
    with boundary(as_json, workspace):
        opened, registry = open_registry(workspace)
        endpoints = Endpoints(opened.database, actor())
        endpoint, number = endpoints.get(name), None
        if version != "none":
            model = endpoint.model
            found = registry.resolve(version if "@" in version else f"{model}@{version}")
            if found.name != model:
                raise ParameterError(
                    f"{found.ref} is no version of {model}", hint=f"See `corpusmith model list`: {model}."
                )
            if registry.aliases(model).champion == found.version:
                raise PreconditionError(f"{found.ref} is the champion already", hint="Nothing is to be tried.")
            if evaluation is not None:
                registry.judge(found, opened.resolve(evaluation).id)
            passing_evaluation(registry, found, newest=True)
            number = found.version
        changed = endpoints.set_canary(name, number, share, "by hand")
        if as_json:
            show_json({"status": 0, **changed.model_dump(exclude={"status"})})
        elif number is None:
            show(f"{name} has no canary any more")
        else:
            show(f"{name}: version {number} gets {share:.0%} of the requests as soon as it is open")
