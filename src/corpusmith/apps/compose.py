"""The only composition root: fills sessions and runners with a workspace, an engine, planners, tools and a log."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from corpusmith.agent.conclude import conclude
from corpusmith.agent.execute import execute
from corpusmith.agent.llm_calls import open_judge
from corpusmith.agent.options import RunOptions
from corpusmith.agent.planner import Planner
from corpusmith.agent.rules_planner import RulesPlanner
from corpusmith.agent.session import Session
from corpusmith.apps.approving import OUTSIDE_RUNS, Decide, actor, approver
from corpusmith.apps.narration import Narrator, ToldLog
from corpusmith.apps.preflight import model_name, refuse_early
from corpusmith.apps.progress import Progress
from corpusmith.apps.stopping import Stop
from corpusmith.core.brief import Brief, Request
from corpusmith.core.errors import (
    ApprovalRequired,
    BudgetExceeded,
    Cancelled,
    CorpusmithError,
    UsageError,
    WorkspaceError,
)
from corpusmith.core.ids import new_run_id
from corpusmith.core.settings import Settings
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.models.digests import model_digests
from corpusmith.models.hosted.access import HostedAccess
from corpusmith.models.hub_publish import HubAccess
from corpusmith.models.serving.access import ServingAccess
from corpusmith.models.serving.launch import Launcher
from corpusmith.models.training.place import Place
from corpusmith.store.api_keys import ApiKeys
from corpusmith.store.budgets import BudgetAccount
from corpusmith.store.endpoints import Endpoints
from corpusmith.store.eventlog import EventLog
from corpusmith.store.registry import ModelRegistry
from corpusmith.store.runs import Lease
from corpusmith.store.workspace import Workspace
from corpusmith.tools.registry import TOOLS


@dataclass
class App:
    """An open workspace and what works on it."""

    settings: Settings
    workspace: Workspace
    progress: Progress = field(default_factory=Progress)
    chosen_planner: Planner | None = None

    @classmethod
    def open(cls, settings: Settings, quiet: bool = False) -> App:
        """Open the workspace of the settings, making it when it is not there."""
        return cls(settings, Workspace.open(settings.workspace), Progress(quiet))

    def engine(self, stop: Stop | None = None) -> LocalEngine:
        """A local engine with progress."""
        engine = LocalEngine(workers=self.settings.workers, on_pass=self.progress.begin, on_rows=self.progress.rows)
        if stop is not None:
            engine.cancel = stop
        return engine

    def runner(self, stop: Stop, approve: Decide | None = None) -> Runner:
        """A runner outside any run, for single tools and replays."""
        return Runner(
            self.workspace,
            self.engine(stop),
            OUTSIDE_RUNS,
            approve=approve or approver("ask", None),
            cancel=stop,
            services=self.services(actor()) | self.judge(None),
            emit=self.progress.told,
        )

    def registry(self, by: str, run_id: str | None = None) -> ModelRegistry:
        """The registry of models, for one who acts."""
        return ModelRegistry(self.workspace.database, self.workspace.artifacts, _digest_of, by, run_id)

    def services(self, by: str, run_id: str | None = None) -> dict[str, Any]:
        """What tools may ask their context for."""
        hub = HubAccess(endpoint=self.settings.hub_endpoint, token=self.settings.hub_token)
        openai = HostedAccess(
            base_url=self.settings.model_base_url,
            api_key=self.settings.openai_api_key,
            prices=self.settings.fine_tuning_prices,
        )
        place = Place.model_validate(self.settings.train.model_dump())
        database, here = self.workspace.database, (sys.executable, "-m", "corpusmith")
        serving = ServingAccess(Endpoints(database, by), ApiKeys(database), Launcher(here, self.settings.workspace))
        registry = self.registry(by, run_id)
        index = {"retrieval": self.settings.workspace / "retrieval", "qdrant_key": self.settings.qdrant_api_key}
        return {"registry": registry, "hub": hub, "openai": openai, "place": place, "serving": serving, **index}

    def judge(self, budget: BudgetAccount | None) -> dict[str, Any]:
        """The chat model that judges answers, where one is named, as a service: opened when it is first asked for."""
        name, base_url = self.settings.model, self.settings.model_base_url
        return {} if name is None else {"chat": partial(open_judge, name, base_url, budget)}

    def start(self, text: str, options: RunOptions) -> dict[str, Any]:
        """Run a request from its start to its end.

        Raises:
            UsageError: The request, a source or an option cannot work; then there is no run.
        """
        request = request_of(text, options)
        refuse_early(brief_of(request, options), options, self.settings)
        run_id = new_run_id()
        self.workspace.runs.create(run_id, text, options.model_dump(mode="json"))
        self.progress.line(f"run      {run_id}")
        return self._drive(run_id, request, options)

    def resume(self, run_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Go on with a run from its last checkpoint; a finished run gives its outcome again."""
        run = self.workspace.runs.get(run_id)
        if run.status == "done" and run.exit_status != BudgetExceeded.exit_status:
            return run.outcome
        options = RunOptions.model_validate({**run.options, **changes})
        approver(options.approve, options.policy)
        self.progress.line(f"run      {run.id}, resumed")
        return self._drive(run.id, request_of(run.request, options), options)

    def _drive(self, run_id: str, request: Request, options: RunOptions) -> dict[str, Any]:
        runs = self.workspace.runs
        folder = runs.folder(run_id)
        lease = Lease(folder, run_id)
        stop = Stop(f"run {run_id}", f"corpusmith resume {run_id}")
        engine = self.engine(stop)
        try:
            with stop.on_signals():
                log = ToldLog(folder, run_id, Narrator(self.progress))
                log.once("run_started", "start", request=request.text, options=options.model_dump(mode="json"))
                runs.update(run_id, status="running", options=options.model_dump(mode="json"))
                outcome = _execute(self._session(run_id, request, options, log, engine, stop), folder)
        except CorpusmithError as error:
            error.fields.setdefault("run_id", run_id)
            with suppress(WorkspaceError):  # a full disk: then the run stays "running" with no holder: interrupted
                runs.update(
                    run_id,
                    status=_status_after(error),
                    exit_status=error.exit_status,
                    outcome={"error": error.message},
                )
            raise
        finally:
            engine.close()
            lease.release()
        self._export_trace(run_id)
        return outcome

    def _session(
        self, run_id: str, request: Request, options: RunOptions, log: EventLog, engine: LocalEngine, stop: Stop
    ) -> Session:
        brief = brief_of(request, options)
        limits = {"minutes": brief.budgets.minutes, "cost_usd": brief.budgets.cost_usd, "tokens": brief.budgets.tokens}
        budget = BudgetAccount(self.workspace.database, run_id, {k: v for k, v in limits.items() if v is not None})
        if brief.budgets.minutes is not None:
            stop.deadline = time.monotonic() + 60 * max(0.0, budget.left("minutes"))
        runner = Runner(
            self.workspace,
            engine,
            run_id,
            log,
            budget,
            approver(options.approve, options.policy),
            stop,
            services=self.services(f"run {run_id}", run_id) | self.judge(budget),
            emit=self.progress.told,
        )
        return Session(
            request=request,
            runner=runner,
            log=log,
            planner=self._planner(options, budget, log),
            fallback=RulesPlanner(),
            tools=TOOLS,
            conclude=conclude,
            brief=brief if options.planner == "rules" else None,
            overrides={} if options.name is None else {"name": options.name},
        )

    def _planner(self, options: RunOptions, budget: BudgetAccount, log: EventLog) -> Planner:
        """The planner that the options name, unless another was put in its place (the evaluation suite does)."""
        if self.chosen_planner is not None:
            return self.chosen_planner
        if options.planner == "rules":
            return RulesPlanner()
        from corpusmith.agent.llm_planner import open_llm_planner

        return open_llm_planner(model_name(options, self.settings), self.settings.model_base_url, budget, log)

    def _export_trace(self, run_id: str) -> None:
        """Send the decision log to Opik when a server is configured; a refusal is said, never fatal."""
        if self.settings.opik_url is None:
            return
        from corpusmith.apps.tracing import export_traces

        try:
            lines = export_traces(self.settings, self.workspace, run_id)
        except UsageError as error:  # the run itself is done and well
            lines = [f"opik: {error.message}; later: corpusmith trace export {run_id}"]
        for line in lines:
            self.progress.line(line)


