"""What happens in a run, as frozen records. The decision log is a file of these, one JSON object a line; exporters,
progress displays and reports are their readers. The core knows no vendor.

`Event.kind` and `data` carry, by kind:

    run_started      request, brief
    brief            the brief as a mapping (again when it changes)
    step_started     step, tool, params, inputs
    step_finished    step, tool, artifact, status (done|cached|failed), rows_in, rows_out, seconds, metrics, error
    decision         decision (core.decisions.Decision as a mapping)
    measured         decision id, gate values before and after, predicted and measured effect, kept
    approval         action, state (asked|granted|denied|used|expired), by
    budget           account, spent, limit
    model_call       purpose, model, provider, tokens_in, tokens_out, cost_usd, seconds, prompt, prompt_version, error
    note             text
    run_finished     status, summary
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

EventKind = Literal[
    "run_started",
    "brief",
    "step_started",
    "step_finished",
    "decision",
    "measured",
    "approval",
    "budget",
    "model_call",
    "note",
    "run_finished",
]


class Event(BaseModel):
    """One line of the decision log. `seq` counts from 0 in its run with no gap; `time` is Unix seconds (UTC)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    run_id: str
    seq: int
    time: float
    kind: EventKind
    data: dict[str, Any] = Field(default_factory=dict)
