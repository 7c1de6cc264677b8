"""One run's means: the runner, the log, the planners and the tools, and the few things the loop does with them.

The loop's state holds ids and small records only; everything here is rebuilt when a run is resumed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from corpusmith.agent.methods import method as method_named
from corpusmith.agent.planner import Planner
from corpusmith.core.brief import Brief, Request
from corpusmith.core.errors import BudgetExceeded, UsageError
from corpusmith.core.gates import Metric, Scorecard
from corpusmith.core.tools import Tool
from corpusmith.engine.runner import Runner, StepOutcome
from corpusmith.store.eventlog import EventLog

SAMPLE_ROWS = 400
"""Rows of the fixed sample on which settings are tried."""

RUN_METRICS = ("retention", "source_retention_min")
"""Measured against the run's input; carried over once rows are drawn or derived on purpose."""

COPY_METRICS = ("exact_duplicate_rate", "near_duplicate_rate", "repeated_instruction_rate")
"""Carried over once rows are copied on purpose (oversampling)."""

WORD_METRICS = ("gopher_quality_fail_rate",)
"""Carried over once words are taken out on purpose: a rule of it asks for stop words."""


@dataclass
class Session:
    """What the nodes of the graph work with.

    Attributes:
        request: What the person wrote.
        runner: The one door for steps.
        log: The decision log.
        planner: Who decides; `fallback` decides a turn when it cannot.
        tools: Tools by name.
        conclude: Writes report, recipe and card; given by the composition root.
        overrides: Fields of the brief that options set.
        brief: Set by `understand`, or before a resume.
    """

    request: Request
    runner: Runner
    log: EventLog
    planner: Planner
    fallback: Planner
    tools: Mapping[str, Tool[Any]]
    conclude: Callable[[Session, dict[str, Any]], dict[str, Any]]
    brief: Brief | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    emit: Callable[[str], None] = lambda _line: None
    _trials: dict[str, Mapping[str, float] | None] = field(default_factory=dict)

    def need_brief(self) -> Brief:
        """The brief; only nodes after `understand` ask for it."""
        if self.brief is None:
            raise UsageError("the run has no brief yet", hint="Start it with `corpusmith run`.")
        return self.brief

    def step(
        self, tool: str, params: Mapping[str, Any], inputs: Mapping[str, str], seed: int | None = None
    ) -> StepOutcome:
        """Run one step through the door."""
        chosen = self.need_brief().seed if seed is None else seed
        return self.runner.run_step(self.tools[tool], params, inputs, chosen)

    def ingest(self, sources: Sequence[str], text_field: str | None) -> StepOutcome:
        """Read what the person pointed at."""
        return self.step("ingest", {"sources": list(sources), "text_field": text_field}, {})

    def measure(
        self,
        data: str,
        raw: str | None,
        evals: Sequence[str],
        carried: Mapping[str, Metric] | None = None,
        whole: bool = False,
        docs: Sequence[str] = (),
    ) -> tuple[str, Scorecard]:
        """Profile an artifact: the id of the profile and the scorecard, with `carried` metrics put in.

        `whole` also counts distinct tokens, for the report: on the data as it came in and as it goes out.
        """
        brief = self.need_brief()
        inputs = {"data": data, **beside(evals, docs)}
        if raw is not None:
            inputs["baseline"] = raw
        outcome = self.step("profile", profile_params(brief, near=brief.dedup.near, vocabulary=whole), inputs)
        card = Scorecard.model_validate_json(outcome.artifact.file("scorecard.json").read_bytes())
        if carried:
            card = card.model_copy(update={"metrics": {**card.metrics, **carried}})
        return outcome.id, card

    def try_on_sample(self, data: str, name: str, params: Mapping[str, Any]) -> Mapping[str, float] | None:
        """Figures of a method on a fixed sample of `data`; None when it was refused.

        Every metric of the result, `sample_retention`, and per rule `dropped:<rule>`, the share of rows it took.
        """
        key = json.dumps([data, name, params], sort_keys=True, default=str)
        if key not in self._trials:
            self._trials[key] = self._try(data, name, params)
        return self._trials[key]

    def _try(self, data: str, name: str, params: Mapping[str, Any]) -> Mapping[str, float] | None:
        brief = self.need_brief()
        try:
            sample = self.step("sample", {"method": "random", "rows": SAMPLE_ROWS}, {"data": data})
            tried = self.step(method_named(name).tool, params, {"data": sample.id})
            if tried.artifact.rows == 0:
                return {"sample_retention": 0.0}
            measured = self.step("profile", profile_params(brief, near=False), {"data": tried.id})
        except BudgetExceeded:
            raise
        except UsageError as error:
            self.emit(f"{name} cannot run on the sample: {error.message}")
            return None
        card = Scorecard.model_validate_json(measured.artifact.file("scorecard.json").read_bytes())
        figures = {metric: entry.value for metric, entry in card.metrics.items()}
        rows = max(sample.artifact.rows, 1)
        figures["sample_retention"] = tried.artifact.rows / rows
        figures |= {f"dropped:{rule}": n / rows for rule, n in tried.artifact.record.counts.dropped.items()}
        return figures


def beside(evals: Sequence[str], docs: Sequence[str]) -> dict[str, str]:
    """What data is held against, by the role it has as an input of the profile."""
    return {f"{role}.{n}": item for role, items in (("evals", evals), ("docs", docs)) for n, item in enumerate(items)}


def profile_params(brief: Brief, near: bool, vocabulary: bool = False) -> dict[str, Any]:
    """Parameters of the profile tool that measure what the brief's gates look at."""
    return {
        "languages": list(brief.languages),
        "lengths": [bound.model_dump() for bound in brief.length],
        "near": near,
        "vocabulary": vocabulary,
        "jaccard": brief.dedup.jaccard,
        "containment": brief.dedup.containment,
        "pii_kinds": list(brief.pii_kinds),
    }
