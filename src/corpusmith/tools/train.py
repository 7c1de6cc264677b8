"""train: a model out of a base and a dataset with splits, after a look at what it will learn and what it will cost.

    files/manifest.json   what the model is                 files/model/          weights or adapter, with tokenizer
    files/preflight.json  examples with their loss mask,    files/lengths.json    the choice of the sequence length
                          memory, FLOPs, time, money        files/train.json      curve, rates, versions

Rows that the training leaves out are in its ledger by rule (`empty_response`, `template_refuses`, `not_replayed`, ...),
as those of any step. At work, everything lies in the step's staging folder (`files/training/`), which outlives a crash:
the same step called again goes on from the newest checkpoint. A loss that became NaN is a result (`nan`), kept for the
record; the registry refuses such a model.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from corpusmith.core.errors import NotFoundError, ParameterError, PreconditionError
from corpusmith.core.model_manifest import MANIFEST_NAME, MODEL_FOLDER, ModelManifest
from corpusmith.core.tools import Dataset, Effect, StepContext, Tool, ToolParams, ToolResult
from corpusmith.models.bases import inspect
from corpusmith.models.chat_format import ChatFormat
from corpusmith.models.digests import ADAPTER_CONFIG, chat_template_of, model_digests
from corpusmith.models.loading import ModelPlace, checked_folders, manifest_of, open_tokenizer, place_of
from corpusmith.models.preflight import Preflight, require_training
from corpusmith.models.preparing import HOLDOUT_FILE, TRAIN_FILE, Fitting, Prepared, Rows, prepare
from corpusmith.models.training.defaults import ScheduleWish, schedule_for
from corpusmith.models.training.launch import launch
from corpusmith.models.training.place import Place
from corpusmith.models.training.plan import plan_steps
from corpusmith.models.training.readiness import make_ready
from corpusmith.models.training.spec import AdapterSettings, Method, TrainOutcome, TrainSpec
from corpusmith.ops.ledger_lines import ledger_lines
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.files import workspace_errors, write_atomic
from corpusmith.store.model_evidence import finite
from corpusmith.tools.train_rows import Drawn, check_replay, check_split, drawn_rows, method_for, rows_of

WORK, SPEC, OUTPUT, TRACKED = "training", "spec.json", "output", "runs"
OUTCOME_FILE, PREFLIGHT_FILE, LENGTHS_FILE = "train.json", "preflight.json", "lengths.json"
NOT_REPLAYED = "not_replayed"
CHECKPOINTS = 10


class TrainParams(ToolParams):
    """What is trained, and how."""

    name: str = Field("model", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$", description="how the model is called")
    method: Literal["auto", "sft", "dpo", "pretrain"] = Field(
        "auto", description="auto = by the data: documents pretrain, instructions sft, preferences dpo"
    )
    adapter: AdapterSettings = Field(AdapterSettings(), description="which weights move; kind none = all of them")
    schedule: ScheduleWish = Field(ScheduleWish(), description="rate, passes and batch; what is null is chosen")
    sequence_length: int | None = Field(
        None, ge=8, description="tokens of one row; null = by analysis of the uncut examples"
    )
    packing: bool | None = Field(
        None, description="several examples a row, kept apart; null = where it can be (not for dpo and prompt tuning)"
    )
    split: str = Field("train", min_length=1, description="split that is trained on")
    holdout_split: str | None = Field("validation", description="split that the loss is measured on; null = none")
    holdout_rows: int = Field(1000, ge=1, description="most rows the loss is measured on, drawn by the seed")
    replay_rows: int = Field(0, ge=0, description="general rows of the input `replay` mixed in, against forgetting")
    gradient_checkpointing: bool = Field(False, description="less memory for about a third more time")
    dtype: Literal["auto", "float32", "bfloat16"] = Field("auto", description="type of the weights; auto is right")
    checkpoint_every: int | None = Field(
        None, ge=1, description="optimizer steps between checkpoints and looks at the holdout; null = ten in all"
    )
    system: str | None = Field(None, min_length=1, description="system turn that opens every conversation")
    max_usd: float | None = Field(None, gt=0, description="refuse when the preflight expects to cost more")


class TrainResult(ToolResult):
    """What came of it. Losses in nats per token that bears loss (dpo: per pair); null = not measured, or NaN."""

    name: str
    kind: Literal["full", "adapter"]
    digest: str
    base: str = Field(description="artifact id of the base")
    method: Method
    adapter: str
    steps: int
    loss: float | None = Field(description="mean training loss of the last tenth of the steps")
    holdout_loss: float | None
    nan: bool = Field(description="the loss became NaN or infinite: the model is of no use")
    tokens: int = Field(description="tokens seen, without padding")
    loss_tokens: int
    tokens_per_s: float
    mfu: float | None
    seconds: float
    peak_memory_bytes: int
    parameters: int
    trainable: int
    learning_rate: float
    epochs: float
    sequence_length: int
    packed: bool
    examples: int = Field(description="examples trained on, after cutting; a long document gives several")
    holdout_examples: int
    replayed: int = Field(description="of the rows, those that were replayed")
    dropped: dict[str, int] = Field(description="rows left out, by rule")
    truncated_prompts: int
    truncated_responses: int
    workers: int
    restarts: int
    resumed_from: int | None
    halvings: int = Field(description="how often memory ran out and the batch was divided")
    device: str
    usd: float | None = Field(description="estimated cost; null where no price is known")
    data_digest: str


def check(params: TrainParams, inputs: Mapping[str, Dataset]) -> None:
    """Refuse what cannot be trained, before anything is written.

    Raises:
        ParameterError: The data has the wrong shape for the method, or parameters contradict each other.
        PreconditionError: The data has no splits or too few rows, the base is no model that can be opened, the
            extra `train` is missing, or QLoRA is asked for without a CUDA device.
    """
    data = inputs["data"]
    method = method_for(params.method, data)
    check_split(data, params.split)
    if params.holdout_split == params.split:
        raise ParameterError(f"train: {params.split!r} cannot be trained on and held out", hint="Name another split.")
    if (params.replay_rows > 0) != ("replay" in inputs):
        raise ParameterError(
            "train: replay needs both replay_rows and an input in the role `replay`", hint="Give both, or neither."
        )
    if "replay" in inputs:
        check_replay(method, inputs["replay"])
    if params.system is not None and method == "pretrain":
        raise ParameterError("train: documents have no system turn", hint="Leave system out.")
    if params.packing and (method == "dpo" or params.adapter.kind == "prompt"):
        what = "dpo" if method == "dpo" else "prompt tuning"
        raise ParameterError(f"train: {what} takes one example a row", hint="Leave packing at null.")
    _place_of_model(params, inputs)
    require_training(method, params.adapter.kind)


def _place_of_model(params: TrainParams, inputs: Mapping[str, Dataset]) -> ModelPlace:
    """Where the weights are that training starts from."""
    base, start = inputs["base"], inputs.get("start")
    for role, artifact in (("base", base), ("start", start)):
        try:
            manifest = None if artifact is None else manifest_of(artifact)
        except NotFoundError as error:
            raise PreconditionError(
                f"train: the input in the role `{role}` is no model", hint="Make one with the step `base`."
            ) from error
        if role == "base" and manifest is not None and manifest.kind == "adapter":
            raise PreconditionError(
                f"train: the base {manifest.name} is an adapter",
                hint=f"Give it in the role `start`, and {manifest.base} as `base`.",
            )
        if role == "start" and manifest is not None and manifest.kind != "adapter":
            raise PreconditionError(f"train: {manifest.name} is no adapter", hint="Give it in the role `base`.")
    if start is None:
        return place_of(base)
    config = json.loads((start.file(MODEL_FOLDER) / ADAPTER_CONFIG).read_text("utf-8"))
    if params.adapter.kind == "none" or (params.adapter.kind == "prompt") != (config["peft_type"] == "PROMPT_TUNING"):
        raise ParameterError(
            f"train: adapter {params.adapter.kind} cannot go on from a {config['peft_type']} adapter",
            hint="Give the kind of adapter that `start` is.",
        )
    return place_of(start, base)


def spends(_params: TrainParams, _inputs: Mapping[str, Dataset], services: Mapping[str, Any]) -> frozenset[Effect]:
    """Money, where a GPU hour has a price and there is a GPU (or a cluster) to be used."""
    place: Place = services.get("place") or Place()
    return frozenset({Effect.SPEND_MONEY}) if place.costs_money() else frozenset()


def run(params: TrainParams, ctx: StepContext) -> TrainResult:
    """Prepare, look, train, keep.

    Raises:
        PreconditionError: It cannot work: no example left, a template that loses the system turn, too little memory,
            more money than `max_usd`.
        SourceError: The base's files are damaged.
        WorkspaceError: The disk is full; the last complete checkpoint is still there.
        Cancelled, BudgetExceeded: As `ctx.cancel` said; the same step goes on from the checkpoint.
    """
    place: Place = ctx.services.get("place") or Place()
    method = method_for(params.method, ctx.data())
    require_training(method, params.adapter.kind, place.on_ray)
    where = _place_of_model(params, ctx.inputs)
    folder, start = checked_folders(where, ctx.services.get("hub"))
    work = ctx.writer.path(WORK).absolute()
    form = ChatFormat(open_tokenizer(folder, start))
    with workspace_errors(work):
        prepared, replay = _prepare(params, method, form, where.full.context_length, work, ctx)
        wanted = _spec(params, method, prepared, where.full.parameters or 0, ctx.seed, work, place).model_copy(
            update={"model": str(folder), "start_adapter": None if start is None else str(start)}
        )
        spec, preflight = _look(params, wanted, place, ctx)
    outcome = launch(spec, place, emit=lambda line: ctx.emit(f"train: {line}"), cancel=ctx.cancel)
    with workspace_errors(work):
        manifest = _keep(params, outcome, where, ctx, preflight, None if method == "pretrain" else form)
        _write(ctx, OUTCOME_FILE, finite(outcome.model_dump(mode="json")) | {"final": MODEL_FOLDER})
        if (work / OUTPUT / TRACKED).is_dir():
            shutil.rmtree(ctx.writer.path(TRACKED), ignore_errors=True)
            (work / OUTPUT / TRACKED).rename(ctx.writer.path(TRACKED))
        shutil.rmtree(work)
    return _result(params, spec, prepared, preflight, outcome, manifest, replay, ctx)


def _prepare(
    params: TrainParams, method: Method, form: ChatFormat, context: int | None, work: Path, ctx: StepContext
) -> tuple[Prepared, Drawn | None]:
    """Encode the rows, and write down which were left out; also the general rows that were drawn."""
    sources: list[Rows] = [rows_of(ctx.data(), method, params.split, params.system)]
    replay = held = None
    if "replay" in ctx.inputs:
        replay = drawn_rows(ctx.inputs["replay"], method, params.split, params.replay_rows, ctx.seed, params.system)
        sources.append(replay.rows)
    if params.holdout_split is not None:
        held = drawn_rows(ctx.data(), method, params.holdout_split, params.holdout_rows, ctx.seed, params.system)
        if not held.taken:
            ctx.emit(f"train: no row in split {params.holdout_split!r}, so no loss is measured on rows held out")
    virtual = params.adapter.virtual_tokens if params.adapter.kind == "prompt" else 0
    prepared = prepare(
        sources,
        held.rows if held is not None and held.taken else None,
        form,
        work,
        Fitting(
            sequence_length=params.sequence_length,
            context=None if context is None else context - virtual,
            packing=_packs(params, method),
            seed=ctx.seed,
        ),
        emit=lambda text: ctx.emit(f"train: {text}"),
        cancel=ctx.cancel,
    )
    _write(ctx, LENGTHS_FILE, prepared.lengths.model_dump(mode="json") | {"chosen": prepared.sequence_length})
    ctx.writer.ledger(ledger_lines([row for row, _ in prepared.gone], "drop", [rule for _, rule in prepared.gone]))
    if replay is not None:
        ctx.writer.ledger(ledger_lines(replay.left, "drop", NOT_REPLAYED))
    return prepared, replay


def _packs(params: TrainParams, method: Method) -> bool:
    return params.packing if params.packing is not None else method != "dpo" and params.adapter.kind != "prompt"


def _spec(
    params: TrainParams, method: Method, prepared: Prepared, parameters: int, seed: int, work: Path, place: Place
) -> TrainSpec:
    """The training as plain data, but for the model's folder."""
    schedule = schedule_for(
        params.schedule,
        method,
        params.adapter.kind,
        parameters=parameters,
        rows=prepared.rows,
        sequence_length=prepared.sequence_length,
    )
    row = prepared.sequence_length * (2 if method == "dpo" else 1)
    spec = TrainSpec(
        method=method,
        model="",
        data=str(work / TRAIN_FILE),
        holdout=str(work / HOLDOUT_FILE) if prepared.holdout_examples else None,
        output=str(work / OUTPUT),
        adapter=params.adapter,
        schedule=schedule,
        sequence_length=prepared.sequence_length,
        rows_per_step=max(1, schedule.batch_tokens // (row * place.workers)),
        seed=seed,
        gradient_checkpointing=params.gradient_checkpointing,
        dtype=params.dtype,
        fsdp=place.fsdp,
        report_to=place.report_to,
        run_name=params.name,
    )
    steps = plan_steps(spec, prepared.rows, place.workers).steps
    every = params.checkpoint_every or max(1, math.ceil(steps / CHECKPOINTS))
    return spec.model_copy(update={"checkpoint_every": every})


def _look(params: TrainParams, spec: TrainSpec, place: Place, ctx: StepContext) -> tuple[TrainSpec, Preflight]:
    """The preflight, once per training: one that goes on keeps its rows per pass, and so its very bits."""
    kept, report = Path(spec.output).with_name(SPEC), ctx.writer.path(PREFLIGHT_FILE)
    if kept.is_file():
        rows = TrainSpec.model_validate_json(kept.read_bytes()).rows_per_step
        return spec.model_copy(update={"rows_per_step": rows}), Preflight.model_validate_json(report.read_bytes())
    spec, found = make_ready(spec, place.workers, place.usd_per_gpu_hour)
    ctx.emit(f"train: what will be learned, and what it takes\n{found.text()}")
    if params.max_usd is not None and found.usd is not None and found.usd > params.max_usd:
        raise PreconditionError(
            f"train: it would cost about {found.usd:.2f} USD, and {params.max_usd:.2f} are allowed",
            hint="Raise max_usd, or train on less: fewer epochs, fewer rows, a smaller base.",
        )
    write_atomic(report, found.model_dump_json(indent=1).encode())
    write_atomic(kept, spec.model_dump_json().encode())
    return spec, found


def _keep(
    params: TrainParams,
    outcome: TrainOutcome,
    where: ModelPlace,
    ctx: StepContext,
    preflight: Preflight,
    form: ChatFormat | None,
) -> ModelManifest:
    """Move the model to its place and write its manifest; the template it was trained with goes along."""
    folder, below = ctx.writer.path(MODEL_FOLDER), where.full
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was killed
    Path(outcome.final).rename(folder)
    template = None if form is None else form.tokenizer.chat_template
    if isinstance(template, str) and chat_template_of(folder) is None:
        (folder / "chat_template.jinja").write_text(template, "utf-8")
    adapter = (folder / ADAPTER_CONFIG).is_file()
    facts = None if adapter else inspect(folder, params.name)
    found = model_digests(folder)
    manifest = ModelManifest(
        kind="adapter" if adapter else "full",
        name=params.name,
        digest=found.digest,
        parts=found.parts,
        base=ctx.inputs["base"].id,
        base_digest=below.digest,
        parameters=(below.parameters or 0) + preflight.trainable if facts is None else facts.parameters,
        trainable=preflight.trainable if facts is None else facts.parameters,
        context_length=below.context_length,
        chat_template=chat_template_of(folder) is not None,
    )
    ctx.writer.path(MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2), "utf-8")
    return manifest


