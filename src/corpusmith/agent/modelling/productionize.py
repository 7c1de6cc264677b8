"""Phase 5, productionize: the registry, its gates, the endpoint, and the hub.

A model is registered as a candidate, and answers the rows that it is asked to. It is promoted if that was asked for and
its evaluation passes; it is published only when every must gate of it holds. Publishing asks for an approval, wherever
it comes from.
"""

from __future__ import annotations

from corpusmith.agent.modelling.answering import answer
from corpusmith.agent.modelling.delivery import deploy, try_canary
from corpusmith.agent.modelling.handover import (
    brief_in,
    failed_musts,
    go,
    model_floors,
    model_gates,
    registry_in,
    registry_name,
    say,
    stopped,
    told,
    work_in,
)  # fmt: skip
from corpusmith.agent.modelling.work import ModelWork, Trial
from corpusmith.agent.session import Session
from corpusmith.agent.state import LoopState
from corpusmith.core.brief import Brief
from corpusmith.core.errors import BudgetExceeded, UsageError, WorkspaceError
from corpusmith.core.metrics import MADE_OF_DATA, METRICS


def productionize(session: Session, state: LoopState) -> LoopState:
    """Register, promote, deploy, publish, as far as asked for and passed."""
    brief, work = brief_in(session, state), work_in(state)
    chosen = work.chosen
    try:
        if chosen is not None:
            say(session, "productionize", "phase 5 of 5, productionize: the registry, and its gates")
            work = _register(session, brief, work, chosen)
        if brief.answers_for and not work.answers:
            work = answer(session, brief, work)
        work = deploy(session, brief, state, work)
        work = _publish(session, brief, state, work)
    except (WorkspaceError, BudgetExceeded) as error:
        return stopped(state, work, error)
    return go(state, work, "conclude")


def _register(session: Session, brief: Brief, work: ModelWork, chosen: Trial) -> ModelWork:
    registry = registry_in(session)
    if registry is None or work.version:
        return work
    name = registry_name(brief)
    try:
        version = registry.register(name, chosen.model, f"run {session.log.run_id}")
        work = work.model_copy(update={"version": version.ref})
        if not brief.promote:
            return work
        if not work.evaluation:
            return work.model_copy(update={"promoted": False, "refused": ("it was not judged",)})
        work = try_canary(session, brief, work, chosen, version)
        return work if work.refused else _promote(session, brief, work, chosen, name)
    except (WorkspaceError, BudgetExceeded):
        raise
    except UsageError as error:
        say(session, "not registered", f"not registered or promoted: {told(error)}")
        return work.with_problem(f"not registered or promoted: {told(error)}")


def _promote(session: Session, brief: Brief, work: ModelWork, chosen: Trial, name: str) -> ModelWork:
    roles = {"model": chosen.model, "evaluation": work.evaluation} | ({"base": chosen.base} if chosen.base else {})
    floors = [gate.model_dump(mode="json") for gate in model_floors(brief)]
    params = {"name": name, "gates": floors, "why": "the request asks for it"}
    result = session.step("promote", params, roles).artifact.record.result
    promoted = bool(result["promoted"] or result["already"])
    say(session, "promoted", f"{work.version} is the champion" if promoted else f"{work.version} stays a candidate")
    return work.model_copy(update={"promoted": promoted, "refused": tuple(result["failed"])})


def _publish(session: Session, brief: Brief, state: LoopState, work: ModelWork) -> ModelWork:
    model_asked = brief.training is not None
    data_to = brief.publish_data_to or (None if model_asked else brief.publish_to)
    data_gates = [gate for gate in brief.gates if METRICS[gate.metric].scope not in MADE_OF_DATA]
    spoilt = failed_musts(data_gates, state)
    if data_to and spoilt:
        work = work.with_problem(f"not published to {data_to}: {spoilt[0]}")
    elif data_to:
        work = _put(session, work, data_to, {"data": state["data"]})
    if not (model_asked and brief.publish_to):
        return work
    chosen = work.chosen
    failed = failed_musts(model_gates(brief), state)
    if chosen is None or failed:
        why = failed[0] if failed else "there is no model"
        return work.with_problem(f"not published to {brief.publish_to}: {why}")
    roles = {"model": chosen.model} | ({"base": chosen.base} if chosen.base else {})
    return _put(session, work, brief.publish_to, roles)


def _put(session: Session, work: ModelWork, to: str, roles: dict[str, str]) -> ModelWork:
    try:
        result = session.step("publish_hub", {"to": to}, roles).artifact.record.result
    except (WorkspaceError, BudgetExceeded):
        raise
    except UsageError as error:
        say(session, f"not published {to}", f"not published to {to}: {told(error)}")
        return work.with_problem(f"not published to {to}: {told(error)}")
    return work.model_copy(update={"published": (*work.published, str(result["url"]))})
