"""House defaults: the gates a brief implies without being told, and the sentences that say what was filled in."""

from __future__ import annotations

from collections.abc import Sequence

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.privacy import masking_assumptions
from corpusmith.core.brief import Brief
from corpusmith.core.gates import Gate, Op, Severity
from corpusmith.core.rows import Shape

MUST, SHOULD = Severity.MUST, Severity.SHOULD
Row = tuple[str, Op, float, Severity, str]

STANDARD: tuple[Row, ...] = (
    ("empty_rate", "<=", 0.0, MUST, "a row without text teaches nothing"),
    ("encoding_damage_rate", "<=", 0.01, MUST, "damaged characters become tokens"),
    ("html_rate", "<=", 0.01, MUST, "markup is not prose"),
    ("truncated_rate", "<=", 0.005, SHOULD, "a text cut off in the middle teaches to stop there"),
    ("boilerplate_rate", "<=", 0.05, SHOULD, "lines repeated across a source are not content"),
)
STRICT: tuple[Row, ...] = (
    ("empty_rate", "<=", 0.0, MUST, "a row without text teaches nothing"),
    ("encoding_damage_rate", "<=", 0.0, MUST, "high quality was asked for"),
    ("html_rate", "<=", 0.0, MUST, "high quality was asked for"),
    ("truncated_rate", "<=", 0.005, MUST, "high quality was asked for"),
    ("boilerplate_rate", "<=", 0.01, SHOULD, "high quality was asked for"),
    ("c4_fail_rate", "<=", 0.05, SHOULD, "high quality was asked for: C4 page rules"),
    ("fineweb_fail_rate", "<=", 0.05, SHOULD, "high quality was asked for: FineWeb rules"),
)
PROSE_METRICS = ("gopher_repetition_fail_rate", "gopher_quality_fail_rate")
"""Of rules that are made for documents of prose."""
LEVELS: dict[str, tuple[Row, ...]] = {"none": (), "standard": STANDARD, "strict": STRICT}


def default_gates(brief: Brief, draft: Draft) -> list[Gate]:
    """The gates that `brief` implies; each says which words or which default of the house set it."""
    rows = [
        *LEVELS[brief.quality],
        *_prose(brief),
        *shape_rows(brief.output.shape),
        *_wished(brief, draft),
        *_amounts(brief, draft),
    ]
    return house_gates(rows)


def house_gates(rows: Sequence[Row]) -> list[Gate]:
    """The rows as gates, each of which says that it is a default."""
    return [
        Gate(metric=metric, op=op, target=target, severity=severity, why=f"house default: {why}")
        for metric, op, target, severity, why in rows
    ]


def shape_rows(shape: Shape) -> list[Row]:
    """What rows of `shape` must hold beside what all must."""
    if shape is Shape.INSTRUCTION:
        return [
            ("empty_response_rate", "<=", 0.0, MUST, "a pair without an answer teaches nothing"),
            ("repeated_instruction_rate", "<=", 0.02, SHOULD, "the same instruction twice adds little"),
        ]
    if shape is Shape.PREFERENCE:
        return [("identical_pair_rate", "<=", 0.0, MUST, "chosen == rejected prefers nothing")]
    return []