def _write(ctx: StepContext, name: str, content: Mapping[str, Any]) -> None:
    ctx.writer.path(name).write_text(json.dumps(content, indent=1), "utf-8")


def _result(
    params: TrainParams,
    spec: TrainSpec,
    prepared: Prepared,
    preflight: Preflight,
    outcome: TrainOutcome,
    manifest: ModelManifest,
    replay: Drawn | None,
    ctx: StepContext,
) -> TrainResult:
    said = finite(outcome.model_dump(include=set(TrainResult.model_fields)))
    data = ctx.data()
    dropped = prepared.dropped | ({} if replay is None else {NOT_REPLAYED: len(replay.left)})
    return TrainResult(
        name=params.name,
        kind="adapter" if manifest.kind == "adapter" else "full",
        digest=manifest.digest,
        base=ctx.inputs["base"].id,
        method=spec.method,
        adapter=spec.adapter.kind,
        nan=not math.isfinite(outcome.loss),
        parameters=manifest.parameters or 0,
        trainable=manifest.trainable or 0,
        learning_rate=spec.schedule.learning_rate,
        epochs=spec.schedule.epochs,
        sequence_length=spec.sequence_length,
        packed=_packs(params, spec.method),
        examples=prepared.examples,
        holdout_examples=prepared.holdout_examples,
        replayed=0 if replay is None else replay.taken,
        dropped={rule: count for rule, count in dropped.items() if count},
        truncated_prompts=prepared.truncated_prompts,
        truncated_responses=prepared.truncated_responses,
        device=preflight.device,
        usd=preflight.usd,
        data_digest=(data.record.content_digest or "") if isinstance(data, StoredDataset) else "",
        **said,
    )


TOOL = Tool(
    name="train",
    version=1,
    kind="pure",
    params=TrainParams,
    run=run,
    summary="Fine-tune a base model on a dataset with splits: sft, dpo or pre-training, by LoRA or whole.",
    inputs=("data", "base", "replay?", "start?"),
    effects=frozenset({Effect.WRITE_STORE, Effect.SPEND_GPU}),
    makes="model",
    check=check,
    spends=spends,
)
