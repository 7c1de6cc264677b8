"""`corpusmith deploy`: the tool, through the one door, on the model that a reference means."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from corpusmith.apps.approving import approver
from corpusmith.apps.boundary import boundary
from corpusmith.apps.commands.models import GATE_FAILED, open_registry
from corpusmith.apps.commands.tools import run_alone
from corpusmith.apps.output import say, show, show_json
from corpusmith.apps.runtimes import runtime_of
from corpusmith.tools.registry import tool


def deploy(
    ref: str,
    params: dict[str, Any],
    given: tuple[str | None, str | None],
    approving: tuple[str, Path | None],
    workspace: Path | None,
    as_json: bool,
) -> None:
    """Deploy `ref`. `given`: the index and the evaluation, if any."""
    with boundary(as_json, workspace):
        runtime = runtime_of(params)
        index, evaluation = given
        opened, registry = open_registry(workspace)
        version = registry.resolve(ref)
        if evaluation is not None:
            registry.judge(version, opened.resolve(evaluation).id)
        roles = [f"model={version.artifact}", *([f"index={opened.resolve(index).id}"] if index else [])]
        opened.close()
        wanted = {"name": version.name, "version": version.version, **params, **asdict(runtime)}
        done = run_alone(tool("deploy"), wanted, roles, 0, approver(*approving), workspace, as_json).result
        status = 0 if done["deployed"] else GATE_FAILED
        if as_json:
            show_json({"status": status, **done})
        else:
            _tell(done)
        if status:
            raise SystemExit(status)


def _tell(done: dict[str, Any]) -> None:
    ref, urls = done["version"], ", ".join(f"{url}/v1" for url in done["urls"])
    if done["already"]:
        replicas = "1 process" if done["replicas"] == 1 else f"each of {done['replicas']} processes"
        show(f"{ref} is already served at {urls}; nothing was done")
        show(f"  {replicas} reports it and is ready (/healthz 200 within {done['ready_s']:.3g} s)")
    elif done["deployed"]:
        share = f" as a canary ({done['canary_share']:.0%})" if done["canary_share"] else ""
        show(f"{ref} answers{share} at {urls}")
        show(f"  {done['probes']} requests, median {done['probe_p50_s']:.3g} s, slowest {done['probe_max_s']:.3g} s")
        show(f"  corpusmith endpoint show {done['endpoint']}")
    else:
        show(f"{ref} is not deployed: {done['failed']}")
        for line in done["undone"]:
            say(f"  {line}")
