"""The only composition root: fills sessions and runners with a workspace, an engine, planners, tools and a log."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from corpusmith.agent.conclude import conclude
from corpusmith.agent.execute import execute
from corpusmith.agent.options import RunOptions
from corpusmith.agent.planner import Planner
from corpusmith.agent.rules_planner import RulesPlanner
from corpusmith.agent.session import Session
from corpusmith.apps.output import Progress
from corpusmith.core.brief import Brief, Request
from corpusmith.core.errors import (
    ApprovalRequired,
    BudgetExceeded,
    Cancelled,
    CorpusmithError,
    ParameterError,
)
from corpusmith.core.ids import new_run_id
from corpusmith.core.settings import Settings
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.store.budgets import BudgetAccount
from corpusmith.store.eventlog import EventLog
from corpusmith.store.runs import Lease
from corpusmith.store.workspace import Workspace
from corpusmith.tools.registry import TOOLS


@dataclass
class Stop:
    """Ends work at the next safe point: on Ctrl-C, on SIGTERM, or when the time budget is spent."""

    run_id: str
    deadline: float | None = None
    asked: bool = False

    def check(self) -> None:
        """Raise Cancelled or BudgetExceeded when it is time to stop."""
        if self.asked:
            raise Cancelled(f"run {self.run_id} was stopped", hint=f"corpusmith resume {self.run_id}")
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise BudgetExceeded("the time budget of the run is spent", hint="Give more with --max-minutes.")

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Listen for SIGINT and SIGTERM; a second one ends the process at once."""

        def handle(number: int, _frame: FrameType | None) -> None:
            if self.asked:
                raise SystemExit(128 + number)
            self.asked = True

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, old in before.items():
                signal.signal(number, old)


@dataclass
class App:
    """An open workspace and what works on it."""

    settings: Settings
    workspace: Workspace
    progress: Progress = field(default_factory=Progress)
    chosen_planner: Planner | None = None

    @classmethod
    def open(cls, settings: Settings, quiet: bool = False) -> App:
        """Open the workspace of the settings."""
        return cls(settings, Workspace.open(settings.workspace), Progress(quiet))

    def engine(self, stop: Stop | None = None) -> LocalEngine:
        """A local engine with progress."""
        engine = LocalEngine(workers=self.settings.workers, on_rows=self.progress.rows)
        if stop is not None:
            engine.cancel = stop
        return engine

    def planner(self, options: RunOptions, budget: BudgetAccount | None, log: EventLog | None) -> Planner:
        """The planner that the options name, unless another was put in its place (the evaluation suite does)."""
        if self.chosen_planner is not None:
            return self.chosen_planner
        if options.planner == "rules":
            return RulesPlanner()
        from corpusmith.agent.llm_planner import open_llm_planner

        name = options.model or self.settings.model
        if name is None:
            raise ParameterError(
                "the llm planner needs a model", hint="Give --model provider:name, e.g. openai:gpt-4o."
            )
        return open_llm_planner(name, self.settings.model_base_url, budget, log)

    def brief_of(self, request: Request, options: RunOptions) -> Brief:
        """The brief for a request, with the options on top."""
        brief = self.planner(options, None, None).understand(request)
        return brief if options.name is None else brief.model_copy(update={"name": options.name})

    def start(self, text: str, options: RunOptions) -> dict[str, Any]:
        """Run a request from its start to its end."""
        request = request_of(text, options)
        self.brief_of(
            request, options.model_copy(update={"planner": "rules"})
        )  # a request nobody understands leaves no run
        run_id = new_run_id()
        self.workspace.runs.create(run_id, text, options.model_dump(mode="json"))
        self.progress.line(f"run {run_id}")
        return self._drive(run_id, request, options)

    def resume(self, run_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Go on with a run from its last checkpoint; a finished run gives its outcome again."""
        run = self.workspace.runs.get(run_id)
        if run.status == "done" and run.exit_status != BudgetExceeded.exit_status:
            return run.outcome
        options = RunOptions.model_validate({**run.options, **changes})
        self.progress.line(f"resuming run {run.id}")
        return self._drive(run.id, request_of(run.request, options), options)

    def _drive(self, run_id: str, request: Request, options: RunOptions) -> dict[str, Any]:
        runs = self.workspace.runs
        folder = runs.folder(run_id)
        lease = Lease(folder, run_id)
        stop = Stop(run_id)
        engine = self.engine(stop)
        try:
            log = EventLog(folder, run_id)
            log.once("run_started", "start", request=request.text, options=options.model_dump(mode="json"))
            runs.update(run_id, status="running", options=options.model_dump(mode="json"))
            session = self._session(run_id, request, options, log, engine, stop)
            with stop.on_signals():
                outcome = execute(session, folder)
        except Cancelled:
            runs.update(run_id, status="interrupted", exit_status=Cancelled.exit_status)
            raise
        except ApprovalRequired:
            runs.update(run_id, status="waiting", exit_status=ApprovalRequired.exit_status)
            raise
        except CorpusmithError as error:
            runs.update(run_id, status="failed", exit_status=error.exit_status, outcome={"error": error.message})
            raise
        finally:
            engine.close()
            lease.release()
        self._export_trace(run_id)
        return outcome

    def _session(
        self, run_id: str, request: Request, options: RunOptions, log: EventLog, engine: LocalEngine, stop: Stop
    ) -> Session:
        brief = self.brief_of(request, options.model_copy(update={"planner": "rules"}))
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
            approver(options),
            stop,
            emit=self.progress.line,
        )
        planner = self.planner(options, budget, log)
        return Session(
            request=request,
            runner=runner,
            log=log,
            planner=planner,
            fallback=RulesPlanner(),
            tools=TOOLS,
            conclude=conclude,
            brief=brief if options.planner == "rules" else None,
            overrides={} if options.name is None else {"name": options.name},
            emit=self.progress.line,
        )

    def _export_trace(self, run_id: str) -> None:
        """Send the decision log to Opik when a server is configured; a refusal is said, never fatal."""
        if self.settings.opik_url is None:
            return
        from corpusmith.apps.tracing import export_traces

        for line in export_traces(self, run_id):
            self.progress.line(line)

    def runner(self) -> Runner:
        """A runner outside any run, for single tools and replays."""
        return Runner(self.workspace, self.engine(), emit=self.progress.line)


def request_of(text: str, options: RunOptions) -> Request:
    """The request with the options that belong to it; relative source paths are made absolute."""
    sources = tuple(s if "://" in s else str(Path(s).expanduser().absolute()) for s in options.sources)
    return Request(
        text=text,
        sources=sources,
        seed=options.seed,
        max_minutes=options.max_minutes,
        max_cost_usd=options.max_cost,
    )


def approver(options: RunOptions) -> Any:
    """How guarded effects are decided: `ask` waits for a person, `policy` reads a file, `deny` refuses.

    Raises:
        ParameterError: The policy file is missing or is not a mapping of actions to `grant` or `deny`.
    """
    if options.approve == "ask":
        return lambda _action, _args: "ask"
    if options.approve == "deny":
        return lambda _action, _args: "deny"
    path = Path(options.policy or "")
    if options.policy is None or not path.is_file():
        raise ParameterError(
            "--approve policy needs a file", hint="Give --policy FILE with lines like `publish: grant`."
        )
    rules = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(rules, dict) or not set(rules.values()) <= {"grant", "deny", "ask"}:
        raise ParameterError(f"{path} is not a policy", hint="Write one action a line: `publish: grant`.")
    return lambda action, _args: rules.get(action, "ask")
