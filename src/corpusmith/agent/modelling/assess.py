"""Between customize and productionize: the best model on the test split, the data by an ablation, the index it asks.

Nothing is chosen here: what is measured goes onto the run's scorecard, and the gates are held against it at the end.
"""

from __future__ import annotations

from typing import Any

from corpusmith.agent.modelling import calls
from corpusmith.agent.modelling.delivery import build_index, documents
from corpusmith.agent.modelling.handover import brief_in, go, registry_in, registry_name, say, stopped, told, work_in
from corpusmith.agent.modelling.work import ModelWork, Setting, Trial
from corpusmith.agent.session import Session
from corpusmith.agent.state import LoopState
from corpusmith.core.brief import Brief
from corpusmith.core.errors import BudgetExceeded, UsageError, WorkspaceError
from corpusmith.core.gates import Metric, Scorecard
from corpusmith.core.metrics import METRICS
from corpusmith.workflows.trigger import champion_roles

Figures = dict[str, Metric]


def assess(session: Session, state: LoopState) -> LoopState:
    """Judge what was made, as far as anything was."""
    brief, work = brief_in(session, state), work_in(state)
    card = Scorecard.model_validate_json(state["card"])
    try:
        work, found = _judge_model(session, brief, state, work)
        if brief.ablation:
            work, more = _ablate(session, state, work)
            found |= more
        if brief.index is not None:
            work, more = build_index(session, brief, state, work, brief.index)
            found |= more
    except (WorkspaceError, BudgetExceeded) as error:
        return stopped(state, work, error)
    card = card.model_copy(update={"metrics": {**card.metrics, **found}})
    return {**go(state, work, "productionize"), "card": card.model_dump_json()}


def _judge_model(session: Session, brief: Brief, state: LoopState, work: ModelWork) -> tuple[ModelWork, Figures]:
    chosen = work.chosen or _prompted(work)
    if chosen is None:
        for trial in work.trials:
            work = work.with_problem(f"{trial.setting.text()}: {trial.problem or 'no figure'}")
        return work, {}
    where = f"on {brief.evaluation.on}" if brief.evaluation.on else "on the test split"
    say(session, "judge", f"judging the model {where}, which nothing was chosen by")
    wish = brief.evaluation
    params: dict[str, Any] = {"split": None if wish.on else "test", "judge": wish.judge, "task": wish.task}
    if not wish.on:  # rows of our own split are told and left out; a set of the person's own is refused
        params["overlap"] = "drop"
    try:
        roles = calls.evaluation_roles(chosen, state["data"], work.earlier)
        registry = registry_in(session)
        if registry is not None:
            roles |= champion_roles(registry, registry_name(brief), chosen.model)
        if wish.on:
            roles["data"] = session.ingest([wish.on], None).id
        if wish.general:
            roles["general"] = session.ingest([wish.general], None).id
        report = session.step("evaluate", params, roles).artifact
    except (WorkspaceError, BudgetExceeded):
        raise
    except UsageError as error:
        say(session, "not judged", f"the model was not judged: {told(error)}")
        return work.with_problem(f"the model was not judged: {told(error)}"), {}
    line = str(report.record.result.get("first_line", ""))
    say(session, "judged", line)
    found = {name: m for name, m in calls.scorecard_of(report).metrics.items() if METRICS[name].scope == "model"}
    return work.model_copy(update={"evaluation": report.id, "first_line": line}), found


def _prompted(work: ModelWork) -> Trial | None:
    """The base itself, with examples in its prompt, where that is the way that was chosen."""
    if work.approach != "prompting" or not work.bases:
        return None
    base = work.bases[0]
    return Trial(
        decision="", move="prompting", setting=Setting(base=base.name, adapter="none"), base="", model=base.artifact
    )


def _ablate(session: Session, state: LoopState, work: ModelWork) -> tuple[ModelWork, Figures]:
    say(session, "ablate", "ablation: the same small model, trained on the data as it came in and as it is now")
    try:
        curated = documents(session, state)
        report = session.step("ablate", {}, {"raw": state["raw"], "curated": curated}).artifact
    except (WorkspaceError, BudgetExceeded):
        raise
    except UsageError as error:
        say(session, "no ablation", f"no ablation: {told(error)}")
        return work.with_problem(f"no ablation: {told(error)}"), {}
    line = str(report.record.result.get("first_line", ""))
    say(session, "ablated", line)
    found = {name: m for name, m in calls.scorecard_of(report).metrics.items() if METRICS[name].scope == "ablation"}
    return work.model_copy(update={"ablation": report.id, "ablation_line": line}), found
