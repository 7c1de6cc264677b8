"""deploy: brings a version to an endpoint, proves that it answers there, or undoes itself. It needs an approval.

Only the champion of its name is deployed whole, and only a version that passed its gates at all; a candidate whose
newest evaluation passes may get a canary's share. The tool compares with what runs first: a version that every process
serves as wanted and that is ready is left alone, and nobody is asked about it. It starts a server where none runs, lets
those that run follow, waits until each reports the version healthy, asks it real questions, and keeps the evidence as
its artifact.

When health, questions or canary fail, it takes back what it did (the canary, the server that it started, and the
promotion when that belongs to the same run) and says so: a result with `deployed` false, not an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.core.tools import Effect, StepContext, Tool, ToolParams, ToolResult
from corpusmith.models.serving.access import ServingAccess
from corpusmith.models.serving.extra import EngineKind
from corpusmith.models.serving.rollout import Rollout, RolloutFailed, Target
from corpusmith.store.model_gates import passing_evaluation
from corpusmith.store.model_records import ModelVersion, check_name
from corpusmith.store.registry import ModelRegistry
from corpusmith.tools.promote import registry_of

EVIDENCE = "deployment.json"


class DeployParams(ToolParams):
    """Which version, and where to."""

    name: str = Field(description="name of the model in the registry")
    version: int = Field(ge=1, description="its version: the champion, or a candidate when there is a canary_share")
    endpoint: str | None = Field(None, description="name of the endpoint; null = the model's")
    host: str = Field(
        "127.0.0.1", description="where a server that has to be started listens; elsewhere needs API keys"
    )
    port: int = Field(8000, ge=0, le=65535, description="its port, 0 = a free one")
    backend: Literal["uvicorn", "ray"] = Field("uvicorn", description="uvicorn: one process; ray: replicas by load")
    engine: EngineKind = Field("plain", description="plain: transformers; vllm: needs it and a CUDA GPU")
    replicas: tuple[int, int] | None = Field(None, description="ray: fewest and most replicas; null = 1 to 4")
    canary_share: float = Field(0.0, ge=0, le=1, description="share of the requests for a candidate; 0 = no canary")
    watch_s: float = Field(0.0, ge=0, le=86_400, description="canary: seconds that both sides are compared")
    more_errors: float = Field(0.02, ge=0, le=1, description="canary: how much larger its share of errors may be")
    slowdown: float = Field(2.0, ge=1, description="canary: how many times the champion's p95 its own may be")
    probes: int = Field(5, ge=1, le=1000, description="requests to each process that must all succeed")
    health_timeout_s: float = Field(
        300.0, gt=0, le=86_400, description="until every process reports the version healthy"
    )
    roll_back: Literal["own", "always", "never"] = Field(
        "own", description="on failure, take the promotion of this version back: when this run made it, always, never"
    )


class DeployResult(ToolResult):
    """What is there now."""

    endpoint: str
    version: str
    deployed: bool
    already: bool = Field(description="it was served as wanted and ready before; nothing was done")
    canary_share: float
    urls: tuple[str, ...] = ()
    replicas: int = 0
    started: bool = Field(False, description="whether a server had to be started")
    probes: int = 0
    probe_p50_s: float | None = None
    probe_max_s: float | None = None
    ready_s: float | None = Field(None, description="already: the slowest answer of a process that it is ready")
    failed: str | None = Field(None, description="what spoke against it")
    undone: tuple[str, ...] = ()


def check(params: DeployParams, inputs: Mapping[str, Any]) -> None:
    """Refuse names that can be none, and an index that is none.

    Raises:
        ParameterError: One of these.
    """
    check_name(params.endpoint or params.name)
    if params.replicas is not None and not (params.backend == "ray" and 1 <= params.replicas[0] <= params.replicas[1]):
        raise ParameterError(
            f"replicas {params.replicas}", hint="They are for the backend ray: fewest, then most, 1 or more."
        )
    if params.watch_s and not params.canary_share:
        raise ParameterError("watch_s compares a canary, and there is none", hint="Give a canary_share.")
    if "index" in inputs and inputs["index"].record.kind != "index":
        raise ParameterError(f"{inputs['index'].id} is no index", hint="Make one with the tool `index`.")


def snapshot(params: DeployParams, services: Mapping[str, Any]) -> dict[str, Any]:
    """What the world looks like; refuses here, before anybody is asked to approve.

    Raises:
        PreconditionError: The version may not be served.
    """
    registry, serving = registry_of(services), serving_of(services)
    version = may_be_deployed(registry, params)
    endpoint = params.endpoint or params.name
    return {
        "version": version.ref,
        "digest": version.digest,
        "champion": registry.aliases(params.name).champion,
        "event": serving.endpoints.last_event(endpoint),
    }


def may_be_deployed(registry: ModelRegistry, params: DeployParams) -> ModelVersion:
    """The version, when the registry's gates let it be served.

    Raises:
        NotFoundError: There is no such version.
        PreconditionError: It is not the champion (or, for a canary, it is), or no evaluation of it passes.
    """
    version = registry.resolve(f"{params.name}@{params.version}")
    champion = registry.aliases(params.name).champion
    if not params.canary_share and champion != version.version:
        now = f"version {champion}" if champion else "none"
        raise PreconditionError(
            f"{version.ref} is not the champion of {params.name} (that is {now})",
            hint="Promote it first, or give it a canary_share.",
        )
    if params.canary_share and champion == version.version:
        raise PreconditionError(f"{version.ref} is the champion: there is nothing to try", hint="Give no canary_share.")
    if params.canary_share and champion is None:
        raise PreconditionError(f"{params.name} has no champion to compare with", hint="Promote a version first.")
    passing_evaluation(registry, version, newest=bool(params.canary_share))
    return version


def settled(params: DeployParams, inputs: Mapping[str, Any], services: Mapping[str, Any]) -> bool:
    """Whether every process serves it already, as wanted, and is ready; refuses what cannot be done.

    Raises:
        PreconditionError: Something else is served under the name, or a server cannot be started.
        ParameterError: Its port is in use.
    """
    rollout = Rollout(serving_of(services), _target(params, inputs), lambda: None, lambda _text: None)
    if rollout.already():
        return True
    rollout.refuse()
    return False


def _target(params: DeployParams, inputs: Mapping[str, Any]) -> Target:
    return Target(
        endpoint=params.endpoint or params.name,
        model=params.name,
        ref=f"{params.name}@{params.version}",
        number=params.version,
        share=params.canary_share,
        host=params.host,
        port=params.port,
        backend=params.backend,
        replicas=params.replicas,
        engine=params.engine,
        index=inputs["index"].id if "index" in inputs else None,
    )


def run(params: DeployParams, ctx: StepContext) -> DeployResult:
    """Bring it there, or undo it.

    Raises:
        PreconditionError: The version may no longer be served, or something else is served under the name.
        WorkspaceError: No process can be started.
    """
    registry, serving = registry_of(ctx.services), serving_of(ctx.services)
    version = may_be_deployed(registry, params)
    if ctx.inputs["model"].id != version.artifact:
        raise PreconditionError(
            f"{version.ref} is artifact {version.artifact}, not {ctx.inputs['model'].id}",
            hint="Give the version that is meant.",
        )
    rollout = Rollout(serving, _target(params, ctx.inputs), ctx.cancel.check, ctx.emit)
    there = rollout.already()
    if there:
        ctx.emit(f"{version.ref} is served already, and ready")
        slowest = max(one["ready_s"] for one in rollout.facts["health"])
        return _kept(ctx, rollout, _result(rollout, [r.url for r in there], already=True, ready_s=slowest))
    if not ctx.may_act:
        raise PreconditionError(
            f"the endpoint {rollout.target.endpoint} served {version.ref} a moment ago and does so no more",
            hint="Deploy it again; it needs an approval now.",
        )
    try:
        rollout.bring_up()
        replicas = rollout.wait(params.health_timeout_s)
        rollout.ask(replicas, params.probes, params.health_timeout_s)
        if params.watch_s:
            rollout.watch(params.watch_s, params.more_errors, params.slowdown)
    except RolloutFailed as failure:
        undone = [*rollout.undo(), *_take_promotion_back(registry, params, version, failure.message)]
        ctx.emit(f"{version.ref} is not deployed: {failure.message}")
        result = _result(rollout, [], failed=failure.message, undone=tuple(undone))
        serving.endpoints.tell(rollout.target.endpoint, "deploy failed", result.model_dump(mode="json"))
        return _kept(ctx, rollout, result)
    except BaseException:  # stopped half-way: nothing half-done is left
        stopped = {"version": version.ref, "undone": rollout.undo()}
        serving.endpoints.tell(rollout.target.endpoint, "deploy stopped", stopped)
        raise
    result = _result(rollout, [replica.url for replica in replicas])
    serving.endpoints.tell(rollout.target.endpoint, "deployed", result.model_dump(mode="json"))
    ctx.emit(f"{version.ref} answers at {', '.join(result.urls)}")
    return _kept(ctx, rollout, result)


def _take_promotion_back(registry: ModelRegistry, params: DeployParams, version: ModelVersion, why: str) -> list[str]:
    """Roll the alias back when this version's promotion is what failed, and is ours to take back."""
    if params.canary_share or params.roll_back == "never" or registry.aliases(params.name).champion != version.version:
        return []
    moves = [event for event in registry.events(params.name) if event.alias == "champion"]
    own = bool(moves) and moves[-1].action == "promote" and moves[-1].run_id is not None
    if params.roll_back == "own" and not (own and moves[-1].run_id == registry.run_id):
        return []
    try:
        back, _ = registry.rollback(params.name, f"deploy failed: {why}"[:500])
    except PreconditionError as error:
        return [f"the promotion stays: {error.message}"]
    return [f"{back.ref} is the champion again"]


