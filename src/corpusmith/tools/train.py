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

import math
import shutil
from collections.abc import Mapping
from typing import Any

from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.core.model_manifest import MODEL_FOLDER, ModelManifest
from corpusmith.core.tools import Dataset, Effect, StepContext, Tool
from corpusmith.models.chat_format import ChatFormat
from corpusmith.models.loading import checked_folders, open_tokenizer
from corpusmith.models.preflight import Preflight, require_training
from corpusmith.models.preparing import Prepared
from corpusmith.models.training.launch import launch
from corpusmith.models.training.place import Place
from corpusmith.models.training.spec import TrainOutcome, TrainSpec
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.files import workspace_errors
from corpusmith.store.model_evidence import finite
from corpusmith.tools.train_params import TrainParams, TrainResult
from corpusmith.tools.train_rows import Drawn, check_replay, check_split, method_for
from corpusmith.tools.train_stages import (
    NOT_REPLAYED,
    OUTCOME_FILE,
    OUTPUT,
    TRACKED,
    WORK,
    charged,
    keep_model,
    look_first,
    packs,
    place_of_model,
    prepare_data,
    spec_for,
    write_json,
)


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
    place_of_model(params, inputs)
    require_training(method, params.adapter.kind)


def spends(_params: TrainParams, _inputs: Mapping[str, Dataset], services: Mapping[str, Any]) -> frozenset[Effect]:
    """Money, where a GPU hour has a price and there is a GPU (or a cluster) to be used."""
    place: Place = services.get("place") or Place()
    return frozenset({Effect.SPEND_MONEY}) if place.costs_money() else frozenset()


def run(params: TrainParams, ctx: StepContext) -> TrainResult:
    """Prepare, look, train, keep.

    Raises:
        PreconditionError: It cannot work: no example left, a template that loses the system turn, too little memory,
            more money than `max_cost_usd`.
        BudgetExceeded: Also when the run's budget does not hold the expected cost.
        SourceError: The base's files are damaged.
        WorkspaceError: The disk is full; the last complete checkpoint is still there.
        Cancelled, BudgetExceeded: As `ctx.cancel` said; the same step goes on from the checkpoint.
    """
    place: Place = ctx.services.get("place") or Place()
    method = method_for(params.method, ctx.data())
    require_training(method, params.adapter.kind, place.on_ray)
    if place.fsdp and place.workers < 2:
        raise PreconditionError("weights are sharded over several workers, and one was given", hint="Give two or more.")
    where = place_of_model(params, ctx.inputs)
    folder, start = checked_folders(where, ctx.services.get("hub"))
    work = ctx.writer.path(WORK).absolute()
    form = ChatFormat(open_tokenizer(folder, start))
    with workspace_errors(work):
        prepared, replay = prepare_data(params, method, form, where.full.context_length, work, ctx)
        wanted = spec_for(params, method, prepared, where.full.parameters or 0, ctx.seed, work, place).model_copy(
            update={"model": str(folder), "start_adapter": None if start is None else str(start)}
        )
        spec, preflight = look_first(params, wanted, place, ctx)
    with charged(place, ctx):
        outcome = launch(spec, place, emit=lambda line: ctx.emit(f"train: {line}"), cancel=ctx.cancel)
    with workspace_errors(work):
        manifest = keep_model(params, outcome, where, ctx, preflight, None if method == "pretrain" else form)
        write_json(ctx, OUTCOME_FILE, finite(outcome.model_dump(mode="json")) | {"final": MODEL_FOLDER})
        if (work / OUTPUT / TRACKED).is_dir():
            shutil.rmtree(ctx.writer.path(TRACKED), ignore_errors=True)
            (work / OUTPUT / TRACKED).rename(ctx.writer.path(TRACKED))
        shutil.rmtree(work)
    return _result(params, spec, prepared, preflight, outcome, manifest, replay, ctx)


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
        packed=packs(params, spec.method),
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
