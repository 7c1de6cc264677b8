"""Commands on models: list, show, register, promote, rollback, lineage, compare."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

from corpusmith.apps.approving import actor, approver
from corpusmith.apps.boundary import boundary
from corpusmith.apps.output import figure, say, show, show_json, table
from corpusmith.apps.workspaces import open_existing
from corpusmith.core.errors import NotFoundError, ParameterError
from corpusmith.core.gates import Gate, Op
from corpusmith.models.digests import model_digests
from corpusmith.store.model_evidence import manifest_of
from corpusmith.store.model_records import ModelEvaluation, ModelVersion
from corpusmith.store.registry import ModelRegistry
from corpusmith.store.workspace import Workspace

GATE_FAILED = 3
_GATE = re.compile(r"\s*([A-Za-z_0-9]+)\s*(<=|>=|==|<|>)\s*(-?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*")


class Found(NamedTuple):
    """A model that a reference means; `version` is None when it is not registered."""

    artifact: str
    version: ModelVersion | None


def open_registry(workspace: Path | None) -> tuple[Workspace, ModelRegistry]:
    """The registry of the workspace that is there."""
    opened = open_existing(workspace)
    registry = ModelRegistry(opened.database, opened.artifacts, lambda folder: model_digests(folder).digest, actor())
    return opened, registry


def find(opened: Workspace, registry: ModelRegistry, ref: str) -> Found:
    """The model that `name@version`, `name@alias`, `name` or an artifact id means.

    Raises:
        NotFoundError: Nothing answers to it.
        PreconditionError: It is an artifact, but no model.
    """
    try:
        version = registry.resolve(ref)
    except NotFoundError:
        begun = [i for i in opened.artifacts.ids() if len(ref) >= 4 and i.startswith(ref)]
        if len(begun) != 1:
            raise
        manifest_of(opened.artifacts.open(begun[0]))
        return Found(begun[0], None)
    return Found(version.artifact, version)


def list_models(workspace: Path | None, as_json: bool) -> None:
    """`corpusmith model list`."""
    with boundary(as_json, workspace):
        _, registry = open_registry(workspace)
        found = [_plain(registry, version) for version in registry.versions()]
        if as_json:
            show_json({"status": 0, "models": found})
            return
        rows = [
            (m["ref"], ", ".join(m["aliases"]), m["kind"], m["passed"] or "", _when(m["created"]), m["digest"][:12])
            for m in found
        ]
        head = ("model", "is", "kind", "gates", "made", "digest")
        show(table(head, rows) if rows else "No models yet.")


def _plain(registry: ModelRegistry, version: ModelVersion) -> dict[str, Any]:
    judged = registry.evaluations(version)[-1:]
    held = {True: "hold", False: "do not hold"}[judged[0].passed] if judged else None
    aliases = registry.aliases(version.name).of(version.version)
    return {"ref": version.ref, **version.model_dump(), "aliases": aliases, "passed": held}


def show_model(ref: str, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith model show`."""
    with boundary(as_json, workspace):
        opened, registry = open_registry(workspace)
        found = find(opened, registry, ref)
        manifest = manifest_of(opened.artifacts.open(found.artifact))
        version = found.version
        evaluations = [] if version is None else registry.evaluations(version)
        events = [] if version is None else registry.events(version.name)
        if as_json:
            said: dict[str, Any] = {"status": 0, "artifact": found.artifact, "manifest": manifest.model_dump()}
            if version is not None:
                said |= {"version": _plain(registry, version)}
                said |= {
                    "evaluations": [e.model_dump() for e in evaluations],
                    "events": [e.model_dump() for e in events],
                }
            show_json(said)
            return
        show(f"{version.ref if version else manifest.name + ' (not registered)'}   {manifest.kind}")
        if version is not None:
            show(f"is        {', '.join(registry.aliases(version.name).of(version.version)) or '-'}")
        facts = {"artifact": found.artifact, "digest": manifest.digest, "base": manifest.base, "at": manifest.location}
        for name, value in facts.items():
            if value:
                show(f"{name:9} {value}")
        for name, digest in manifest.parts.items():
            show(f"  {name:10} {digest[:12]}")
        for evaluation in evaluations:
            _show_evaluation(evaluation)
        for event in events:
            moved = f"{event.alias}: {event.from_version or 'none'} -> {event.to_version or 'none'}"
            show(f"{_when(event.created)}  {event.action} {moved}  by {event.by}  {event.why}".rstrip())


def _show_evaluation(evaluation: ModelEvaluation) -> None:
    verdict = "gates hold" if evaluation.passed else "gates do not hold"
    show(f"evaluated by {evaluation.evaluation[:12]} on data {evaluation.data_digest[:12]}: {verdict}")
    for gate in evaluation.report["gates"]:
        mark = "ok  " if gate["passed"] else "FAIL"
        show(f"  {mark} {gate['metric']} {gate['op']} {gate['target']:g}: {figure(gate['value'])}")
    for line in evaluation.report["refusals"]:
        show(f"  FAIL {line}")


