"""The dataset card: a README that says how the data was made, in the form the Hugging Face Hub reads.

The YAML front matter follows the Hub's dataset card metadata (license, language, size and task categories, one
config with a data file pattern per split), so `load_dataset(folder)` finds the splits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from corpusmith.ops.markdown import bullets, cell, line, table

_SIZES = [
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
    (10_000_000_000, "1B<n<10B"),
    (100_000_000_000, "10B<n<100B"),
    (1_000_000_000_000, "100B<n<1T"),
]
_COLUMNS = {
    "text": "`text`: the document",
    "windows": "`text`: a window of a document; windows never cross documents and hold no padding",
    "alpaca": "`instruction`, `input` (may be empty), `output`",
    "sharegpt": "`conversations`: turns of {`from`, `value`}",
    "messages": "`messages`: turns of {`role`, `content`}",
    "preference": "`prompt`, `chosen`, `rejected`; never with `chosen` equal to `rejected`",
}


@dataclass(frozen=True)
class Card:
    """What a card says.

    Attributes:
        name: Name of the dataset.
        template: Template of the rows.
        splits: Rows per split, in order.
        data_files: File pattern per split, relative to the card.
        license: SPDX-like id of the Hub, for example "mit", or "unknown".
        languages: ISO 639-1 codes.
        seed: Seed of split and shuffle.
        split_rule: A sentence on how rows were split.
        dropped: Rows left out by this step, by rule.
        steps: Earlier steps as plain mappings ({tool, params, rows_in, rows_out, why}, whatever is known).
        gates: Gates as plain mappings ({metric, op, target, value, passed}).
        limits: Further sentences on what the data cannot do.
        version: Version of the files, other for other content: `datasets` caches what it loaded by folder name, file
            names and version, and would serve the rows of another dataset that was exported under the same names.
    """

    name: str
    template: str
    splits: Mapping[str, int]
    data_files: Mapping[str, str]
    license: str = "unknown"
    languages: Sequence[str] = ()
    seed: int = 0
    split_rule: str = ""
    dropped: Mapping[str, int] = field(default_factory=dict)
    steps: Sequence[Mapping[str, Any]] = ()
    gates: Sequence[Mapping[str, Any]] = ()
    limits: Sequence[str] = ()
    version: str = "0.0.0"


def size_category(rows: int) -> str:
    """The Hub's name of a dataset size, "1K<n<10K" for 5,000 rows."""
    return next((name for bound, name in _SIZES if rows < bound), "n>1T")


def front_matter(card: Card) -> dict[str, Any]:
    """The card's metadata as plain data."""
    data: dict[str, Any] = {"license": card.license}
    if card.languages:
        data["language"] = list(card.languages)
    files = [{"split": name, "path": card.data_files[name]} for name in card.splits]
    return data | {
        "pretty_name": card.name,
        "size_categories": [size_category(sum(card.splits.values()))],
        "task_categories": ["text-generation"],
        "tags": ["corpusmith"],
        "configs": [{"config_name": "default", "version": card.version, "data_files": files}],
    }


def render_card(card: Card) -> str:
    """The card as Markdown with its YAML front matter."""
    blocks = [
        "---\n" + yaml.safe_dump(front_matter(card), sort_keys=False, allow_unicode=True) + "---",
        f"# {line(card.name)}",
        table(("split", "rows"), [(name, f"{rows:,}") for name, rows in card.splits.items()]),
        f"Columns: {_COLUMNS.get(card.template, '`text`')}; `row_id` (where the row comes from; stays through every "
        "step), `source` (its file), `meta` (its other fields, JSON).",
        "## How it was made",
        *_steps(card),
        f"{card.split_rule} Rows are shuffled inside each split; split and shuffle use seed {card.seed}, so the same "
        "input gives the same files.",
        "## What was left out here",
        _dropped(card),
    ]
    if card.gates:
        rows = [
            tuple(cell(gate.get(name)) for name in ("metric", "op", "target", "value", "passed")) for gate in card.gates
        ]
        blocks += ["## Quality gates", table(("metric", "op", "target", "value", "passed"), rows)]
    blocks += ["## Limits", bullets([*_standing_limits(card), *(line(text) for text in card.limits)])]
    return "\n\n".join(blocks) + "\n"


def _steps(card: Card) -> list[str]:
    if not card.steps:
        return ["The steps before this one stand in the recipe of the run that made it."]
    lines = []
    for step in card.steps:
        known = {name: value for name, value in step.items() if name != "tool" and value not in (None, {}, [], "")}
        shown = ", ".join(f"{name} {cell(value)}" for name, value in known.items())
        lines.append(f"**{line(str(step.get('tool', 'step')))}**{': ' if shown else ''}{shown}")
    return ["\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))]


def _dropped(card: Card) -> str:
    if not card.dropped:
        return "Nothing."
    return table(("rule", "rows"), [(cell(rule), f"{rows:,}") for rule, rows in sorted(card.dropped.items())])


def _standing_limits(card: Card) -> list[str]:
    limits = ["Texts are the work of their authors; the licence above is what the maker of this dataset stated for it."]
    if card.license == "unknown":
        limits[0] = "No licence was stated; check the sources before you share or train on it."
    if any(rows == 0 for rows in card.splits.values()):
        limits.append("A split that was asked for is empty: there were too few groups of rows to fill it.")
    return limits
