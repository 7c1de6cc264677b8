"""What a model may add to a brief that the rules wrote: a small typed patch for the phrases they did not understand.

What the rules read out of the sentence always wins; the patch fills only what they had left at the house default, and
every change stands in `assumed`. A patch never loosens a gate, touches a budget, a path or a source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from corpusmith.agent.llm_brief_model import ModelPatch, model_changes, told_of_training
from corpusmith.agent.llm_view import one_line, wanted
from corpusmith.agent.understanding.defaults import default_gates
from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.languages import NAMES
from corpusmith.core.brief import Brief, Splits
from corpusmith.core.gates import Gate, Op
from corpusmith.core.metrics import MADE_OF_DATA, METRICS
from corpusmith.core.rows import Shape

HOUSE = "house default"
FOUND = "understood by the model"
GATES = {name: info for name, info in METRICS.items() if info.scope in ("data", "run", *MADE_OF_DATA)}
"""Metrics that a gate of a patch may name: of every dataset; of models, where the brief makes one."""

_SHAPES = {"alpaca": Shape.INSTRUCTION, "sharegpt": Shape.INSTRUCTION, "messages": Shape.INSTRUCTION,
           "preference": Shape.PREFERENCE}  # fmt: skip
_UNSAID = {
    "languages": "languages:", "splits": "splits:", "files": "files:", "remove_pii": "personal data:",
    "quality": "quality:", "seed": "seed:", "jaccard": "near-duplicates:", "promote": "promotion:",
}  # fmt: skip
"""How the sentence in `assumed` begins that says a field was not spoken of."""


class PatchGate(BaseModel):
    """A bound on a metric."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    metric: str = Field(description="one of `metrics`")
    op: Op
    target: float = Field(ge=0, le=1e12, allow_inf_nan=False)

    @model_validator(mode="after")
    def _possible(self) -> PatchGate:
        if self.metric not in GATES:
            raise ValueError(f"metric: there is none of that name; there are {', '.join(GATES)}")
        if GATES[self.metric].unit == "share" and self.target > 1:
            raise ValueError("target: a share goes from 0 to 1")
        return self


class PatchSplits(BaseModel):
    """Shares that sum to 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    train: float = Field(gt=0, le=1)
    validation: float = Field(0.0, ge=0, le=1)
    test: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _whole(self) -> PatchSplits:
        if abs(self.train + self.validation + self.test - 1) > 1e-6:
            raise ValueError("the shares do not sum to 1")
        return self


class BriefPatch(ModelPatch):
    """Settings that the phrases ask for; null where they ask for nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    resolved: tuple[str, ...] = Field(max_length=20, description="the phrases covered wholly, word for word")
    languages: tuple[str, ...] | None = Field(None, max_length=10, description="ISO 639-1 codes to keep")
    rows: int | None = Field(None, ge=1, le=10**9, description="most rows")
    tokens: int | None = Field(None, ge=1, le=10**12, description="most tokens (words and punctuation marks)")
    remove_pii: Literal[True] | None = Field(None, description="mask personal data")
    quality: Literal["none", "standard", "strict"] | None = None
    files: Literal["parquet", "jsonl", "hf"] | None = None
    template: Literal["alpaca", "sharegpt", "messages", "preference"] | None = Field(
        None, description="shape of rows that are pairs"
    )
    splits: PatchSplits | None = None
    gates: tuple[PatchGate, ...] = Field((), max_length=8)
    jaccard: float | None = Field(None, gt=0, le=1, description="similarity from which rows are near-duplicates")
    lowercase: Literal[True] | None = None
    seed: int | None = Field(None, ge=0, lt=2**32)
    name: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9_\-]{0,63}$", description="name of the result")

    @model_validator(mode="after")
    def _known(self) -> BriefPatch:
        unknown = sorted(set(self.languages or ()) - set(NAMES.values()))
        if unknown:
            raise ValueError("languages: an unknown code; use ISO 639-1 codes such as en, de, fr")
        return self


def open_phrases(brief: Brief) -> tuple[str, ...]:
    """The phrases a model may read: those not understood, without those that were and cannot be done."""
    return tuple(phrase for phrase in brief.not_understood if not phrase.endswith(")"))


def patch_text(brief: Brief) -> str:
    """What a model is shown to write a patch, as compact JSON. Paths are masked: they can say anything."""
    shown = {
        "sentence": _without_paths(brief.request, brief),
        "understood": wanted(brief),
        "phrases": [_without_paths(phrase, brief) for phrase in open_phrases(brief)],
        "metrics": {name: info.meaning for name, info in GATES.items()},
    }
    return json.dumps(shown, ensure_ascii=False, separators=(",", ":"))


def _without_paths(text: str, brief: Brief) -> str:
    for path in sorted((*brief.sources, *brief.decontaminate_against, *brief.grounded_in), key=len, reverse=True):
        text = text.replace(path, "<path>")
    return re.sub(r"\S*[/\\]\S*|\S+\.(?:jsonl?|csv|tsv|txt|md|html?|parquet|arrow|gz|zst|bz2|xz|zip)\b", "<path>", text)


