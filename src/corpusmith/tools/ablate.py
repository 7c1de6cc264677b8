"""ablate: evaluates a *dataset*. Did curation help? The same `tiny` model, on the same number of tokens, with several
seeds, trained on the raw and on the curated data, compared on a holdout that neither has seen, in bits per byte.

    holdout     `ops.arms`: what it is, what it measures, and how both arms are kept from it
    tokenizer   one for both arms, learned on the half `base` of the bundled documents: neither arm shapes it. For text
                in other scripts it falls back on bytes, in both arms alike
    tokens      `models.ablation`: the same number in each arm, to the token; a small arm is repeated
    interval    `ops.grading.crossed`: over documents and seeds; `ablation_gain_low` above 0 means that curation helped

It compares what a token of each teaches, not how many tokens there are: raw data that is merely larger does not win by
that. Each (arm, seed) that is done stays in the staging folder, so a killed step goes on with the next.

Side files: scorecard.json (ablation_gain, ablation_gain_low), report.json, holdout.json (row ids and bytes), and
arms/<arm>-<seed>.json for each training (bits of every document of the holdout).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corpusmith.core.gates import Metric, Scorecard
from corpusmith.core.tools import Effect, StepContext, Tool, ToolParams, ToolResult
from corpusmith.models.ablation import encode_arm, tokens_for, train_arm
from corpusmith.models.examples import Example
from corpusmith.models.tiny import TinyRecipe
from corpusmith.models.tiny_tokenizer import learn_tokenizer
from corpusmith.models.training.extra import need_training_libraries
from corpusmith.ops.arms import Arm, Holdout, draw_arm, draw_holdout, held_out_roots, take_holdout
from corpusmith.ops.grading.bootstrap import lower_end
from corpusmith.ops.grading.crossed import crossed_gain
from corpusmith.store.files import write_atomic
from corpusmith.store.model_evidence import SCORECARD_NAME, finite
from corpusmith.tools.base import bundled_texts

ARMS = ("raw", "curated")
REPORT, HOLDOUT = "report.json", "holdout.json"
BYTES_PER_TOKEN = 16
"""So many bytes for each token to train on are drawn from an arm: more than any text needs, less than all of it."""

SMALL = TinyRecipe(
    vocabulary=2048, layers=2, width=64, inner=176, heads=4, key_heads=2, context=256, window=64, rows_per_step=4,
    epochs=4, learning_rate=4e-3,
)  # fmt: skip


class AblateParams(ToolParams):
    """How much is trained, how often, and how much is measured."""

    seeds: int = Field(4, ge=2, le=100, description="trainings of each arm; an interval over seeds needs two")
    tokens: int = Field(80_000, ge=1, description="training tokens of each arm, at most")
    holdout_rows: int = Field(200, ge=10, description="documents to measure on, at most")
    tiny: TinyRecipe = Field(SMALL, description="the model; epochs = most passes over the smaller arm")


class AblateResult(ToolResult):
    """What the data gained by being curated."""

    first_line: str
    gain: float | None = Field(description="bits per byte won, mean over the seeds; null when a training broke down")
    gain_low: float | None = Field(description="ends of its 95 % interval")
    gain_high: float | None
    raw: float | None = Field(description="bits per byte after training on the raw data")
    curated: float | None
    seeds: int
    tokens: int = Field(description="training tokens of each arm and seed")
    passes: dict[str, float] = Field(description="how often an arm's documents were seen")
    holdout: Literal["given", "untouched", "rewritten"] = Field(description="how it was come by (ops.arms)")
    holdout_rows: int
    notes: tuple[str, ...] = ()


class ArmRecord(BaseModel):
    """One training, as it is kept in `arms/<arm>-<seed>.json`; `bits` has null where there is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    arm: str
    seed: int
    tokens: int
    passes: float
    loss: float | None
    bits_per_byte: float | None
    seconds: float
    bits: tuple[float | None, ...]