def register(artifact: str, name: str, why: str, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith model register`."""
    with boundary(as_json, workspace):
        opened, registry = open_registry(workspace)
        version = registry.register(name, find(opened, registry, artifact).artifact, why)
        if as_json:
            show_json({"status": 0, **_plain(registry, version)})
        else:
            show(f"{version.ref}   digest {version.digest[:12]}")


def parse_gate(text: str) -> Gate:
    """A gate as it is typed, `accuracy>=0.6`.

    Raises:
        ParameterError: It is none.
    """
    found = _GATE.fullmatch(text)
    try:
        if found is not None:
            return Gate(metric=found[1], op=cast(Op, found[2]), target=float(found[3]), why="asked for")
    except ValueError:
        pass
    raise ParameterError(f"{text!r} is no gate", hint="Write it like --gate 'accuracy>=0.6'.")


def promote(
    ref: str,
    evaluation: str,
    name: str | None,
    asked: tuple[Sequence[str], float, int | None, str],
    workspace: Path | None,
    as_json: bool,
) -> None:
    """`corpusmith model promote`: the tool, through the one door. `asked`: gates, tolerance, expected, why."""
    from corpusmith.apps.commands.tools import run_alone
    from corpusmith.tools.registry import tool

    with boundary(as_json, workspace):
        gates, tolerance, expected, why = asked
        opened, registry = open_registry(workspace)
        found = find(opened, registry, ref)
        chosen = name or (found.version.name if found.version else None)
        if chosen is None:
            raise ParameterError(f"model {ref} has no name yet", hint="Give one with --name.")
        params = {"name": chosen, "tolerance": tolerance, "expected": expected, "why": why}
        floors = [parse_gate(text).model_dump() for text in gates]
        roles = [f"model={found.artifact}", f"evaluation={opened.resolve(evaluation).id}"]
        opened.close()
        decide = approver("ask", None)
        done = run_alone(tool("promote"), {**params, "gates": floors}, roles, 0, decide, workspace, as_json).result
        _tell_promotion(done, as_json)


def _tell_promotion(done: dict[str, Any], as_json: bool) -> None:
    status = 0 if done["promoted"] or done["already"] else GATE_FAILED
    if as_json:
        show_json({"status": status, **done})
    else:
        ref, before = f"{done['name']}@{done['version']}", done["before"]
        for gate in done["gates"]:
            mark = "ok  " if gate["passed"] else "FAIL"
            show(f"{mark} {gate['metric']} {gate['op']} {gate['target']:g}: {figure(gate['value'])}")
        if done["already"]:
            show(f"{ref} is the champion already")
        elif done["promoted"]:
            show(f"{ref} is the champion; before: {before or 'none'}")
        else:
            show(f"{ref} is not promoted; the champion stays: {before or 'none'}")
            for line in done["failed"]:
                say(f"  {line}")
    if status:
        _leave(status)


def _leave(status: int) -> NoReturn:
    raise SystemExit(status)


def rollback(name: str, why: str, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith model rollback`."""
    with boundary(as_json, workspace):
        _, registry = open_registry(workspace)
        champion, gone = registry.rollback(name, why)
        if as_json:
            show_json({"status": 0, "name": name, "champion": champion.version, "previous": gone.version})
        else:
            show(f"{champion.ref} is the champion again; {gone.ref} is the previous one")


def lineage(ref: str, row: str | None, reveal: bool, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith model lineage`."""
    from corpusmith.workflows.model_lineage import model_chain, row_uses

    with boundary(as_json, workspace):
        opened, registry = open_registry(workspace)
        found = find(opened, registry, ref)
        if row is not None:
            uses = row_uses(opened, found.artifact, row, reveal=reveal)
            if as_json:
                show_json({"status": 0, "model": ref, "rows": [use.as_json() for use in uses]})
                return
            for line in (line for use in uses for line in use.lines()):
                show(line)
            return
        chain = model_chain(opened, found.artifact)
        if as_json:
            show_json({"status": 0, "model": ref, "chain": [step.as_json() for step in chain]})
            return
        for number, step in enumerate(chain):
            for line in step.lines():
                show("  " * number + line)


def compare(refs: Sequence[str], workspace: Path | None, as_json: bool) -> None:
    """`corpusmith model compare`: the newest evaluation of each, side by side."""
    with boundary(as_json, workspace):
        _, registry = open_registry(workspace)
        versions = [registry.resolve(ref) for ref in refs]
        newest = [registry.evaluations(version)[-1:] for version in versions]
        cards = [found[0].scorecard["metrics"] if found else {} for found in newest]
        data = [found[0].data_digest if found else None for found in newest]
        same = len(set(data)) == 1 and data[0] is not None
        if as_json:
            models = [
                {"ref": v.ref, "data_digest": d, "metrics": c} for v, d, c in zip(versions, data, cards, strict=True)
            ]
            show_json({"status": 0, "same_data": same, "models": models})
            return
        names = sorted({name for card in cards for name in card})
        rows = [(name, *(figure(card.get(name, {}).get("value")) for card in cards)) for name in names]
        show(table(("metric", *(version.ref for version in versions)), rows) if rows else "None of them was evaluated.")
        if not same:
            say("They were not all evaluated on the same data: the figures do not compare.")


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
