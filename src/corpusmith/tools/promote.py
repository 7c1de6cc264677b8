"""promote: makes a trained model the champion of its name, if an evaluation of that very model passes its gates.

An effect on the registry of the workspace alone: nothing leaves the machine and `corpusmith model rollback` takes it
back, so it is not PUBLISH and asks nobody; the gates decide. What acts on the outside (publishing, deploying) has an
approval of its own. Whether a run promotes at all is the brief's choice, made before this tool is called.

Gates that do not hold are a result (`promoted` false, with what failed); a model, an evaluation or a champion that is
not what the caller took it for is an error, and nothing moves.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from corpusmith.core.errors import PreconditionError
from corpusmith.core.gates import Gate, GateResult
from corpusmith.core.tools import Effect, StepContext, Tool, ToolParams, ToolResult
from corpusmith.store.registry import ModelRegistry

REPORT = "promotion.json"


class PromoteParams(ToolParams):
    """Under which name, and what must hold."""

    name: str = Field(description="name in the registry; the model becomes a version of it when it is not yet")
    gates: tuple[Gate, ...] = Field((), description="absolute floors, beside those that always hold (core.promotion)")
    tolerance: float = Field(0.0, ge=0, description="how much worse than the champion, in units of the primary metric")
    expected: int | None = Field(
        None, ge=0, description="version that is champion as far as you know, 0 = none; null = whichever is now"
    )
    why: str = Field("its evaluation passes", description="for the record")


class PromoteResult(ToolResult):
    """What came of it."""

    name: str
    version: int
    digest: str
    promoted: bool
    already: bool = Field(description="it was champion before; nothing was done")
    before: int | None = Field(description="version that was champion")
    gates: tuple[GateResult, ...] = ()
    failed: tuple[str, ...] = Field((), description="what spoke against it, a sentence each")


def run(params: PromoteParams, ctx: StepContext) -> PromoteResult:
    """Register the model when it is not, and promote it.

    Raises:
        PreconditionError: The evaluation is of another model, the files were changed, or the champion moved meanwhile.
    """
    registry = registry_of(ctx.services)
    version = registry.register(params.name, ctx.inputs["model"].id, params.why)
    if "base" in ctx.inputs and ctx.inputs["base"].id != version.base:
        raise PreconditionError(
            f"{version.ref} was made from base {version.base}, not from {ctx.inputs['base'].id}",
            hint="Give the base that the model was made from, or none.",
        )
    now = registry.aliases(params.name).champion
    expected = now if params.expected is None else params.expected or None
    done = registry.promote(
        version,
        ctx.inputs["evaluation"].id,
        expected=expected,
        why=params.why,
        floors=params.gates,
        tolerance=params.tolerance,
    )
    ctx.writer.path(REPORT).write_text(done.model_dump_json(indent=1))
    if done.promoted:
        ctx.emit(f"{version.ref} is the champion")
    return PromoteResult(
        name=version.name,
        version=version.version,
        digest=version.digest,
        promoted=done.promoted,
        already=done.already,
        before=done.before,
        gates=done.report.gates if done.report else (),
        failed=tuple(done.report.why_not()) if done.report else (),
    )


def registry_of(services: Any) -> ModelRegistry:
    """The registry among a context's services.

    Raises:
        PreconditionError: There is none.
    """
    registry = services.get("registry")
    if not isinstance(registry, ModelRegistry):
        raise PreconditionError("no registry of models at hand", hint="Run it with `corpusmith model promote`.")
    return registry


TOOL = Tool(
    name="promote",
    version=1,
    kind="effect",
    params=PromoteParams,
    run=run,
    summary="Make a model the champion of its name, if an evaluation of that very model passes its gates.",
    inputs=("model", "evaluation", "base?"),
    effects=frozenset({Effect.WRITE_STORE}),
    makes="report",
)