def run(params: AblateParams, ctx: StepContext) -> AblateResult:
    """Train both arms with every seed, measure them on the holdout, and say what curation brought.

    Raises:
        PreconditionError: The extra `train` is missing, the holdout is too small, or nothing is left to train on.
    """
    need_training_libraries("datasets")
    holdout, arms = _documents(params, ctx)
    ctx.emit("ablate: learning the tokenizer both arms share")
    tokenizer = learn_tokenizer(bundled_texts(), params.tiny.vocabulary, params.tiny.context)
    encoded = {name: encode_arm(arm.row_ids, arm.texts, tokenizer) for name, arm in arms.items()}
    tokens = tokens_for(params.tiny, params.tokens, *encoded.values())
    ctx.emit(f"ablate: {params.seeds} seeds x 2 arms x {tokens:,} tokens, measured on {len(holdout.texts)} documents")
    done = {
        (name, seed): _one(params, ctx, name, seed, encoded[name], holdout, tokenizer, tokens)
        for seed in range(ctx.seed, ctx.seed + params.seeds)
        for name in ARMS
    }
    sizes = np.array([len(text.encode()) for text in holdout.texts], np.float64)
    bits = {name: _bits([record for (arm, _), record in done.items() if arm == name]) for name in ARMS}
    gain = crossed_gain(bits["curated"], bits["raw"], sizes, seed=ctx.seed)
    card = Scorecard(metrics={"ablation_gain": gain, "ablation_gain_low": lower_end(gain)})
    result = AblateResult(
        first_line=_first_line(gain, params, tokens, holdout),
        gain=_number(gain.value),
        gain_low=_number(gain.low),
        gain_high=_number(gain.high),
        raw=_number(float(bits["raw"].sum(axis=1).mean() / sizes.sum())),
        curated=_number(float(bits["curated"].sum(axis=1).mean() / sizes.sum())),
        seeds=params.seeds,
        tokens=tokens,
        passes={name: round(done[name, ctx.seed].passes, 3) for name in ARMS},
        holdout=holdout.origin,
        holdout_rows=len(holdout.texts),
        notes=_notes(holdout, gain),
    )
    _write(ctx.writer.path(SCORECARD_NAME), card.model_dump(mode="json"))
    _write(ctx.writer.path(HOLDOUT), {"row_ids": holdout.row_ids, "bytes": sizes.astype(int).tolist()})
    _write(ctx.writer.path(REPORT), _report(result, list(done.values()), holdout, arms))
    ctx.emit(result.first_line)
    return result


def _documents(params: AblateParams, ctx: StepContext) -> tuple[Holdout, dict[str, Arm]]:
    ctx.emit("ablate: drawing a holdout, and keeping both arms from it")
    raw, curated = (ctx.inputs[name] for name in ARMS)
    if "holdout" in ctx.inputs:
        holdout = take_holdout(ctx.inputs["holdout"], params.holdout_rows, ctx.seed)
    else:
        holdout = draw_holdout(raw, curated, params.holdout_rows, ctx.seed, ctx.cancel)
    roots = held_out_roots(curated, holdout)
    most = BYTES_PER_TOKEN * params.tokens
    arms = {
        name: draw_arm(
            ctx.inputs[name], holdout, roots, ctx.engine, most_bytes=most, seed=ctx.seed, cancel=ctx.cancel
        )
        for name in ARMS
    }  # fmt: skip
    return holdout, arms


def _one(
    params: AblateParams,
    ctx: StepContext,
    arm: str,
    seed: int,
    documents: list[Example],
    holdout: Holdout,
    tokenizer: Any,
    tokens: int,
) -> ArmRecord:
    """One training, or what an earlier try left of it."""
    path = ctx.writer.path(f"arms/{arm}-{seed}.json")
    known = _earlier(path)
    if known is None:
        ctx.cancel.check()
        rows = list(zip(holdout.row_ids, holdout.texts, strict=True))
        folder = (ctx.scratch / f"{arm}-{seed}").absolute()
        score = train_arm(documents, rows, tokenizer, params.tiny, tokens, seed, folder, cancel=ctx.cancel)
        known = ArmRecord(
            arm=arm,
            seed=seed,
            tokens=score.outcome.tokens,
            passes=score.passes,
            loss=_number(score.outcome.loss),
            bits_per_byte=_number(float(score.bits.sum() / score.size_bytes.sum())),
            seconds=round(score.outcome.seconds, 3),
            bits=tuple(map(_number, score.bits.tolist())),
        )
        write_atomic(path, known.model_dump_json().encode())
    told = "no number: the training broke down" if known.bits_per_byte is None else f"{known.bits_per_byte:.4f}"
    ctx.emit(f"ablate: seed {seed}, {arm}: {told} bits per byte ({known.seconds:.0f} s)")
    return known