def _execute(session: Session, folder: Path) -> dict[str, Any]:
    """Run the loop; what its checkpoints' database refuses is the disk's doing, not a defect."""
    try:
        return execute(session, folder)
    except sqlite3.OperationalError as error:
        raise WorkspaceError(
            f"the checkpoints in {folder} cannot be written: {error}",
            hint="Free some space, then `corpusmith resume` goes on from the last finished step.",
        ) from error


def _digest_of(folder: Path) -> str:
    return model_digests(folder).digest


def _status_after(error: CorpusmithError) -> str:
    if isinstance(error, ApprovalRequired):
        return "waiting"
    return "interrupted" if isinstance(error, Cancelled | BudgetExceeded) else "failed"


def brief_of(request: Request, options: RunOptions) -> Brief:
    """The brief for a request by rules, with the options on top.

    Raises:
        RequestError: Nothing of it can be understood, or it asks for what cannot be.
    """
    brief = RulesPlanner().understand(request)
    return brief if options.name is None else brief.model_copy(update={"name": options.name})


def request_of(text: str, options: RunOptions) -> Request:
    """The request with the options that belong to it; relative source paths are made absolute."""
    return Request(
        text=text,
        sources=tuple(absolute(source) for source in options.sources),
        seed=options.seed,
        max_minutes=options.max_minutes,
        max_cost_usd=options.max_cost,
    )


def absolute(source: str) -> str:
    """A source as it means the same from everywhere: URLs as they are, paths from the current folder."""
    return source if "://" in source else str(Path(source).expanduser().absolute())