def patched(brief: Brief, patch: BriefPatch) -> Brief:
    """The brief with what the patch adds to it; the same brief when it resolves none of the open phrases."""
    shown = {_without_paths(phrase, brief).casefold().strip(): phrase for phrase in open_phrases(brief)}
    solved = [shown[item.casefold().strip()] for item in patch.resolved if item.casefold().strip() in shown]
    if not solved:
        return brief
    said = one_line(", ".join(f"'{phrase}'" for phrase in dict.fromkeys(solved)))
    changes: dict[str, Any] = {}
    notes, silenced = [], []
    for name, update, words in _fields(brief, patch):
        opening = _UNSAID.get(name)
        if opening is not None and not any(line.startswith(opening) for line in brief.assumed):
            continue  # the sentence spoke of it: the rules' reading stands
        changes = update | changes if name in ("training", "approach") else changes | update
        notes.append(f"{FOUND}: {words} ({said})")
        silenced += [opening] if opening is not None else []
    new = brief.model_copy(update=changes)
    gates, added = _gates(new, brief, patch, said)
    notes += [f"{FOUND}: {gate} ({said})" for gate in added]
    if not notes:
        return brief
    assumed = [line for line in brief.assumed if not any(line.startswith(opening) for opening in silenced)]
    if new.training is not None and brief.training is None:
        assumed = [line for line in assumed if not line.startswith("splits: none")] + told_of_training(new)
    left = tuple(phrase for phrase in brief.not_understood if phrase not in solved)
    return new.model_copy(update={"gates": gates, "assumed": (*assumed, *notes), "not_understood": left})


def _fields(brief: Brief, patch: BriefPatch) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Each field that the patch sets and the rules left at its default: its name, the update, and the words for it."""
    house, size, output, dedup = Brief(request=""), brief.size, brief.output, brief.dedup
    if patch.languages and not brief.languages:
        yield "languages", {"languages": patch.languages}, f"languages {', '.join(patch.languages)}"
    if (patch.rows or patch.tokens) and size == house.size:
        update = size.model_copy(update={"rows": patch.rows, "tokens": patch.tokens})
        amounts = ((patch.rows, "rows"), (patch.tokens, "tokens"))
        yield "size", {"size": update}, "at most " + ", ".join(f"{count:,} {unit}" for count, unit in amounts if count)
    if patch.remove_pii and not brief.remove_pii:
        yield "remove_pii", {"remove_pii": True}, "personal data is masked"
    if patch.quality and patch.quality != brief.quality == house.quality:
        yield "quality", {"quality": patch.quality}, f"quality {patch.quality}"
    if patch.files and patch.files != output.files == house.output.files:
        output = output.model_copy(update={"files": patch.files})
        yield "files", {"output": output}, f"files {patch.files}"
    if patch.template and output.template == house.output.template:
        output = output.model_copy(update={"template": patch.template, "shape": _SHAPES[patch.template]})
        yield "template", {"output": output}, f"template {patch.template}"
    if patch.splits and brief.splits == house.splits:
        splits = Splits(**patch.splits.model_dump())
        shares = "/".join(f"{part * 100:g}" for part in (splits.train, splits.validation, splits.test))
        yield "splits", {"splits": splits}, f"splits {shares}"
    if patch.jaccard and dedup.near and patch.jaccard != dedup.jaccard == house.dedup.jaccard:
        update_dedup = dedup.model_copy(update={"jaccard": patch.jaccard})
        yield "jaccard", {"dedup": update_dedup}, f"near-duplicates from Jaccard {patch.jaccard:g}"
    if patch.lowercase and not brief.lowercase:
        yield "lowercase", {"lowercase": True}, "text in lower case"
    if patch.seed and brief.seed == house.seed:
        yield "seed", {"seed": patch.seed}, f"seed {patch.seed}"
    if patch.name and brief.name == house.name:
        yield "name", {"name": patch.name}, f"name {patch.name}"
    yield from model_changes(brief, patch)


def _gates(new: Brief, old: Brief, patch: BriefPatch, said: str) -> tuple[tuple[Gate, ...], list[Gate]]:
    """The gates of the new brief (house gates follow its fields, explicit ones stay), and those the patch added."""
    before = {gate.metric: gate for gate in default_gates(old, Draft())}
    after = {gate.metric: gate for gate in default_gates(new, Draft())}
    gates: dict[str, Gate] = {}
    extra: list[Gate] = []  # a second explicit gate on a metric, as in "between"
    for gate in old.gates:
        kept: Gate | None = gate
        if _is_house(gate) and gate.metric in before and before[gate.metric] != after.get(gate.metric):
            kept = after.get(gate.metric)
        if kept is not None and kept.metric in gates:
            extra.append(kept)
        elif kept is not None:
            gates[kept.metric] = kept
    gates |= {name: gate for name, gate in after.items() if name not in before and name not in gates}
    added = []
    made = {"model": new.training, "ablation": new.ablation, "index": new.index}
    scopes = {"data", "run", *(scope for scope, wanted in made.items() if wanted)}
    for wish in patch.gates:
        if METRICS[wish.metric].scope not in scopes:
            continue
        gate = Gate(metric=wish.metric, op=wish.op, target=wish.target, why=f"{FOUND}: {said}")
        known = gates.get(gate.metric)
        if known is None or (_is_house(known) and _tighter(gate, known)):
            gates[gate.metric] = gate
            added.append(gate)
    return (*gates.values(), *extra), added


def _is_house(gate: Gate) -> bool:
    return gate.why.startswith(HOUSE)


def _tighter(gate: Gate, known: Gate) -> bool:
    """Whether whatever holds `gate` holds `known` too, and not the other way round."""
    if gate.op[0] != known.op[0]:
        return False
    return gate.target < known.target if gate.op[0] == "<" else gate.target > known.target