def _earlier(path: Path) -> ArmRecord | None:
    try:
        return ArmRecord.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _bits(records: list[ArmRecord]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(seeds, documents), NaN where there is no number."""
    return np.array([[math.nan if bits is None else bits for bits in record.bits] for record in records], np.float64)


def _first_line(gain: Metric, params: AblateParams, tokens: int, holdout: Holdout) -> str:
    how = f"{gain.n} held-out documents, {params.seeds} seeds, {tokens:,} tokens in each arm"
    if not (math.isfinite(gain.value) and gain.low is not None and gain.high is not None):
        return f"No answer: a training broke down ({how})."
    span = f"95 % interval {gain.low:+.4f} to {gain.high:+.4f}; {how}"
    if gain.low > 0:
        said = f"Curation helped: {gain.value:.4f} bits per byte fewer than on the raw data"
    elif gain.high < 0:
        said = f"Curation did harm: {-gain.value:.4f} bits per byte more than on the raw data"
    else:
        said = f"No gain shown: {gain.value:+.4f} bits per byte, and the interval holds zero"
    tail = ", on text in the form that curation gave it" if holdout.origin == "rewritten" else ""
    return f"{said}{tail} ({span})."


def _notes(holdout: Holdout, gain: Metric) -> tuple[str, ...]:
    notes = []
    if holdout.origin == "rewritten":
        notes.append(
            "Hardly a row stands in the curated data as it stood in the raw data, so the holdout is in the form that"
            " curation gave it, which favours the curated arm; give a holdout of your own for a fair comparison."
        )
    if gain.n < 30:
        notes.append(f"{gain.n} documents are few for an interval.")
    return tuple(notes)


def _report(result: AblateResult, done: list[ArmRecord], holdout: Holdout, arms: Mapping[str, Arm]) -> dict[str, Any]:
    return {
        "first_line": result.first_line,
        "gain": {"value": result.gain, "low": result.gain_low, "high": result.gain_high, "unit": "bits per byte"},
        "trainings": [record.model_dump(mode="json", exclude={"bits"}) for record in done],
        "holdout": {
            "origin": holdout.origin,
            "documents": len(holdout.texts),
            "from_train": holdout.from_train,
            "bytes": sum(len(text.encode()) for text in holdout.texts),
        },
        "arms": {
            name: {"rows": arm.rows, "rows_drawn": len(arm.texts), "left_out": arm.left_out}
            for name, arm in arms.items()
        },
        "tokenizer": "byte-level BPE, learned on the half `base` of the bundled documents, shared by both arms",
        "tokens": "the same in each arm and seed, to the token; documents come again in a new order when used up",
        "interval": "documents resampled, moved by Student's t over the seeds (ops.grading.crossed)",
        "notes": list(result.notes),
    }


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _write(path: Path, plain: Any) -> None:
    path.write_text(json.dumps(finite(plain), indent=1, allow_nan=False), "utf-8")


def _snapshot(_params: AblateParams, _services: Mapping[str, Any]) -> dict[str, Any]:
    texts = json.dumps(bundled_texts()).encode()
    return {"uri": "python:documentation", "digest": hashlib.sha256(texts).hexdigest()}


TOOL = Tool(
    name="ablate",
    version=1,
    kind="observe",
    params=AblateParams,
    run=run,
    summary="Say whether curation helped: tiny models trained on raw and on curated data, compared on a clean holdout.",
    inputs=("raw", "curated", "holdout?"),
    effects=frozenset({Effect.READ_FILES, Effect.WRITE_STORE}),
    makes="report",
    snapshot=_snapshot,
)