def _wished(brief: Brief, draft: Draft) -> list[Row]:
    """One gate for each wish of the brief that a metric can confirm."""
    low = any(span.low is not None for span in brief.length)
    high = any(span.high is not None for span in brief.length)
    near = 0.0 if draft.has("dedup") else 0.01  # who asks for deduplication wants every copy gone
    table: tuple[tuple[object, Row], ...] = (
        (brief.languages, ("language_rate", ">=", 0.98, MUST, _said(draft, "languages"))),
        (brief.dedup.exact, ("exact_duplicate_rate", "<=", 0.0, MUST, _said(draft, "dedup"))),
        (brief.dedup.near, ("near_duplicate_rate", "<=", near, MUST, _said(draft, "dedup"))),
        (brief.remove_pii, ("pii_rate", "<=", 0.0, MUST, _said(draft, "remove_pii"))),
        (
            brief.decontaminate_against,
            ("contamination_rate", "<=", 0.0, MUST, _said(draft, "decontaminate_against")),
        ),
        (brief.grounded_in, ("ungrounded_rate", "<=", 0.05, SHOULD, _said(draft, "grounded_in"))),
        (low, ("short_rate", "<=", 0.0, MUST, "a smallest length was asked for")),
        (high, ("long_rate", "<=", 0.0, MUST, "a largest length was asked for")),
        (brief.training, ("gain_over_base_low", ">", 0.0, MUST, "a fine-tune that does not beat its base is no gain")),
        (
            brief.training and brief.evaluation.general,
            ("forgetting", "<=", 0.05, SHOULD, "what the base knew is worth keeping; bits per byte on the general set"),
        ),
        (
            brief.index,
            ("recall_at_10", ">=", 0.3, MUST, "measured on hard questions: what they ask is taken out of the passages"),
        ),
        (brief.splits.train < 1, ("split_leak_rate", "<=", 0.0, MUST, "near-duplicates never straddle splits")),
    )
    return [row for wished, row in table if wished]


def _amounts(brief: Brief, draft: Draft) -> list[Row]:
    rows: list[Row] = []
    for unit in ("rows", "tokens"):
        hope = draft.last(f"size.{unit}.hope")
        if hope is not None:
            rows.append((unit, ">=", float(hope), SHOULD, _said(draft, f"size.{unit}")))
    asked_for_a_part = brief.languages or brief.numbers or brief.length
    whole = brief.size.rows is None and brief.size.tokens is None and not brief.generate_instructions
    if whole and not asked_for_a_part:  # rows in other languages are no loss to a person who wants German
        rows.append(("retention", ">=", 0.5, SHOULD, "more than half lost is rarely meant"))
    return rows


def _prose(brief: Brief) -> list[Row]:
    """Gopher's rules suit English prose: its stop words are English, and pairs and windows are no documents."""
    if brief.quality == "none" or brief.output.shape is not Shape.TEXT:
        return []
    target = 0.01 if brief.quality == "strict" else 0.05
    rows: list[Row] = [("gopher_repetition_fail_rate", "<=", target, SHOULD, "Gopher's repetition rules (Rae 2021)")]
    if not brief.languages or brief.languages == ("en",):
        rows.append(("gopher_quality_fail_rate", "<=", target, SHOULD, "Gopher's quality rules (Rae 2021)"))
    return rows


def _said(draft: Draft, name: str) -> str:
    words = draft.words(name)
    return f"because of '{words}'" if words else "nothing was said about it"


def assumptions(brief: Brief, draft: Draft) -> list[str]:
    """One plain sentence for each thing that was filled in without being asked."""
    out = []
    if brief.dedup.exact and not draft.has("dedup"):
        out.append("copies: exact and near-duplicates are removed, for nothing was said about them")
    if brief.dedup.near and not draft.has("dedup.jaccard"):
        out.append(f"near-duplicates: Jaccard >= {brief.dedup.jaccard:g} over word 5-grams")
    if not draft.has("quality"):
        out.append("quality: the standard rules (encoding, HTML, empty, truncated, boilerplate, Gopher)")
    if brief.quality != "none" and brief.languages and brief.languages != ("en",) and brief.output.shape is Shape.TEXT:
        out.append("quality: Gopher's stop-word rule is left out, for it is made for English")
    if not draft.has("remove_pii"):
        out.append("personal data: left as it is, for nothing was said about it")
    out += masking_assumptions(brief)
    if not brief.languages:
        out.append("languages: all are kept")
    if not draft.has("splits") and brief.training is None:
        out.append("splits: none, every row is in train")
    if not draft.has("output.files"):
        out.append("files: Parquet")
    if not draft.has("seed") and brief.seed == 0:
        out.append("seed: 0")
    return out
