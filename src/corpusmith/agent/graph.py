"""The loop as a LangGraph graph: understand -> prepare -> decide -> guard -> act -> measure -> decide ... -> conclude.

Where a model is wanted, the finished dataset goes through select -> customize ... -> assess -> productionize first
(`agent.modelling`).

Nodes are idempotent: a crash re-enters the node that was at work, finds the steps that were finished (cached by their
identity) and writes no event twice (`EventLog.once`). Checkpoints are synchronous.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from corpusmith.agent.findings import AS_SEEN, FOUND, as_seen, findings
from corpusmith.agent.guard import objections, verdict_on
from corpusmith.agent.methods import CATALOGUE
from corpusmith.agent.modelling import after_phase, assess, customize, productionize, select, wants_model
from corpusmith.agent.planner import STOP, Attempt, Proposal
from corpusmith.agent.session import COPY_METRICS, RUN_METRICS, WORD_METRICS, Session
from corpusmith.agent.state import LoopState, view_of
from corpusmith.core.brief import Brief
from corpusmith.core.decisions import Decision
from corpusmith.core.errors import BudgetExceeded, SourceError, UsageError, WorkspaceError
from corpusmith.core.gates import judge

MAX_TRIES = 2
"""Times a rejected proposal goes back to its planner before the rules decide the turn."""


_ON_PURPOSE = {
    "balance": "rates of duplicates are those of before the oversampling, whose copies are made on purpose",
    "stopwords": "Gopher's quality rules are those of before the stop words went, for one of them asks for stop words",
}


class Loop:
    """The nodes, over one session."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def understand(self, _state: LoopState) -> LoopState:
        """Write the brief."""
        session = self.session
        if session.brief is None:
            session.brief = session.planner.understand(session.request).model_copy(update=dict(session.overrides))
        brief = session.brief
        session.log.once("brief", "brief", brief=brief.model_dump(mode="json"))
        return {"brief": brief.model_dump(mode="json"), "turn": 0, "attempts": [], "served": [], "status": 0}

    def prepare(self, state: LoopState) -> LoopState:
        """Read the sources, the evaluation sets and the documents, measure what came in, and say what was found."""
        session = self.session
        brief = self._brief(state)
        if not brief.sources:
            raise SourceError("the request names no source", hint="Add --source PATH, or name a path in the request.")
        raw = session.ingest(brief.sources, brief.text_field)
        if raw.artifact.rows == 0:
            raise SourceError(f"no rows in {', '.join(brief.sources)}", hint="Look at the rejects named above.")
        for note in raw.result.get("notes", []):
            session.log.once("note", f"ingest {note}", text=note)
        evals = [session.ingest([path], None).id for path in brief.decontaminate_against]
        docs = [session.ingest([path], None).id for path in brief.grounded_in]
        card_id, card = session.measure(raw.id, raw.id, evals, docs=docs, whole=True)
        packed = card.model_dump_json()
        session.brief = as_seen(brief, raw.artifact.shape, card)
        if session.brief != brief:
            session.log.once("brief", AS_SEEN, brief=session.brief.model_dump(mode="json"))
        for metric, text in findings(session.brief, raw.artifact.shape, card):
            session.log.once("note", FOUND + metric, text=text)
        return {
            "brief": session.brief.model_dump(mode="json"),
            "raw": raw.id,
            "evals": evals,
            "docs": docs,
            "data": raw.id,
            "shape": raw.artifact.shape.value,
            "rows": raw.artifact.rows,
            "card": packed,
            "card_id": card_id,
            "start_card": packed,
            "rejected": [],
            "tries": 0,
        }

    def decide(self, state: LoopState) -> LoopState:
        """Ask the planner for one action; the rules when the planner's proposals were refused too often."""
        self._brief(state)
        view = view_of(state, self.session)
        planner = self.session.planner if state["tries"] <= MAX_TRIES else self.session.fallback
        try:
            proposal = planner.decide(view, tuple(state["rejected"]))
        except BudgetExceeded as error:
            return {"proposal": _stop(error.message), "status": error.exit_status, "error": error.message}
        update: LoopState = {"proposal": proposal.model_dump(mode="json")}
        if proposal.conflict and not state.get("conflict"):
            self.session.log.once("note", "conflict", text=proposal.conflict)
            self.session.emit(proposal.conflict)
            update["conflict"] = proposal.conflict
        return update

    def guard(self, state: LoopState) -> Command[Literal["decide", "act", "select", "conclude"]]:
        """Hold the proposal against the rules that no planner may break."""
        self._brief(state)
        proposal = Proposal.model_validate(state["proposal"])
        view = view_of(state, self.session)
        if state["status"]:
            return Command(update={}, goto="conclude")
        try:
            found = objections(proposal, view, self.session.tools)
        except BudgetExceeded as error:
            return Command(update={"status": error.exit_status, "error": error.message}, goto="conclude")
        if found and state["tries"] <= MAX_TRIES:
            key = f"guard {state['turn']}.{state['tries']}"
            text = f"turn {state['turn']}: {proposal.planner} proposed {proposal.method}; refused: {'; '.join(found)}"
            if state["tries"] == MAX_TRIES:
                text += "; the rules decide this turn"
            self.session.log.once("note", key, text=text)
            heard = [] if state["tries"] == MAX_TRIES else list(found)
            return Command(update={"rejected": heard, "tries": state["tries"] + 1}, goto="decide")
        if proposal.method == STOP or found:
            why = proposal.why if not found else f"no admissible action: {'; '.join(found)}"
            self._log_decision(state, proposal.model_copy(update={"method": STOP, "why": why}))
            to = after_data(state)
            turn = state["turn"] + (to == "select")  # the decision to stop has a number of its own
            return Command(update={"error": why if found else "", "turn": turn}, goto=to)
        self._log_decision(state, proposal)
        return Command(update={"rejected": [], "tries": 0}, goto="act")

    def act(self, state: LoopState) -> LoopState:
        """Run the chosen tool."""
        self._brief(state)
        proposal = Proposal.model_validate(state["proposal"])
        chosen = CATALOGUE[proposal.method]
        inputs = {"data": state["data"]}
        if any(role.startswith("evals") for role in self.session.tools[chosen.tool].inputs):
            inputs |= {f"evals.{n}": ref for n, ref in enumerate(state["evals"])}
        if any(role.startswith("docs") for role in self.session.tools[chosen.tool].inputs):
            inputs |= {f"docs.{n}": ref for n, ref in enumerate(state.get("docs", []))}
        self.session.emit(f"turn {state['turn'] + 1}: {chosen.name} ({proposal.why})")
        try:
            outcome = self.session.step(chosen.tool, proposal.params, inputs)
        except WorkspaceError:
            raise
        except BudgetExceeded as error:
            return {"result": "", "error": error.message, "status": error.exit_status}
        except UsageError as error:
            return {"result": "", "error": error.message}
        return {"result": outcome.id, "error": ""}

    def measure(self, state: LoopState) -> LoopState:
        """Measure the result, and keep it or point back at its input."""
        self._brief(state)
        proposal = Proposal.model_validate(state["proposal"])
        view = view_of(state, self.session)
        before = None if proposal.metric is None else view.card.value(proposal.metric)
        if state["status"]:
            return {"turn": state["turn"] + 1}
        if not state["result"]:
            return self._settle(state, proposal, False, f"failed: {state['error']}", before, None, 1.0)
        result = self.session.runner.workspace.artifacts.open(state["result"])
        chosen = CATALOGUE[proposal.method]
        retained = result.rows / max(state["rows"], 1)
        if result.rows == 0:
            return self._settle(state, proposal, False, _nothing_left(result.record.counts.dropped), before, None, 0.0)
        wish = chosen.wish()
        drawn = any(name in ("sample", "balance", "generate") for name in (wish, *state["served"]))
        balance = view.brief.balance
        copied = "balance" in (wish, *state["served"]) and balance is not None and balance.method == "oversample"
        thinned = "stopwords" in (wish, *state["served"])
        names = (RUN_METRICS if drawn else ()) + (COPY_METRICS if copied else ()) + (WORD_METRICS if thinned else ())
        if wish in _ON_PURPOSE and (copied or thinned):
            self.session.log.once("note", f"carried {state['turn']}", text=_ON_PURPOSE[wish])
        carried = {k: v for k, v in view.card.metrics.items() if k in names}
        try:
            card_id, card = self.session.measure(
                result.id, state["raw"], state["evals"], carried, docs=state.get("docs", [])
            )
        except BudgetExceeded as error:
            return {"turn": state["turn"] + 1, "error": error.message, "status": error.exit_status}
        values = {name: metric.value for name, metric in card.metrics.items()}
        kept, why = verdict_on(view, proposal.metric, values, result.rows, retained, chosen.removes)
        after = None if proposal.metric is None else card.value(proposal.metric)
        update = self._settle(state, proposal, kept, why, before, after, 1.0 - min(1.0, retained))
        if kept:
            served = [*state["served"], wish] if wish and wish not in state["served"] else state["served"]
            if wish == "balance":
                served = [name for name in served if name != "format"]  # its files are written anew
            update |= {
                "data": result.id,
                "shape": result.shape.value,
                "rows": result.rows,
                "card": card.model_dump_json(),
                "card_id": card_id,
                "served": served,
            }
        return update

    def conclude(self, state: LoopState) -> LoopState:
        """Judge the gates a last time; report, recipe, card; name what was not achieved and why."""
        self._brief(state)
        return {"outcome": self.session.conclude(self.session, dict(state))}

    def _brief(self, state: LoopState) -> Brief:
        if self.session.brief is None:
            self.session.brief = Brief.model_validate(state["brief"])
        return self.session.brief

    def _log_decision(self, state: LoopState, proposal: Proposal) -> None:
        view = view_of(state, self.session)
        decision = Decision(
            id=f"d{state['turn'] + 1:02d}",
            turn=state["turn"] + 1,
            planner=proposal.planner,
            saw={gate.metric: view.card.value(gate.metric) for gate in view.brief.gates},
            unmet=tuple(goal.name for goal in view.goals),
            options=proposal.options,
            chosen=proposal.method,
            tool=CATALOGUE[proposal.method].tool if proposal.method in CATALOGUE else None,
            params=proposal.params,
            metric=proposal.metric,
            predicted=proposal.predicted,
            why=proposal.why,
            source=CATALOGUE[proposal.method].source if proposal.method in CATALOGUE else "",
        )
        self.session.log.once("decision", decision.id, decision=decision.model_dump(mode="json"), data=state["data"])

    def _settle(
        self,
        state: LoopState,
        proposal: Proposal,
        kept: bool,
        why: str,
        before: float | None,
        after: float | None,
        dropped_frac: float,
    ) -> LoopState:
        attempt = Attempt(
            method=proposal.method,
            params=proposal.params,
            metric=proposal.metric or "",
            data=state["data"],
            kept=kept,
            outcome=why,
            before=before,
            after=after,
            dropped_frac=round(dropped_frac, 6),
        )
        decision = f"d{state['turn'] + 1:02d}"
        self.session.log.once(
            "measured",
            decision,
            decision=decision,
            metric=proposal.metric,
            predicted=proposal.predicted,
            before=before,
            measured=after,
            kept=kept,
            outcome=why,
            artifact=state["result"],
            data=state["data"],
        )
        self.session.emit(f"  {'kept' if kept else 'rolled back'}: {why}")
        attempts = [*state["attempts"], attempt.model_dump(mode="json")]
        return {"attempts": attempts, "turn": state["turn"] + 1, "rejected": [], "tries": 0}


