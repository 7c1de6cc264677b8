"""train_hosted: fine-tunes a model at a provider of the OpenAI fine-tuning API. It spends money and needs an approval.

What cannot work, or costs too much, is refused before an approval is asked for.

Identity holds the provider's address. Whether a job is there already is asked by what makes the model (files and
settings), so that another price, limit or pause between looks never pays for the same model twice. See
`models.hosted.pursuit` for kills and stops.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from corpusmith.core.errors import ParameterError
from corpusmith.core.model_manifest import MANIFEST_NAME, ModelManifest
from corpusmith.core.rows import Shape
from corpusmith.core.tools import Dataset, Effect, StepContext, Tool, ToolParams, ToolResult
from corpusmith.models.chat_failures import mask
from corpusmith.models.hosted.access import HostedAccess, open_client
from corpusmith.models.hosted.calls import Caller
from corpusmith.models.hosted.cost import Estimate
from corpusmith.models.hosted.files import HostedMethod, TrainingFile, check_training_file, write_file
from corpusmith.models.hosted.jobs import HostedJobs
from corpusmith.models.hosted.notes import NOTE_FILE, Notebook
from corpusmith.models.hosted.outcome import HostedOutcome, outcome_of
from corpusmith.models.hosted.purse import Purse
from corpusmith.models.hosted.pursuit import Pursuit, WhenStopped, pauser
from corpusmith.models.hosted.shapes import JobEvent, JobOrder
from corpusmith.models.loading import manifest_of
from corpusmith.ops.ledger_lines import ledger_lines
from corpusmith.tools.train_hosted_rows import SPLIT, examples

OUTCOME_FILE = "train.json"
EVENTS_FILE = "events.jsonl"
NEEDS: dict[HostedMethod, Shape] = {"sft": Shape.INSTRUCTION, "dpo": Shape.PREFERENCE}


class TrainHostedParams(ToolParams):
    """What to fine-tune, how, and for how much."""

    base: str = Field(min_length=1, description="the provider's name of the model to fine-tune")
    method: HostedMethod = Field("sft", description="sft on instruction rows, dpo on preference rows")
    epochs: int = Field(3, ge=1, le=50, description="passes over the data; never left to the provider: it bills each")
    batch_size: int | None = Field(None, ge=1, le=256, description="examples a step; null = the provider chooses")
    learning_rate_multiplier: float | None = Field(None, gt=0, description="null = the provider chooses")
    beta: float | None = Field(
        None, gt=0, le=2, description="dpo: weight of the reference; null = the provider chooses"
    )
    suffix: str | None = Field(None, min_length=1, max_length=64, description="goes into the name of the model")
    system: str | None = Field(None, min_length=1, description="system message that opens every conversation")
    split: str = Field("train", description="rows to train on, where the data has splits; else all")
    validation_split: str | None = Field("validation", description="rows for the loss on held-out data; null = none")
    price_per_million_tokens: float | None = Field(
        None, ge=0, description="US dollars for a million trained tokens of this base; null = as the settings say"
    )
    price_source: str = Field("", description="where the price was read, for the record")
    max_cost_usd: float | None = Field(None, ge=0, description="refuse what may cost more; null = no limit of its own")
    poll_s: float = Field(20.0, gt=0, le=3600, description="seconds between two looks at the job")
    when_stopped: WhenStopped = Field(
        "leave", description="Ctrl-C or the time is spent: leave the job running, to be waited for again, or cancel it"
    )
    delete_files: bool = Field(False, description="delete the uploaded files at the provider when the job succeeded")


class TrainHostedResult(ToolResult):
    """What came of it."""

    model: str = Field(description="the provider's name of the fine-tuned model")
    base: str
    method: HostedMethod
    job: str
    rows: int
    validation_rows: int
    dropped: dict[str, int] = Field(description="rows that teach nothing, by rule")
    steps: int | None
    training_loss: float | None = Field(description="mean of the last tenth of the steps that the provider told of")
    holdout_loss: float | None
    nan: bool = Field(description="a loss that the provider told of is no number")
    seconds: float | None = Field(description="from order to end, by the provider's clock")
    tokens_estimated: int = Field(description="of all epochs, counted generously")
    tokens_billed: int | None
    usd_estimated: float | None = Field(description="null when no price is known")
    usd: float | None = Field(description="billed tokens at the given price")


def check(params: TrainHostedParams, inputs: Mapping[str, Dataset]) -> None:
    """Refuse data that the provider would refuse, and what may cost too much, before anybody is asked.

    Raises:
        ParameterError: The data has another shape than the method needs, or a setting is of another method.
        PreconditionError: Too few rows, too large a file, a row that is no example, or too high a cost.
    """
    data, needed = inputs["data"], NEEDS[params.method]
    if data.shape is not needed:
        hint = "Run `generate` first." if data.shape is Shape.TEXT else "Choose the other method."
        raise ParameterError(f"train_hosted: {params.method} needs {needed} rows, not {data.shape}", hint=hint)
    if params.beta is not None and params.method != "dpo":
        raise ParameterError("train_hosted: beta is a setting of dpo", hint="Leave it out.")
    if SPLIT in data.schema.names and params.split == params.validation_split:
        raise ParameterError("train_hosted: the rows to train on are the held-out rows", hint="Name another split.")
    if "base" in inputs and manifest_of(inputs["base"]).location != params.base:
        raise ParameterError(
            f"train_hosted: the input in the role `base` is not {params.base}",
            hint=f"Make it with the step `base`: name {params.base}, hosted true.",
        )
    training = write_file(examples(data, params.method, params.split, params.system), None)
    check_training_file(training, params.split if SPLIT in data.schema.names else None)
    if params.price_per_million_tokens is not None:  # else the settings may know one, which are not at hand here
        _estimate(params, training, HostedAccess()).refuse_above(params.max_cost_usd)


def run(params: TrainHostedParams, ctx: StepContext) -> TrainHostedResult:
    """Send, order, wait, record.

    Raises:
        PreconditionError: The job failed or was cancelled; the message is the provider's.
        BudgetExceeded: It may cost more than the run has left; or its time is spent, and the job goes on.
        Cancelled: Stopped; the job goes on unless `when_stopped` says otherwise.
        ModelFailure: The provider refuses, or is not reached.
    """
    access: HostedAccess = ctx.services.get("openai") or HostedAccess()
    dropped: dict[str, int] = {}
    training, validation = _write_files(params, ctx, dropped)
    estimate = _estimate(params, training, access)
    ctx.emit(f"train_hosted: {training.rows:,} rows, {estimate.line()}")
    order = JobOrder(
        base=params.base,
        method=params.method,
        epochs=params.epochs,
        batch_size=params.batch_size,
        learning_rate_multiplier=params.learning_rate_multiplier,
        beta=params.beta,
        suffix=params.suffix,
        seed=ctx.seed,
        training_sha256=training.sha256,
        validation_sha256=None if validation is None else validation.sha256,
    )
    book = Notebook(ctx.writer.path(NOTE_FILE), access.endpoint, order.key)
    with open_client(access) as client:
        jobs = HostedJobs(client, Caller(access, pauser(ctx.cancel)))
        pursuit = Pursuit(
            jobs=jobs,
            order=order,
            training=training,
            validation=validation,
            book=book,
            purse=Purse(estimate, params.max_cost_usd, ctx.budget, book),
            metadata={"corpusmith_data": ctx.data().id},
            emit=lambda text: ctx.emit(f"train_hosted: {text}"),
            poll_s=params.poll_s,
            when_stopped=params.when_stopped,
        )
        job = pursuit.run()
        outcome = outcome_of(job, pursuit.events, jobs.checkpoints(job.id), estimate)
        if params.delete_files:
            for file_id in filter(None, (book.now.training_file, book.now.validation_file)):
                jobs.delete_file(file_id)
    _record(params, ctx, outcome, pursuit.events, access.secrets())
    return TrainHostedResult(
        model=outcome.model,
        base=outcome.base,
        method=params.method,
        job=job.id,
        rows=training.rows,
        validation_rows=0 if validation is None else validation.rows,
        dropped=dropped,
        steps=outcome.steps,
        training_loss=outcome.loss,
        holdout_loss=outcome.holdout_loss,
        nan=outcome.nan,
        seconds=outcome.seconds,
        tokens_estimated=estimate.tokens,
        tokens_billed=outcome.tokens,
        usd_estimated=estimate.usd,
        usd=outcome.usd,
    )


def _write_files(
    params: TrainHostedParams, ctx: StepContext, dropped: dict[str, int]
) -> tuple[TrainingFile, TrainingFile | None]:
    """The files to send, in the step's scratch; rows that teach nothing go to the ledger."""

    def drop(row_ids: list[str], rules: list[str]) -> None:
        ctx.writer.ledger(ledger_lines(row_ids, "drop", rules))
        for rule in rules:
            dropped[rule] = dropped.get(rule, 0) + 1

    data = ctx.data()
    training = write_file(
        examples(data, params.method, params.split, params.system, drop), ctx.scratch / "training.jsonl"
    )
    check_training_file(training, params.split if SPLIT in data.schema.names else None)
    if params.validation_split is None or SPLIT not in data.schema.names:
        return training, None
    held_out = write_file(
        examples(data, params.method, params.validation_split, params.system, drop), ctx.scratch / "validation.jsonl"
    )
    return training, held_out if held_out.rows else None


