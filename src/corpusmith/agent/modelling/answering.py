"""The answers of the run's model to a set of rows, as a dataset of its own beside the one that was made."""

from __future__ import annotations

from corpusmith.agent.modelling.handover import registry_name, say, told
from corpusmith.agent.modelling.work import ModelWork
from corpusmith.agent.session import Session
from corpusmith.core.brief import Brief
from corpusmith.core.errors import BudgetExceeded, UsageError, WorkspaceError


def answer(session: Session, brief: Brief, work: ModelWork) -> ModelWork:
    """Let the chosen model, or the one that is prompted, answer every row of the set; greedy, no examples beside.

    Raises:
        WorkspaceError: The disk is full, or not ours.
        BudgetExceeded: Of the run.
    """
    roles, path = _model_roles(work), str(brief.answers_for)
    if not roles:
        return work.with_problem(f"{path} was not answered: there is no model")
    try:
        asked = session.ingest([path], None)
        answers = session.step("infer", {}, {**roles, "data": asked.id}).artifact
    except (WorkspaceError, BudgetExceeded):
        raise
    except UsageError as error:
        say(session, "not answered", f"{path} was not answered: {told(error)}")
        return work.with_problem(f"{path} was not answered: {told(error)}")
    name = f"{registry_name(brief)}-answers"
    version = session.runner.workspace.runs.publish(name, answers.id, session.log.run_id)
    say(session, "answered", f"{answers.rows:,} of {asked.artifact.rows:,} rows of {path} answered: {name}@{version}")
    return work.model_copy(update={"answers": f"{name}@{version}", "answers_artifact": answers.id})


def _model_roles(work: ModelWork) -> dict[str, str]:
    if work.chosen is not None:
        return {"model": work.chosen.model} | ({"base": work.chosen.base} if work.chosen.base else {})
    return {"model": work.bases[0].artifact} if work.approach == "prompting" and work.bases else {}