def after_data(state: LoopState) -> Literal["select", "conclude"]:
    """Where the run goes once the data is done: on to a model where one is wanted."""
    return "select" if not state["status"] and wants_model(Brief.model_validate(state["brief"])) else "conclude"


def after_measure(state: LoopState) -> Literal["decide", "select", "conclude"]:
    """Go on while there are turns and no budget is spent."""
    turns = int(state["brief"]["budgets"]["iterations"])
    return after_data(state) if state["status"] or state["turn"] >= turns else "decide"


def _nothing_left(dropped: Mapping[str, int]) -> str:
    """That a step left no rows, and which rules took them."""
    worst = sorted(dropped.items(), key=lambda item: (-item[1], item[0]))[:3]
    took = ", ".join(f"{rule} {rows:,}" for rule, rows in worst)
    return f"it left no rows ({took})" if took else "it left no rows"


def _stop(why: str) -> dict[str, Any]:
    return Proposal(planner="rules", method=STOP, why=why).model_dump(mode="json")


def build_graph(session: Session, checkpointer: Any = None) -> CompiledStateGraph[Any, Any, Any, Any]:
    """The compiled loop over `session`."""
    loop = Loop(session)
    graph = StateGraph(LoopState)
    for name in ("understand", "prepare", "decide", "guard", "act", "measure", "conclude"):
        graph.add_node(name, getattr(loop, name))
    for phase in (select, customize, assess, productionize):
        graph.add_node(phase.__name__, partial(phase, session))
        graph.add_conditional_edges(phase.__name__, after_phase, ["customize", "assess", "productionize", "conclude"])
    graph.add_edge(START, "understand")
    graph.add_edge("understand", "prepare")
    graph.add_edge("prepare", "decide")
    graph.add_edge("decide", "guard")
    graph.add_edge("act", "measure")
    graph.add_conditional_edges("measure", after_measure, ["decide", "select", "conclude"])
    graph.add_edge("conclude", END)
    return graph.compile(checkpointer=checkpointer)


def gates_now(state: dict[str, Any], brief: Brief) -> list[dict[str, Any]]:
    """The brief's gates held against the state's scorecard, as plain data, with the value at the start."""
    from corpusmith.core.gates import Scorecard

    start = Scorecard.model_validate_json(state["start_card"])
    return [
        {**result.model_dump(mode="json"), "before": start.value(result.metric)}
        for result in judge(brief.gates, Scorecard.model_validate_json(state["card"]))
    ]