def _estimate(params: TrainHostedParams, training: TrainingFile, access: HostedAccess) -> Estimate:
    price, source = params.price_per_million_tokens, params.price_source
    if price is None and params.base in access.prices:
        price, source = access.prices[params.base], "the setting CORPUSMITH_FINE_TUNING_PRICES"
    return Estimate(tokens_per_epoch=training.tokens, epochs=params.epochs, usd_per_million=price, price_source=source)


def _record(
    params: TrainHostedParams,
    ctx: StepContext,
    outcome: HostedOutcome,
    events: Sequence[JobEvent],
    secrets: Sequence[str],
) -> None:
    """The side files: manifest, outcome, events."""
    below = ctx.inputs.get("base")
    manifest = ModelManifest(
        kind="hosted",
        name=params.suffix or outcome.model,
        digest=outcome.model,
        base=None if below is None else below.id,
        base_digest=None if below is None else manifest_of(below).digest,
        location=outcome.model,
        chat_template=True,
    )
    told = [{**event.model_dump(mode="json"), "message": mask(event.message, secrets)} for event in events]
    texts = {
        MANIFEST_NAME: manifest.model_dump_json(indent=2),
        OUTCOME_FILE: json.dumps(outcome.model_dump(mode="json", exclude_none=True), indent=1),
        EVENTS_FILE: "".join(f"{json.dumps(event)}\n" for event in told),
    }
    for name, text in texts.items():
        ctx.writer.path(name).write_text(text, "utf-8")


def _snapshot(_params: TrainHostedParams, services: Mapping[str, Any]) -> dict[str, Any]:
    access: HostedAccess = services.get("openai") or HostedAccess()
    return {"uri": access.endpoint}


TOOL = Tool(
    name="train_hosted",
    version=1,
    kind="observe",
    params=TrainHostedParams,
    run=run,
    summary="Fine-tune a model at a provider of the OpenAI fine-tuning API: upload, job, wait. Costs money.",
    inputs=("data", "base?"),
    effects=frozenset({Effect.WRITE_STORE, Effect.SPEND_MONEY}),
    makes="model",
    check=check,
    snapshot=_snapshot,
)
