"""evaluate: what a model is worth on rows it was not trained on, beside the models it must beat.

    candidate   the model
    base        what it was made from (role `base`)
    few_shot    the base with examples of the training rows in its prompt; without a base, the model itself
    champion    the model that is live (role `champion`; `champion_base` where it is an adapter of another base)
    plain       for labels and numbers: constant, length, TF-IDF and nearest neighbour, learned on the training rows

All are measured on the same rows in the encoding of training, greedy and seeded. Gains are paired over rows
(`ops.grading.bootstrap`) and positive where the candidate is better. An evaluation set of which rows stand in the
training data, or in what the model that it went on from had learned (roles `earlier.0`, ...), is refused. What was not
measured is missing from the scorecard, and what is no number is NaN in it: neither passes a gate.

Side files: scorecard.json (the candidate's metrics, names of `core.metrics`), report.json (every contestant with its
metrics, size, context and speed), predictions.parquet (what each said of each row), judge.json (with a judge).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from corpusmith.core.errors import PreconditionError
from corpusmith.core.gates import Scorecard
from corpusmith.core.rows import Shape
from corpusmith.core.tools import Dataset, Effect, StepContext, Tool, ToolParams, ToolResult
from corpusmith.models.loading import manifest_of
from corpusmith.models.training.extra import need_training_libraries
from corpusmith.ops.grading.bootstrap import SAMPLES
from corpusmith.ops.grading.extra import need_grading_libraries
from corpusmith.store.model_evidence import SCORECARD_NAME, finite
from corpusmith.tools.evaluate_grades import Task, needs_answers, primary_for, task_for
from corpusmith.tools.evaluate_judge import JUDGE_FILE, JudgeWish, chat_in
from corpusmith.tools.evaluate_kept import forget
from corpusmith.tools.evaluate_models import Asking, check_models, contestants, hosted_in
from corpusmith.tools.evaluate_outcome import Measured, Outcome, conclude, write_predictions
from corpusmith.tools.evaluate_overlap import overlapping, training_data, training_split
from corpusmith.tools.evaluate_rows import JudgedRows, Kind, answered_rows, read_rows, recorded, split_of
from corpusmith.tools.train_rows import SPLIT

REPORT, PREDICTIONS = "report.json", "predictions.parquet"


class EvaluateParams(ToolParams):
    """On which rows, of what, against whom."""

    split: str | None = Field("test", description="rows to judge on; null, or data without splits = all rows")
    train_split: str | None = Field(
        None, description="rows of the training data; null = those the training took, else train"
    )
    task: Literal["auto", "text", "answers", "label", "number"] = Field(
        "auto", description="what is asked for; auto = by the references (ops.grading.tasks), text for documents"
    )
    primary: str | None = Field(
        None,
        description="metric of the gains; null = bits_per_byte for text and answers (numeric_match where references"
        " mark a number by ####), accuracy for labels, rmse for numbers, preference_accuracy for preference pairs",
    )
    few_shot: int = Field(3, ge=0, le=64, description="examples in the prompt of the few-shot contestant, 0 = none")
    max_rows: int | None = Field(500, ge=1, description="rows judged at most, drawn by seed; null = all")
    answer_rows: int | None = Field(
        100,
        ge=0,
        description="rows that are answered at most, where the primary metric needs no answers (else all are): for"
        " ROUGE, exact match and the judge; null = all, 0 = none",
    )
    max_new_tokens: int = Field(
        256, ge=1, le=8192, description="tokens of an answer at most; never over twice the longest reference and 16"
    )
    context: int | None = Field(
        None, ge=16, description="tokens of a sequence at most; null = what the model takes, at most 2,048"
    )
    system: str | None = Field(
        None, min_length=1, description="system turn of every conversation; null = the one the model was trained with"
    )
    overlap: Literal["refuse", "drop"] = Field(
        "refuse", description="rows that stand in the training data: refuse to judge, or leave them out and say so"
    )
    judge: bool = Field(False, description="also let a chat model grade the answers; never the only gate")
    judge_rows: int = Field(50, ge=1, description="rows that a judge sees at most")
    bootstrap: int = Field(SAMPLES, ge=100, le=100_000, description="resamples of the intervals")


class EvaluateResult(ToolResult):
    """What came of it; the scorecard has every metric with its interval."""

    model_digest: str
    data_digest: str
    task: Task
    primary: str
    rows: int = Field(description="rows judged")
    first_line: str = Field(description="whom the model does not beat, or whom it beats")
    value: float | None = Field(description="the primary metric; null = it is no number")
    gains: dict[str, float | None] = Field(description="gain over each rival; null = it is no number")
    gains_low: dict[str, float | None] = Field(description="lower ends of their 95 % intervals")
    best_plain: str | None = Field(description="the plain baseline that the gain over plain is over")
    forgetting: float | None
    split: str | None = Field(description="null = all rows")
    checked_against: str | None = Field(description="training data the rows were held against; null = none at hand")
    dropped: int = Field(description="rows left out because they stand in the training data")
    notes: tuple[str, ...] = ()


def check(params: EvaluateParams, inputs: Mapping[str, Dataset]) -> None:
    """Refuse models and data that do not belong together, before anything is opened.

    Raises:
        PreconditionError: A model that cannot be opened here, another base or training data than the model's, no row in
            the split, or the extra `train` is missing.
    """
    need_training_libraries()
    need_grading_libraries("sklearn")
    check_models(inputs)
    hosted = hosted_in(inputs)
    if hosted and (inputs["data"].shape is Shape.TEXT or params.task == "text"):
        raise PreconditionError(
            f"evaluate: the {hosted[0]} is a model at its provider: without a likelihood it cannot judge documents",
            hint="Judge it on instruction rows.",
        )
    split_of(inputs["data"], params.split)
    trained_on = recorded(inputs["model"]).inputs.get("data")
    if "train" in inputs and trained_on not in (None, inputs["train"].id):
        raise PreconditionError(
            f"evaluate: the model was trained on {trained_on}, not on {inputs['train'].id}",
            hint=f"Give the artifact {trained_on} in the role `train`.",
        )


def run(params: EvaluateParams, ctx: StepContext) -> EvaluateResult:
    """Measure every contestant; write scorecard, report and predictions.

    Raises:
        PreconditionError: Evaluation rows stand in the training data, nothing is left to judge on, or a judge is asked
            for and no chat model is at hand.
        ParameterError: The task or the primary metric does not fit the rows.
    """
    data, notes = ctx.data(), list[str]()
    chat = chat_in(ctx.services) if params.judge else None
    split, train = split_of(data, params.split), training_data(ctx.inputs, notes)
    train_split = None if train is None else split_of(train, params.train_split or training_split(ctx.inputs["model"]))
    without: frozenset[str] = frozenset()
    if train is not None:
        without = overlapping(ctx, split, train, train_split, notes, dropping=params.overlap == "drop")
    for older in (data for role, data in sorted(ctx.inputs.items()) if role.startswith("earlier.")):
        learned = "train" if SPLIT in older.schema.names else None
        without |= overlapping(ctx, split, older, learned, notes, dropping=params.overlap == "drop")
    kind: Kind = "documents" if data.shape is Shape.TEXT or params.task == "text" else "chats"
    trained_with = recorded(ctx.inputs["model"]).params.get("system")
    system = params.system or (trained_with if isinstance(trained_with, str) else None)
    rows = read_rows(data, kind, split, system=system, most=params.max_rows, seed=ctx.seed, without=without)
    known = JudgedRows(kind)
    if train is not None and kind == "chats" and train.shape is data.shape:
        known = read_rows(train, kind, train_split, system=system)
    if not rows.ids:
        raise PreconditionError("evaluate: no row is left to judge on", hint="Give more data, or name another split.")
    task = task_for(params.task, kind, [*rows.references, *known.references])
    likely = manifest_of(ctx.inputs["model"]).kind != "hosted"
    primary = primary_for(params.primary, task, rows.references, pairs=bool(rows.rejected), likely=likely)
    notes += _about_rows(rows)
    ctx.emit(f"evaluate: {len(rows.ids):,} rows, task {task}, judged by {primary}")
    general = _general_rows(params, ctx, system) if "general" in ctx.inputs else None
    asked = answered_rows(rows, None if needs_answers(primary) else params.answer_rows, ctx.seed)
    asking = Asking(rows, asked, known.conversations, general, params.few_shot, params.max_new_tokens, params.context)
    found = tuple(contestants(asking, ctx))
    wish = None if chat is None else JudgeWish(chat, params.judge_rows)
    seen = Measured(task, primary, rows, known, found)
    done = conclude(seen, params.bootstrap, ctx.seed, wish)
    result = EvaluateResult(
        model_digest=manifest_of(ctx.inputs["model"]).digest,
        data_digest=recorded(data).content_digest or "",
        task=task,
        primary=primary,
        rows=done.rows,
        first_line=done.first_line,
        value=_number(done.metrics[primary].value),
        gains={role: _number(gain.value) for role, gain in done.gains.items()},
        gains_low={role: _number(gain.low) for role, gain in done.gains.items()},
        best_plain=done.best_plain,
        forgetting=_number(done.metrics["forgetting"].value) if "forgetting" in done.metrics else None,
        split=split,
        checked_against=None if train is None else train.id,
        dropped=len(without),
        notes=(*notes, *_about_rivals(params, ctx, seen), *done.notes),
    )
    _write(ctx, result, seen, done)
    forget(ctx.writer)
    ctx.emit(result.first_line)
    return result


def _general_rows(params: EvaluateParams, ctx: StepContext, system: str | None) -> JudgedRows:
    general = ctx.inputs["general"]
    kind: Kind = "documents" if general.shape is Shape.TEXT else "chats"
    try:
        split = split_of(general, params.split)
    except PreconditionError:
        split = None
    return read_rows(general, kind, split, system=system, most=params.max_rows, seed=ctx.seed)


def _about_rows(rows: JudgedRows) -> list[str]:
    notes = []
    if len(rows.ids) + rows.empty < rows.available:
        notes.append(f"{len(rows.ids) + rows.empty:,} of {rows.available:,} rows were drawn")
    if rows.empty:
        notes.append(f"{rows.empty} rows are left out: they have no text or no response")
    return notes


def _about_rivals(params: EvaluateParams, ctx: StepContext, seen: Measured) -> list[str]:
    notes = []
    if "base" not in ctx.inputs and manifest_of(ctx.inputs["model"]).base is not None:
        notes.append("not compared with its base: give it in the role `base`")
    if params.few_shot and "base" not in ctx.inputs and hosted_in(ctx.inputs):
        notes.append("no few-shot prompting of a model at its provider: it would cost as much again")
    if seen.rows.kind == "chats" and not seen.known.ids:
        if params.few_shot:
            notes.append("no few-shot prompting: there are no training rows of this shape to take examples from")
        if seen.task in ("label", "number"):
            notes.append("no plain baselines: there are no training rows of this shape to learn from")
    return notes


def _write(ctx: StepContext, result: EvaluateResult, seen: Measured, done: Outcome) -> None:
    card = Scorecard(artifact=ctx.inputs["model"].id, metrics=done.metrics)
    ctx.writer.path(SCORECARD_NAME).write_text(card.model_dump_json(indent=1), "utf-8")
    report: dict[str, Any] = {
        **result.model_dump(mode="json"),
        "seed": ctx.seed,
        "gains": {role: gain.model_dump(mode="json") for role, gain in done.gains.items()},
        "contestants": done.table,
    }
    text = json.dumps(finite(report), ensure_ascii=False, allow_nan=False, indent=1)
    ctx.writer.path(REPORT).write_text(text, "utf-8")
    if done.judge is not None:
        text = json.dumps(finite(done.judge), ensure_ascii=False, allow_nan=False, indent=1)
        ctx.writer.path(JUDGE_FILE).write_text(text, "utf-8")
    write_predictions(ctx.writer.path(PREDICTIONS), seen, done)


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def spends(_params: EvaluateParams, inputs: Mapping[str, Dataset], _services: Mapping[str, Any]) -> frozenset[Effect]:
    """Money, where a model at a provider is asked."""
    return frozenset({Effect.SPEND_MONEY}) if hosted_in(inputs) else frozenset()


TOOL = Tool(
    name="evaluate",
    version=1,
    kind="pure",
    params=EvaluateParams,
    run=run,
    summary="Judge a model beside its base, few-shot prompts, plain baselines and the champion, on rows it never saw.",
    inputs=("model", "data", "base?", "champion?", "champion_base?", "train?", "general?", "earlier*"),
    effects=frozenset({Effect.WRITE_STORE, Effect.SPEND_GPU}),
    makes="report",
    check=check,
    spends=spends,
)
