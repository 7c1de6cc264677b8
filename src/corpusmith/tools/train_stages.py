"""The stages of `train`: where weights are, data prepared, the training as plain data, a look first, the model kept."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from corpusmith.core.errors import NotFoundError, ParameterError, PreconditionError
from corpusmith.core.model_manifest import MANIFEST_NAME, MODEL_FOLDER, ModelManifest
from corpusmith.core.tools import Dataset, StepContext
from corpusmith.models.bases import inspect
from corpusmith.models.chat_format import ChatFormat
from corpusmith.models.digests import ADAPTER_CONFIG, chat_template_of, model_digests
from corpusmith.models.loading import ModelPlace, manifest_of, place_of
from corpusmith.models.preflight import Preflight
from corpusmith.models.preparing import HOLDOUT_FILE, TRAIN_FILE, Fitting, Prepared, Rows, prepare
from corpusmith.models.training.defaults import schedule_for
from corpusmith.models.training.place import Place
from corpusmith.models.training.plan import plan_steps
from corpusmith.models.training.readiness import make_ready
from corpusmith.models.training.spec import Method, TrainOutcome, TrainSpec
from corpusmith.ops.ledger_lines import ledger_lines
from corpusmith.store.files import write_atomic
from corpusmith.tools.train_params import TrainParams
from corpusmith.tools.train_rows import Drawn, drawn_rows, rows_of

WORK, SPEC, OUTPUT, TRACKED = "training", "spec.json", "output", "runs"
OUTCOME_FILE, PREFLIGHT_FILE, LENGTHS_FILE = "train.json", "preflight.json", "lengths.json"
NOT_REPLAYED = "not_replayed"
CHECKPOINTS = 10
COST = "cost_usd"


def place_of_model(params: TrainParams, inputs: Mapping[str, Dataset]) -> ModelPlace:
    """Where the weights are that training starts from.

    Raises:
        PreconditionError: The base is no model or is an adapter, or `start` is no adapter of that base.
        ParameterError: `start` is another kind of adapter than the one asked for.
    """
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


def prepare_data(
    params: TrainParams, method: Method, form: ChatFormat, context: int | None, work: Path, ctx: StepContext
) -> tuple[Prepared, Drawn | None]:
    """Encode the rows, and write down which were left out; also the general rows that were drawn.

    Raises:
        PreconditionError: No example is left, or the template loses a system turn.
    """
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
            packing=packs(params, method),
            seed=ctx.seed,
        ),
        emit=lambda text: ctx.emit(f"train: {text}"),
        cancel=ctx.cancel,
    )
    write_json(ctx, LENGTHS_FILE, prepared.lengths.model_dump(mode="json") | {"chosen": prepared.sequence_length})
    ctx.writer.ledger(ledger_lines([row for row, _ in prepared.gone], "drop", [rule for _, rule in prepared.gone]))
    if replay is not None:
        ctx.writer.ledger(ledger_lines(replay.left, "drop", NOT_REPLAYED))
    return prepared, replay


def packs(params: TrainParams, method: Method) -> bool:
    """Whether several examples share a row."""
    return params.packing if params.packing is not None else method != "dpo" and params.adapter.kind != "prompt"


def spec_for(
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


def look_first(params: TrainParams, spec: TrainSpec, place: Place, ctx: StepContext) -> tuple[TrainSpec, Preflight]:
    """The preflight, once per training: one that goes on keeps its rows per pass, and so its very bits.

    Raises:
        PreconditionError: The training cannot work, or would cost more than was allowed.
        BudgetExceeded: The run's budget does not hold the expected cost.
    """
    kept, report = Path(spec.output).with_name(SPEC), ctx.writer.path(PREFLIGHT_FILE)
    if kept.is_file():
        rows = TrainSpec.model_validate_json(kept.read_bytes()).rows_per_step
        return spec.model_copy(update={"rows_per_step": rows}), Preflight.model_validate_json(report.read_bytes())
    spec, found = make_ready(spec, place.workers, place.usd_per_gpu_hour if place.costs_money() else None)
    ctx.emit(f"train: what will be learned, and what it takes\n{found.text()}")
    if params.max_cost_usd is not None and found.usd is not None and found.usd > params.max_cost_usd:
        raise PreconditionError(
            f"train: it would cost about {found.usd:.2f} USD, and {params.max_cost_usd:.2f} are allowed",
            hint="Raise max_cost_usd, or train on less: fewer epochs, fewer rows, a smaller base.",
        )
    if ctx.budget is not None and found.usd:
        ctx.budget.reserve(COST, found.usd, f"training {params.name}")
    write_atomic(report, found.model_dump_json(indent=1).encode())
    write_atomic(kept, spec.model_dump_json().encode())
    return spec, found


@contextmanager
def charged(place: Place, ctx: StepContext) -> Iterator[None]:
    """Debit what the devices cost, also of a training that was stopped."""
    started = time.monotonic()
    try:
        yield
    finally:
        if ctx.budget is not None and place.costs_money():
            hours = (time.monotonic() - started) / 3600
            ctx.budget.debit(COST, hours * place.workers * (place.usd_per_gpu_hour or 0.0), "training")


def keep_model(
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


def write_json(ctx: StepContext, name: str, content: Mapping[str, Any]) -> None:
    """Write a side file."""
    ctx.writer.path(name).write_text(json.dumps(content, indent=1), "utf-8")
