"""The one door for every step: `Runner.run_step`, for the agent, a recipe, the command line and a chat command alike.

resolve inputs -> fingerprint -> already there? -> check -> budget -> approval -> StepStarted -> call -> validate ->
record last -> lineage -> StepFinished. So lineage, caching, resuming, cost, approvals and tracing exist once.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from pydantic import ValidationError

from corpusmith.core.errors import ApprovalRequired, CorpusmithError, ParameterError, PreconditionError
from corpusmith.core.fingerprints import canonical, fingerprint
from corpusmith.core.tools import Cancel, Dataset, Effect, StepContext, Tool, ToolParams, ToolResult
from corpusmith.engine.local import LocalEngine, NeverCancelled
from corpusmith.store.budgets import BudgetAccount
from corpusmith.store.database import LineageRow
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.eventlog import EventLog
from corpusmith.store.files import full_disk_errors
from corpusmith.store.records import ArtifactRecord
from corpusmith.store.workspace import Workspace
from corpusmith.store.writer import StagedWriter, side_files

GUARDED = frozenset({Effect.PUBLISH, Effect.DEPLOY, Effect.DELETE, Effect.SPEND_MONEY})
"""Effects that need an approval."""


@dataclass(frozen=True)
class StepOutcome:
    """What a step left: its artifact, and whether it was already there."""

    artifact: StoredDataset
    cached: bool
    result: dict[str, Any]

    @property
    def id(self) -> str:
        """Artifact id."""
        return self.artifact.id


@dataclass
class Runner:
    """Runs steps of one run (or, with no log, of none).

    Attributes:
        workspace: Where artifacts and records go.
        engine: Runs operators.
        run_id: The run the steps belong to.
        log: Its decision log; None for steps outside a run.
        budget: Its accounts; None = no limits.
        approve: `ask` stops with ApprovalRequired, `deny` refuses; a callable decides by policy or on a terminal.
        cancel: Asked between parts.
        services: What tools may ask the context for, by name.
    """

    workspace: Workspace
    engine: LocalEngine
    run_id: str = "none"
    log: EventLog | None = None
    budget: BudgetAccount | None = None
    approve: Callable[[str, dict[str, Any]], str] = lambda _action, _args: "ask"
    cancel: Cancel = field(default_factory=NeverCancelled)
    services: Mapping[str, Any] = field(default_factory=dict)
    emit: Callable[[str], None] = lambda _text: None

    def run_step(
        self, tool: Tool[Any], params: ToolParams | Mapping[str, Any], inputs: Mapping[str, str], seed: int = 0
    ) -> StepOutcome:
        """Run one step, or find it done.

        Args:
            tool: What to run.
            params: Its parameters, as its model or as plain data.
            inputs: Artifact id per role.
            seed: Seed of everything random in the step.

        Raises:
            ParameterError: The parameters do not fit the tool's model or the data.
            PreconditionError: The step may not run in this state.
            BudgetExceeded: A budget is spent.
            ApprovalRequired: A person must say yes first.
        """
        given = parse_params(tool, params)
        datasets = {role: self.workspace.artifacts.open(ref) for role, ref in inputs.items()}
        _check_roles(tool, datasets)
        snapshot = None
        if tool.snapshot is not None:
            snapshot = tool.snapshot(given, self.services)
        identity = {
            "tool": tool.name,
            "version": tool.version,
            "params": given,
            "inputs": {role: data.id for role, data in sorted(datasets.items())},
            "seed": seed,
            "snapshot": snapshot,
        }
        artifact_id = fingerprint(identity)
        done = self.workspace.artifacts.find(artifact_id)
        if done is not None and tool.kind != "effect":
            self._repair(tool, given, datasets, done)
            return self._found(tool, done)
        if tool.check is not None:
            tool.check(given, datasets)
        self.cancel.check()
        self._reserve(tool)
        settled = tool.settled is not None and tool.settled(given, datasets, self.services)
        if not settled:
            self._approve(tool, given, datasets)
        return self._run(tool, given, datasets, seed, snapshot, artifact_id, may_act=not settled)

    def _found(self, tool: Tool[Any], record: ArtifactRecord) -> StepOutcome:
        artifact = self.workspace.artifacts.open(record.id)
        if self.log is not None:
            self._log_finished(tool, record, "cached", 0.0)
            self.workspace.runs.add_step(self.run_id, record.id, tool.name, "cached", 0.0)
        return StepOutcome(artifact, True, record.result)

    def _reserve(self, tool: Tool[Any]) -> None:
        if self.budget is not None:
            self.budget.reserve("minutes", 0.0 if self.budget.left("minutes") > 0 else math.ulp(0), f"step {tool.name}")

    def _effects(self, tool: Tool[Any], params: ToolParams, datasets: Mapping[str, StoredDataset]) -> frozenset[Effect]:
        """What this very call does to the world."""
        more = frozenset[Effect]() if tool.spends is None else tool.spends(params, datasets, self.services)
        return tool.effects | more

    def _repair(
        self, tool: Tool[Any], params: ToolParams, datasets: Mapping[str, StoredDataset], done: ArtifactRecord
    ) -> None:
        """Put right what the world has lost of a step that was done before."""
        if tool.repair is None:
            return
        put_right = tool.repair(params, self.workspace.artifacts.open(done.id), self.services)
        if put_right is not None:
            self._approve(tool, params, datasets)
            put_right()
            self.emit(f"{tool.name}: put right what was lost of {done.id[:12]}")

    def _approve(self, tool: Tool[Any], params: ToolParams, datasets: Mapping[str, StoredDataset]) -> None:
        if GUARDED & self._effects(tool, params, datasets):
            self._ask(tool, params, {role: data.id for role, data in datasets.items()})

    def _ask(self, tool: Tool[Any], params: ToolParams, artifacts: dict[str, str]) -> None:
        """Stop unless the step, which has a guarded effect, is approved; use the approval up."""
        args = json.loads(canonical(params))
        approvals = self.workspace.approvals
        question = approvals.ask(self.run_id, tool.name, args, artifacts)
        if question.state == "asked":
            verdict = self.approve(tool.name, args)
            if verdict == "ask":
                self._log("approval", action=question.id, state="asked", by=None, args=args)
                raise ApprovalRequired(
                    f"{tool.name} needs an approval ({question.id})",
                    hint=f"corpusmith approve {self.run_id} --action {question.id.split('/', 1)[-1]}",
                    action=question.id,
                )
            question = approvals.decide(self.run_id, verdict == "grant", "policy", "run", question.id)
        self._log("approval", action=question.id, state=question.state, by=question.by)
        if question.state == "denied":
            raise PreconditionError(f"{tool.name} was denied ({question.id})", hint="The run goes on without it.")
        approvals.use(question)

    def _run(
        self,
        tool: Tool[Any],
        params: ToolParams,
        datasets: Mapping[str, StoredDataset],
        seed: int,
        snapshot: dict[str, Any] | None,
        artifact_id: str,
        may_act: bool,
    ) -> StepOutcome:
        artifacts = self.workspace.artifacts
        with artifacts.stage(artifact_id, self.cancel.check) as folder:
            done = artifacts.find(artifact_id)
            if done is not None and tool.kind != "effect":
                return self._found(tool, done)
            started = time.monotonic()
            inputs = {role: data.id for role, data in datasets.items()}
            self._log(
                "step_started", step=artifact_id, tool=tool.name, params=json.loads(canonical(params)), inputs=inputs
            )
            scratch = self.workspace.root / "scratch" / artifact_id
            try:
                writer = StagedWriter(folder)
                with full_disk_errors(self.workspace.root):
                    result = self._call(tool, params, datasets, seed, writer, scratch, may_act)
                    parts, counts, digest = writer.finish()
            except CorpusmithError as error:
                self._log("step_finished", step=artifact_id, tool=tool.name, status="failed", error=error.message)
                raise
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
                pa.default_memory_pool().release_unused()
            seconds = time.monotonic() - started
            record = ArtifactRecord(
                id=artifact_id,
                kind=tool.makes,
                tool=tool.name,
                tool_version=tool.version,
                params=json.loads(canonical(params)),
                inputs=inputs,
                seed=seed,
                snapshot=snapshot,
                origin=_origin(datasets, snapshot),
                effects=tuple(sorted(self._effects(tool, params, datasets))),
                rows=counts.rows_out,
                size_bytes=sum(part.size_bytes for part in parts),
                content_digest=digest,
                parts=tuple(parts),
                files=side_files(folder),
                counts=counts,
                result=result.model_dump(mode="json"),
                created=time.time(),
                seconds=round(seconds, 3),
            )
            artifact = artifacts.commit(record, folder)
        self._lineage(record)
        self._log_finished(tool, record, "done", seconds)
        if self.log is not None:
            self.workspace.runs.add_step(self.run_id, record.id, tool.name, "done", seconds)
        if self.budget is not None:
            self.budget.debit("minutes", seconds / 60, f"step {tool.name}")
        return StepOutcome(artifact, False, record.result)

    def _call(
        self,
        tool: Tool[Any],
        params: ToolParams,
        datasets: Mapping[str, Dataset],
        seed: int,
        writer: StagedWriter,
        scratch: Path,
        may_act: bool,
    ) -> ToolResult:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        context = StepContext(
            inputs=datasets,
            writer=writer,
            engine=self.engine,
            seed=seed,
            emit=self.emit,
            cancel=self.cancel,
            scratch=scratch,
            services=self.services,
            budget=self.budget,
            may_act=may_act,
        )
        result = tool.run(params, context)
        if not isinstance(result, ToolResult):
            raise CorpusmithError(f"tool {tool.name} returned {type(result).__name__}, not a ToolResult")
        return result

    def _lineage(self, record: ArtifactRecord) -> None:
        with self.workspace.database.session() as session:
            for role, parent in record.inputs.items():
                session.merge(LineageRow(child=record.id, role=role, parent=parent))

    def _log(self, kind: Any, **data: Any) -> None:
        if self.log is not None:
            self.log.append(kind, **data)

    def _log_finished(self, tool: Tool[Any], record: ArtifactRecord, status: str, seconds: float) -> None:
        rows_in = 0
        if "data" in record.inputs:
            source = self.workspace.artifacts.find(record.inputs["data"])
            rows_in = source.rows if source else 0
        self._log(
            "step_finished",
            step=record.id,
            tool=tool.name,
            artifact=record.id,
            status=status,
            rows_in=rows_in,
            rows_out=record.rows,
            seconds=round(seconds, 3),
            counts=record.counts.model_dump(),
            digest=record.content_digest,
        )


def parse_params(tool: Tool[Any], params: ToolParams | Mapping[str, Any]) -> ToolParams:
    """The parameters as the tool's model.

    Raises:
        ParameterError: A field is unknown, missing or out of bounds; the message names each.
    """
    if isinstance(params, tool.params):
        return cast(ToolParams, params)
    try:
        parsed = tool.params.model_validate(dict(params) if isinstance(params, Mapping) else params.model_dump())
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(p) for p in e['loc']) or tool.name}: {e['msg']}" for e in error.errors(include_url=False)
        )
        raise ParameterError(
            f"{tool.name}: {problems}", hint=f"See `corpusmith tool schema {tool.name}`.", tool=tool.name
        ) from error
    return cast(ToolParams, parsed)


def _check_roles(tool: Tool[Any], datasets: Mapping[str, Dataset]) -> None:
    """Every needed role is there, and no role that the tool does not know."""
    plain = {role for role in tool.inputs if role[-1] not in "?*"}
    allowed = {role.rstrip("?") for role in tool.inputs if not role.endswith("*")}
    repeated = {role.rstrip("*") for role in tool.inputs if role.endswith("*")}
    missing = plain - set(datasets)
    unknown = {r for r in datasets if r not in allowed and r.split(".")[0] not in repeated}
    if missing or unknown:
        what = f"lacks the input {sorted(missing)[0]!r}" if missing else f"takes no input {sorted(unknown)[0]!r}"
        give = f"Give --data {sorted(missing)[0]}=REF. " if missing else ""
        raise ParameterError(f"{tool.name} {what}", hint=f"{give}It takes: {', '.join(tool.inputs) or 'none'}.")


def _origin(datasets: Mapping[str, StoredDataset], snapshot: dict[str, Any] | None) -> tuple[str, ...]:
    origin = {uri for data in datasets.values() for uri in data.record.origin}
    if snapshot:
        origin |= {str(entry.get("path", entry.get("uri"))) for entry in snapshot.get("files", []) if entry}
    return tuple(sorted(origin))[:1000]
