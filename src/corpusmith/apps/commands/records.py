"""Commands on what a run left: runs, show, approve, deny, report, recipe. They work while the run is at work, too."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from corpusmith.apps.approving import OUTSIDE_RUNS, record_answer
from corpusmith.apps.boundary import boundary, with_workspace
from corpusmith.apps.output import show, show_json, table
from corpusmith.apps.workspaces import open_existing
from corpusmith.core.errors import BudgetExceeded, ParameterError
from corpusmith.store.approvals import Approval
from corpusmith.store.runs import is_held
from corpusmith.store.workspace import Workspace
from corpusmith.workflows.story import load_story


def list_runs(workspace: Path | None, as_json: bool) -> None:
    """`corpusmith runs`."""
    with boundary(as_json, workspace):
        opened = open_existing(workspace)
        found = opened.runs.all()
        status = {r.id: _status(opened, r.id, r.status) for r in found}
        waiting = _waiting(opened, OUTSIDE_RUNS)
        if as_json:
            rows = [{**r.model_dump(exclude={"outcome"}), "status": status[r.id]} for r in found]
            show_json({"status": 0, "runs": rows, "waiting": [question.model_dump() for question in waiting]})
            return
        cells = [
            (r.id, status[r.id], time.strftime("%Y-%m-%d %H:%M", time.localtime(r.started)), _short(r.request))
            for r in found
        ]
        show(table(("run", "status", "started", "request"), cells) if cells else "No runs yet.")
        _show_waiting(waiting, OUTSIDE_RUNS, workspace)


def _short(request: str) -> str:
    folded = " ".join(request.split())
    return folded if len(folded) <= 70 else folded[:69] + "…"


def _status(workspace: Workspace, run_id: str, status: str) -> str:
    """The status as it is now: a run that says "running" and that nobody holds was interrupted."""
    if status == "running" and not is_held(workspace.runs.folder(run_id)):
        return "interrupted"
    return status


def _waiting(workspace: Workspace, run_id: str) -> list[Approval]:
    return [a for a in workspace.approvals.of(run_id) if a.state == "asked" and a.expires > time.time()]


def _show_waiting(waiting: list[Approval], run_id: str, workspace: Path | None) -> None:
    for question in waiting:
        action = question.id.split("/", 1)[-1]
        command = with_workspace(f"corpusmith approve {run_id} --action {action}", workspace)
        show(f"waiting  {action} {question.args}: {command}")


def show_run(run_id: str, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith show`."""
    with boundary(as_json, workspace):
        opened = open_existing(workspace)
        story = load_story(opened, run_id)
        status = _status(opened, story.run.id, story.run.status)
        waiting = _waiting(opened, story.run.id)
        if as_json:
            show_json({**story.as_json(), "status": status, "waiting": [a.model_dump() for a in waiting]})
            return
        for line in story.lines():
            show(line)
        show(f"status   {status}")
        _show_waiting(waiting, story.run.id, workspace)
        if story.run.exit_status == BudgetExceeded.exit_status:
            show(f"next     {with_workspace(f'corpusmith resume {story.run.id} --max-minutes N', workspace)}")
        elif status in ("interrupted", "failed"):
            show(f"next     {with_workspace(f'corpusmith resume {story.run.id}', workspace)}")


def answer(run_id: str, granted: bool, action: str | None, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith approve` and `corpusmith deny`."""
    with boundary(as_json, workspace):
        opened = open_existing(workspace)
        asked = OUTSIDE_RUNS if run_id == OUTSIDE_RUNS else opened.runs.get(run_id).id
        decided = record_answer(opened.approvals, asked, granted, action)
        if as_json:
            show_json({"status": 0, "action": decided.id, "state": decided.state, "by": decided.by})
            return
        show(f"{decided.id} {decided.state} by {decided.by}")
        if asked == OUTSIDE_RUNS:
            show("next     call the tool again, as before" if granted else "next     nothing: it will not be done")
        else:
            show(f"next     {with_workspace(f'corpusmith resume {asked}', workspace)}")


def report(run_id: str, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith report`."""
    with boundary(as_json, workspace):
        from corpusmith.workflows.reporting import write_report

        opened = open_existing(workspace)
        run = opened.runs.get(run_id)
        path = opened.runs.folder(run.id) / "report.html"
        write_report(opened, run.id, path)
        if as_json:
            show_json({"status": 0, "run_id": run.id, "report": str(path)})
        else:
            show(str(path))


def recipe(run_id: str, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith recipe`."""
    with boundary(as_json, workspace):
        opened = open_existing(workspace)
        run = opened.runs.get(run_id)
        path = opened.runs.folder(run.id) / "recipe.yaml"
        if not path.is_file():
            raise ParameterError(f"run {run.id} has no recipe yet", hint=f"corpusmith resume {run.id}")
        text = path.read_text(encoding="utf-8")
        if as_json:
            import yaml

            show_json({"status": 0, "run_id": run.id, "path": str(path), "recipe": yaml.safe_load(text)})
        else:
            sys.stdout.write(text)
