"""Writes decision logs as a run would, event by event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from corpusmith.core.decisions import Decision, Option
from corpusmith.core.events import Event

RUN = "r-20260102-030405-abcdef"
START = 1_767_323_045.25


class RunLog:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "log.jsonl"
        self.cursor = folder / "opik.cursor.json"
        self.seq = 0
        self.path.touch()

    def add(self, kind: Any, **data: Any) -> Event:
        event = Event(run_id=RUN, seq=self.seq, time=START + self.seq, kind=kind, data=data)
        with self.path.open("a", encoding="utf-8") as log:
            log.write(event.model_dump_json() + "\n")
        self.seq += 1
        return event

    def started(self) -> None:
        gates = [{"metric": "near_duplicate_rate", "op": "<=", "target": 0.01}]
        self.add("run_started", request={"text": "clean ./articles"}, brief={"request": "clean", "gates": gates})

    def turn(self, number: int, after: float, kept: bool = True) -> None:
        """One decision with a model call before it, a step with a model call in it, and its measurement: 6 events."""
        self.add(
            "model_call", model="gpt-4o-mini", provider="openai", tokens_in=100, tokens_out=20, cost_usd=0.001,
            seconds=0.5, prompt="decide", prompt_version="2",
        )  # fmt: skip
        decision = Decision(
            id=f"d{number}", turn=number, planner="llm", saw={"near_duplicate_rate": 0.2},
            unmet=("near_duplicate_rate",), options=(Option(method="minhash", predicted=0.0),),
            chosen="minhash", tool="dedup",
            metric="near_duplicate_rate", predicted=0.0, why="most rows are copies",
        )  # fmt: skip
        self.add("decision", decision=decision.model_dump(mode="json"))
        step = f"{number:032x}"
        self.add("step_started", step=step, tool="dedup", params={"jaccard": 0.8}, inputs={"data": "a" * 32})
        self.add("model_call", model="gpt-4o-mini", tokens_in=7, tokens_out=3, cost_usd=None, seconds=0.1)
        self.add("step_finished", step=step, tool="dedup", status="done", artifact=step, rows_in=10, rows_out=8)
        self.add(
            "measured", decision=f"d{number}", before={"near_duplicate_rate": 0.2},
            after={"near_duplicate_rate": after}, predicted=0.0, measured=after, kept=kept,
        )  # fmt: skip

    def finished(self) -> None:
        gates = [{"metric": "near_duplicate_rate", "op": "<=", "target": 0.01, "value": 0.005, "passed": True}]
        self.add("run_finished", status="passed", summary={"gates": gates, "rows": 8})

    def whole(self, turns: int = 3) -> RunLog:
        self.started()
        for number in range(turns):
            self.turn(number, after=0.005 if number == turns - 1 else 0.1, kept=number != 1)
        self.finished()
        return self
