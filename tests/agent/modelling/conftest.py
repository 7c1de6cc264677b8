"""Scripted stand-ins for the tools that need torch: what they leave behind is what the real ones leave behind."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Literal

import pytest
from hand_made_models import plain_digest
from pydantic import ConfigDict

from corpusmith.agent.conclude import conclude
from corpusmith.agent.execute import execute
from corpusmith.agent.rules_planner import RulesPlanner
from corpusmith.agent.session import Session
from corpusmith.core.brief import Request
from corpusmith.core.errors import CorpusmithError, PreconditionError
from corpusmith.core.model_manifest import ModelManifest
from corpusmith.core.tools import StepContext, Tool, ToolParams, ToolResult
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.models.training.spec import CurvePoint, TrainOutcome
from corpusmith.store.budgets import BudgetAccount
from corpusmith.store.eventlog import EventLog
from corpusmith.store.registry import ModelRegistry
from corpusmith.store.workspace import Workspace
from corpusmith.tools.base import BaseParams
from corpusmith.tools.registry import TOOLS
from corpusmith.tools.train import TrainParams

OUTCOME = TrainOutcome(
    steps=20, final="model", loss=2.4, tokens=1000, loss_tokens=400, seconds=1.0, tokens_per_s=1000.0,
    flops_per_token=1e3, peak_memory_bytes=2**20, rows_per_step=4,
    curve=(
        CurvePoint(step=10, loss=3.1, holdout_loss=3.0), CurvePoint(step=20, loss=2.4, holdout_loss=2.5),
    ),
)  # fmt: skip


class AnyParams(ToolParams):
    """Takes whatever the phases say."""

    model_config = ConfigDict(extra="allow", frozen=True)


class AnyResult(ToolResult):
    """Says whatever the phases read."""

    model_config = ConfigDict(extra="allow", frozen=True)


PARAMS: dict[str, type[ToolParams]] = {"train": TrainParams, "base": BaseParams}
"""Those of the real tools, so that what the phases say is held against them."""


class Script:
    """What the stand-ins do, and what they were asked."""

    def __init__(self) -> None:
        self.gains: list[float | CorpusmithError] = [0.2]
        self.missing_bases: set[str] = set()
        self.ablation: float | None = 0.1
        self.kind: Literal["full", "adapter"] = "full"
        self.refuses_answers = False
        self.trained: list[dict[str, Any]] = []
        self.started: list[dict[str, str]] = []
        self.evaluated: list[tuple[str, set[str]]] = []

    def gain(self, number: int) -> float | CorpusmithError:
        return self.gains[min(number, len(self.gains) - 1)]

    def base(self, params: BaseParams, ctx: StepContext) -> AnyResult:
        name = params.name
        if name in self.missing_bases:
            raise PreconditionError(f"there is no {name}", hint="Name another.")
        digest = _write_model(ctx, name, name, "full", None, None)
        return AnyResult(name=name, digest=digest, parameters=1000, context_length=256)  # type: ignore[call-arg]

    def train(self, params: TrainParams, ctx: StepContext) -> AnyResult:
        said = params.model_dump(mode="json")
        number = len(self.trained)
        self.trained.append(said)
        self.started.append({role: data.id for role, data in ctx.inputs.items()})
        gain = self.gain(number)
        if isinstance(gain, CorpusmithError):
            raise gain
        base = json.loads(ctx.inputs["base"].file("manifest.json").read_bytes())
        digest = _write_model(ctx, said["name"], f"{number} {gain}", self.kind, ctx.inputs["base"].id, base["digest"])
        ctx.writer.path("train.json").write_text(OUTCOME.model_dump_json())
        nan = math.isnan(gain)
        schedule = said["schedule"]
        return AnyResult(  # type: ignore[call-arg]
            digest=digest, steps=20, loss=None if nan else 2.0, holdout_loss=2.5, nan=nan, seconds=1.0,
            tokens_per_s=100.0, usd=None, learning_rate=schedule["learning_rate"] or 2e-4,
            epochs=schedule["epochs"] or 1.0,
        )  # fmt: skip

    def evaluate(self, params: AnyParams, ctx: StepContext) -> AnyResult:
        said = params.model_dump(mode="json")
        self.evaluated.append((said["split"], set(ctx.inputs)))
        weights = (ctx.inputs["model"].file("model") / "model.safetensors").read_text().split()
        gain = float(weights[-1]) if len(weights) > 1 else 0.0
        metrics = {"bits_per_byte": 2.0 - gain, "gain_over_base": gain, "gain_over_base_low": gain - 0.05}
        if "champion" in ctx.inputs:
            metrics |= {"gain_over_champion": 0.0, "gain_over_champion_low": 0.0}
        card = {"artifact": "", "metrics": {name: {"value": v, "n": 50} for name, v in metrics.items()}}
        ctx.writer.path("scorecard.json").write_text(json.dumps(card))
        manifest = json.loads(ctx.inputs["model"].file("manifest.json").read_bytes())
        return AnyResult(  # type: ignore[call-arg]
            model_digest=manifest["digest"], data_digest="d" * 64, primary="bits_per_byte",
            first_line=f"gain {gain:g} on {said['split']}",
        )  # fmt: skip

    def infer(self, _params: AnyParams, ctx: StepContext) -> AnyResult:
        if self.refuses_answers:
            raise PreconditionError("the model is away", hint="Call it.")
        for table in ctx.data().batches():
            ctx.writer.write(table)
        return AnyResult()

    def ablate(self, _params: AnyParams, ctx: StepContext) -> AnyResult:
        if self.ablation is None:
            raise PreconditionError("the holdout is too small", hint="Give more rows.")
        metrics = {"ablation_gain": self.ablation, "ablation_gain_low": self.ablation - 0.05}
        card = {"artifact": "", "metrics": {name: {"value": v, "n": 50} for name, v in metrics.items()}}
        ctx.writer.path("scorecard.json").write_text(json.dumps(card))
        return AnyResult(first_line=f"curation gains {self.ablation:g}")  # type: ignore[call-arg]

    def tools(self) -> dict[str, Tool[Any]]:
        roles = {
            "base": (self.base, (), "model"),
            "train": (self.train, ("data", "base", "replay?", "start?"), "model"),
            "evaluate": (
                self.evaluate,
                ("model", "data", "base?", "champion?", "champion_base?", "train?", "general?", "earlier*"),
                "report",
            ),
            "infer": (self.infer, ("model", "data", "base?"), "dataset"),
            "ablate": (self.ablate, ("raw", "curated", "holdout?"), "report"),
        }
        return {**TOOLS} | {
            name: Tool(name, 1, "pure", PARAMS.get(name, AnyParams), run, "scripted", inputs=inputs, makes=makes)  # type: ignore[arg-type]
            for name, (run, inputs, makes) in roles.items()
        }


def _write_model(
    ctx: StepContext, name: str, weights: str, kind: Any, base: str | None, base_digest: str | None
) -> str:
    folder = ctx.writer.path("model")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_text(weights)
    digest = plain_digest(folder)
    manifest = ModelManifest(kind=kind, name=name, digest=digest, base=base, base_digest=base_digest)
    ctx.writer.path("manifest.json").write_text(manifest.model_dump_json())
    return digest


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def run_model(tmp_path: Path, script: Script) -> Any:
    """`run_model(text, run_id="r-1", minutes=None, again=False) -> (outcome, session)` over varied documents."""
    opened: list[Workspace] = []

    def run(
        text: str, rows: list[Any], run_id: str = "r-1", minutes: float | None = None, again: bool = False
    ) -> tuple[dict[str, Any], Session]:
        source = tmp_path / "rows.jsonl"
        source.write_text(
            "".join(json.dumps({"text": row} if isinstance(row, str) else row) + "\n" for row in rows), encoding="utf-8"
        )
        workspace = Workspace.open(tmp_path / "ws")
        opened.append(workspace)
        folder = workspace.runs.folder(run_id)
        log = EventLog(folder, run_id)
        if not again:
            workspace.runs.create(run_id, text, {})
        limits = {} if minutes is None else {"minutes": minutes}
        registry = ModelRegistry(workspace.database, workspace.artifacts, plain_digest, "test", run_id)
        session = Session(
            request=Request(text=text, sources=(str(source),), seed=3),
            runner=Runner(
                workspace, LocalEngine(), run_id, log, BudgetAccount(workspace.database, run_id, limits),
                services={"registry": registry},
            ),
            log=log, planner=RulesPlanner(), fallback=RulesPlanner(), tools=script.tools(), conclude=conclude,
        )  # fmt: skip
        return execute(session, folder), session

    yield run
    for workspace in opened:
        workspace.close()