def _result(rollout: Rollout, urls: list[str], **more: Any) -> DeployResult:
    probes, target = rollout.facts.get("probes", {}), rollout.target
    return DeployResult(
        **{
            "endpoint": target.endpoint, "version": target.ref, "deployed": "failed" not in more, "already": False,
            "canary_share": target.share, "urls": tuple(dict.fromkeys(urls)), "replicas": len(urls),
            "started": rollout.started is not None, "probes": probes.get("probes", 0),
            "probe_p50_s": probes.get("p50_s"), "probe_max_s": probes.get("max_s"), **more,
        }
    )  # fmt: skip


def _kept(ctx: StepContext, rollout: Rollout, result: DeployResult) -> DeployResult:
    """Write the evidence beside the record."""
    said = {"result": result.model_dump(mode="json"), "facts": rollout.facts}
    ctx.writer.path(EVIDENCE).write_text(json.dumps(said, indent=1), encoding="utf-8")
    return result


def serving_of(services: Mapping[str, Any]) -> ServingAccess:
    """The access to endpoints among a context's services.

    Raises:
        PreconditionError: There is none.
    """
    serving = services.get("serving")
    if not isinstance(serving, ServingAccess):
        raise PreconditionError("no endpoints at hand", hint="Run it with `corpusmith deploy`.")
    return serving


TOOL = Tool(
    name="deploy",
    version=2,
    kind="effect",
    params=DeployParams,
    run=run,
    summary="Serve a model's champion, or a canary beside it: start or follow, prove by real requests, or undo.",
    inputs=("model", "index?"),
    effects=frozenset({Effect.WRITE_STORE, Effect.DEPLOY}),
    makes="endpoint",
    check=check,
    snapshot=snapshot,
    settled=settled,
)
