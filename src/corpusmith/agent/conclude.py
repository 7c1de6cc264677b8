"""The end of a run: judge the gates, name the result, write recipe and report, say what was not achieved and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from corpusmith.agent.findings import FOUND
from corpusmith.agent.goals import Goal
from corpusmith.agent.graph import gates_now
from corpusmith.agent.methods import CATALOGUE
from corpusmith.agent.modelling.handover import registry_name
from corpusmith.agent.modelling.telling import model_outcome, shortfalls
from corpusmith.agent.modelling.work import ModelWork
from corpusmith.agent.session import Session, beside, profile_params
from corpusmith.agent.state import LoopState, view_of
from corpusmith.core.brief import Brief
from corpusmith.core.errors import BudgetExceeded, NotFoundError
from corpusmith.core.metrics import METRICS
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.files import write_atomic
from corpusmith.workflows.recipe import TriggerPlan, build_recipe, recipe_text
from corpusmith.workflows.reporting import write_report


def conclude(session: Session, state: dict[str, Any]) -> dict[str, Any]:
    """Finish the run.

    Returns:
        What `run --json` prints: run_id, status, brief, not_understood, dataset, gates, decisions, report, recipe,
        trace, not_achieved, spent; `model` where one was wanted.
    """
    brief, workspace = session.need_brief(), session.runner.workspace
    run_id = session.log.run_id
    folder = workspace.runs.folder(run_id)
    gates = gates_now(state, brief)
    failed = [g for g in gates if not g["passed"]]
    undone, refused = _undone(session, state), _refused(session, state["attempts"])
    if state.get("conflict") and (undone or any(g["severity"] == "must" for g in failed)):
        undone = [state["conflict"], *undone]
    work = ModelWork.model_validate(state["modelling"]) if state.get("modelling") else None
    undone += shortfalls(work) if work else []
    status = state["status"] or (3 if undone or any(g["severity"] == "must" for g in failed) else 0)
    result = workspace.artifacts.open(state["data"])
    with suppress(BudgetExceeded):  # the report then goes without the vocabulary of the result
        session.measure(result.id, state["raw"], state["evals"], docs=state.get("docs", []), whole=True)
    version = workspace.runs.publish(brief.name, result.id, run_id)
    recipe = build_recipe(
        workspace.artifacts,
        result.id,
        request=session.request.text,
        gates=brief.gates,
        measure=profile_params(brief, near=brief.dedup.near),
        seed=brief.seed,
        reasons=_reasons(session),
        then=_then(brief, work),
        beside=beside(state["evals"], state.get("docs", [])),
    )
    write_atomic(folder / "recipe.yaml", recipe_text(recipe).encode())
    outcome: dict[str, Any] = {
        "run_id": run_id,
        "status": status,
        "brief": brief.model_dump(mode="json"),
        "not_understood": list(brief.not_understood),
        "dataset": {
            "ref": f"{brief.name}@{version}",
            "artifact": result.id,
            "path": str(_export(result)),
            "rows": result.rows,
            "splits": result.record.result.get("splits", {}),
            "digest": result.record.content_digest,
        },
        **({"model": model_outcome(workspace.artifacts, brief, work)} if work else {}),
        "gates": gates,
        "findings": [e.data["text"] for e in session.log.events() if str(e.data.get("key")).startswith(FOUND)],
        "not_achieved": [
            *undone,
            *(_sentence(g, refused.get(g["metric"], ())) for g in failed),
            *([state["error"]] if state.get("error") else []),
        ],
        "decisions": state["turn"],
        "attempts": [{key: a[key] for key in ("method", "metric", "kept", "outcome")} for a in state["attempts"]],
        "report": str(folder / "report.html"),
        "recipe": str(folder / "recipe.yaml"),
        "trace": str(session.log.path),
        "spent": session.runner.budget.summary() if session.runner.budget else {},
    }
    summary = {name: value for name, value in outcome.items() if name != "brief"}
    session.log.once("run_finished", f"end {state['turn']}", status=status, summary=summary)
    workspace.runs.update(run_id, status="done", exit_status=status, dataset=result.id, outcome=outcome)
    write_report(workspace, run_id, folder / "report.html")
    return outcome


def _undone(session: Session, state: dict[str, Any]) -> list[str]:
    """What was asked for, is no gate, and no kept step has done; with what became of the attempts at it."""
    out = []
    for goal in view_of(cast("LoopState", state), session).goals:
        if isinstance(goal, Goal) and goal.is_wish:
            tried = [a["outcome"] for a in state["attempts"] if a["metric"] == goal.name and not a["kept"]]
            why = f": {tried[-1]}" if tried else ""
            out.append(f"asked for but not done: {goal.name.removeprefix('wish:')}{why}")
    return out


def _export(result: StoredDataset) -> Path:
    """The exported files, or the artifact's own parts when the run ended before `format`."""
    try:
        return result.file("export")
    except NotFoundError:
        return result.folder / "parts"


def _then(brief: Brief, work: ModelWork | None) -> TriggerPlan | None:
    """What a new version of the dataset starts by itself: the training that was chosen here, and the index."""
    if work is None:
        return None
    index = work.index or None
    if work.chosen is None or not work.evaluation or work.earlier:  # a champion's successor has another start each time
        return TriggerPlan(name=registry_name(brief), index=index) if index else None
    return TriggerPlan(
        name=registry_name(brief),
        model=work.chosen.model,
        evaluation=work.evaluation,
        ablation=work.ablation or None,
        index=index,
        promote=brief.promote,
    )


def _reasons(session: Session) -> dict[str, tuple[str, str]]:
    """Per artifact, the goal its step served and why it was chosen."""
    why = {}
    reasons = {}
    for event in session.log.events():
        if event.kind == "decision":
            why[event.data["decision"]["id"]] = event.data["decision"]["why"]
        elif event.kind == "measured" and event.data["kept"]:
            reasons[event.data["artifact"]] = (event.data["metric"], why.get(event.data["decision"], ""))
    return reasons


def _refused(session: Session, attempts: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Per metric, what would have served its gate and was undone, or weighed and left."""
    out: dict[str, list[str]] = {}
    for attempt in attempts:
        if not attempt["kept"]:
            out.setdefault(attempt["metric"], []).append(f"{attempt['method']} was undone: {attempt['outcome']}")
    tried = set(out)
    decisions = [event.data["decision"] for event in session.log.events() if event.kind == "decision"]
    weighed = {o["method"]: o["verdict"] for decision in decisions for o in decision["options"]}
    for name, verdict in weighed.items():
        for metric in CATALOGUE[name].moves if name in CATALOGUE else ():
            if metric not in tried and not verdict.startswith(("chosen", "later", "not chosen")):
                out.setdefault(metric, []).append(f"{name} {verdict}")
    return out


def _sentence(gate: dict[str, Any], why: Sequence[str]) -> str:
    shown = ",.0f" if METRICS[gate["metric"]].unit == "count" else ".4g"
    value = "was not measured" if gate["value"] is None else f"is {gate['value']:{shown}}"
    target = format(gate["target"], shown if shown == ",.0f" else "g")
    said = f"{gate['severity']} gate {gate['metric']} {gate['op']} {target}: it {value}"
    return "; ".join([said, *dict.fromkeys(why)])
