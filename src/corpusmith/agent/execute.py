"""Runs the loop of one session to its end, from the start or from its last checkpoint."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from langgraph.checkpoint.sqlite import SqliteSaver

from corpusmith.agent.graph import build_graph
from corpusmith.agent.session import Session
from corpusmith.core.errors import BudgetExceeded

STEPS_LIMIT = 1000
"""Supersteps LangGraph may take; turns are bounded by the brief long before."""


def execute(session: Session, folder: Path) -> dict[str, Any]:
    """Run or resume; returns the outcome that `conclude` wrote.

    Args:
        session: The run's means.
        folder: The run's folder; holds the checkpoints.
    """
    connection = sqlite3.connect(folder / "checkpoints.sqlite", check_same_thread=False)
    try:
        graph = build_graph(session, SqliteSaver(connection))
        config: Any = {"configurable": {"thread_id": session.log.run_id}, "recursion_limit": STEPS_LIMIT}
        values = graph.get_state(config).values
        begun = bool(values)
        if values.get("status") == BudgetExceeded.exit_status:  # more was given: go on where the budget ended
            graph.update_state(config, {"status": 0, "error": ""}, as_node="measure")
        state = graph.invoke(None if begun else {}, config, durability="sync")
    finally:
        connection.close()
    outcome: dict[str, Any] = state["outcome"]
    return outcome
