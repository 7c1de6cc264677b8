"""The model card: a README that says what a model was made from, how, how good it is, and what it cannot do.

The YAML front matter follows the Hub's model card metadata. Mitchell et al. 2019, "Model Cards for Model Reporting";
without the sections on people and ethics, of which a program knows nothing. Metrics with their intervals stand in the
text too, since the Hub's model index has no place for an interval.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from corpusmith.ops.markdown import bullets, cell, line, table

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+|[A-Za-z][\w.-]*")
_RELATIONS = {"adapter": "adapter", "merged": "finetune", "full": "finetune"}


@dataclass(frozen=True)
class ModelCard:
    """What a card says.

    Attributes:
        name: Name of the model, with its version.
        form: What lies beside the card: `adapter` (needs its base), `merged` (an adapter merged into it), or `full`.
        digest: Digest of the version in the registry.
        base: Name of the base model; a hub id, a path's last part, or "tiny". None = trained from nothing.
        base_on_hub: Whether `base` is a hub id, so that the Hub may link it.
        base_license: Licence id of the base, as its own card states it, or "unknown".
        data: Name of the training data, with what identifies it.
        data_license: Licence id of the data, or "unknown".
        languages: ISO 639-1 codes of the data.
        metrics: By name {value, n, low, high}.
        data_digest: Digest of the evaluation data.
        first_line: What the evaluation says in one sentence.
        gates: Gates as plain mappings ({metric, op, target, value, passed}).
        training: Settings and figures of the training as a plain mapping.
        lineage: Steps from the sources to the training data, a line each.
        limits: Further sentences on what the model cannot do.
    """

    name: str
    form: Literal["adapter", "merged", "full"]
    digest: str
    base: str | None = None
    base_on_hub: bool = False
    base_license: str = "unknown"
    data: str = ""
    data_license: str = "unknown"
    languages: Sequence[str] = ()
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    data_digest: str = ""
    first_line: str = ""
    gates: Sequence[Mapping[str, Any]] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    lineage: Sequence[str] = ()
    limits: Sequence[str] = ()


def license_of(card: ModelCard) -> str:
    """The one licence that base and data agree on; "unknown" where they do not, or where one is unknown."""
    stated = {card.base_license, card.data_license} if card.base else {card.data_license}
    return stated.pop() if len(stated) == 1 else "unknown"


def front_matter(card: ModelCard) -> dict[str, Any]:
    """The card's metadata as plain data."""
    data: dict[str, Any] = {"license": license_of(card)}
    if card.languages:
        data["language"] = list(card.languages)
    if card.base and card.base_on_hub and _HUB_ID.fullmatch(card.base):
        data |= {"base_model": card.base, "base_model_relation": _RELATIONS[card.form]}
    data |= {
        "library_name": "peft" if card.form == "adapter" else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["corpusmith"],
    }
    measured = {name: m["value"] for name, m in card.metrics.items() if _is_number(m.get("value"))}
    if measured:
        results = {
            "task": {"type": "text-generation"},
            "dataset": {"name": f"evaluation data {card.data_digest[:12]}", "type": "corpusmith"},
            "metrics": [{"type": name, "value": value} for name, value in sorted(measured.items())],
        }
        data["model-index"] = [{"name": line(card.name), "results": [results]}]
    return data


def render_model_card(card: ModelCard) -> str:
    """The card as Markdown with its YAML front matter."""
    blocks = [
        "---\n" + yaml.safe_dump(front_matter(card), sort_keys=False, allow_unicode=True) + "---",
        f"# {line(card.name)}",
    ]
    if card.first_line:
        blocks.append(line(card.first_line))
    blocks += [_what(card), "## Data", _data(card)]
    if card.training:
        rows = [(cell(name), cell(value)) for name, value in card.training.items() if value not in (None, {}, [], "")]
        blocks += ["## Training", table(("setting or figure", "value"), rows)]
    blocks += ["## Evaluation", _metrics(card)]
    if card.gates:
        names = ("metric", "op", "target", "value", "passed")
        blocks += [
            "### Gates it was held against",
            table(names, [tuple(cell(g.get(n)) for n in names) for g in card.gates]),
        ]
    limits = bullets([*_standing_limits(card), *(line(text) for text in card.limits)])
    return "\n\n".join([*blocks, "## Limits", limits]) + "\n"


def _what(card: ModelCard) -> str:
    base = cell(card.base) if card.base else "no other model"
    form = {
        "adapter": f"An adapter: it works only together with its base, {base}.",
        "merged": f"Whole weights: an adapter merged into its base, {base}.",
        "full": f"Whole weights, made from {base}.",
    }[card.form]
    return f"{form} Safetensors, tokenizer and chat template lie beside this file. Digest `{card.digest}`."


def _data(card: ModelCard) -> str:
    said = f"Trained on {cell(card.data)}." if card.data else "What it was trained on is not on record."
    steps = "\n".join(f"{number}. {cell(line)}" for number, line in enumerate(card.lineage, 1))
    return said + (f" From the sources to it:\n\n{steps}" if steps else "")


def _metrics(card: ModelCard) -> str:
    if not card.metrics:
        return "Not evaluated."
    rows = [
        (cell(name), _number(m.get("value")), _interval(m), f"{m.get('n', 0):,}")
        for name, m in sorted(card.metrics.items())
    ]
    shown = table(("metric", "value", "95 % interval", "measured on"), rows)
    return f"On evaluation data with digest `{card.data_digest}`:\n\n{shown}"


def _interval(metric: Mapping[str, Any]) -> str:
    low, high = metric.get("low"), metric.get("high")
    return "" if low is None or high is None else f"{_number(low)} to {_number(high)}"


def _number(value: Any) -> str:
    return f"{value:.4g}" if _is_number(value) else "not a number"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _standing_limits(card: ModelCard) -> list[str]:
    limits = ["Measured only on the evaluation data above; elsewhere it may do worse. Check what it says."]
    if license_of(card) == "unknown":
        limits.append(
            f"Licence: of the base {cell(card.base_license if card.base else 'none')}, of the data "
            f"{cell(card.data_license)}; settle it before you share the model."
        )
    return limits
