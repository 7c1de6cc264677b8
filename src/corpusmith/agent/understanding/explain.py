"""A brief in plain lines, as `--plan` shows it to a person."""

from __future__ import annotations

from corpusmith.agent.understanding.explain_model import model_lines
from corpusmith.core.brief import Balance, Brief, LengthRange, NumberRange
from corpusmith.core.gates import Severity


def explain(brief: Brief) -> list[str]:
    """One line per thing the run will do or hold to, then what was assumed and what was not understood."""
    lines = [
        f"makes: {brief.deliverable.value} '{brief.name}'",
        f"from: {', '.join(brief.sources) or 'no source named yet'}",
        f"language: {', '.join(brief.languages) or 'any'}",
        f"size: {_size(brief)}",
        f"splits: {_splits(brief)}",
        f"output: {_output(brief)}",
        f"copies: {_copies(brief)}",
        f"personal data: {_privacy(brief)}",
        f"quality: {brief.quality}",
    ]
    if brief.text_field:
        lines.append(f"text: in the field {brief.text_field}")
    if brief.decontaminate_against:
        lines.append(f"kept clear of: {', '.join(brief.decontaminate_against)}")
    if brief.grounded_in:
        lines.append(f"answers held against: {', '.join(brief.grounded_in)}")
    lines += [f"length: {_length(span)}" for span in brief.length]
    lines += [f"rows where: {_number(span)}" for span in brief.numbers]
    if brief.balance:
        lines.append(f"balance: {_balance(brief.balance)}")
    if brief.generate_instructions:
        lines.append("generates: instruction pairs out of the documents")
    if brief.lowercase:
        lines.append("text form: lower case")
    if brief.remove_stopwords:
        lines.append("text form: stop words removed")
    lines += model_lines(brief)
    if brief.source_floor:
        lines.append(f"keeps: at least {brief.source_floor:.0%} of every source")
    lines.append(f"limits: {_limits(brief)}")
    for gate in brief.gates:
        word = "must" if gate.severity is Severity.MUST else "should"
        lines.append(f"{word}: {gate}  ({gate.why})")
    lines += [f"assumed: {sentence}" for sentence in brief.assumed]
    lines += [f"NOT UNDERSTOOD: {phrase}" for phrase in brief.not_understood]
    return lines


def _size(brief: Brief) -> str:
    size = brief.size
    word = "exactly" if size.exact else "up to"
    parts = [f"{word} {count:,} {unit}" for count, unit in ((size.rows, "rows"), (size.tokens, "tokens")) if count]
    return ", ".join(parts) or "all that passes"


def _splits(brief: Brief) -> str:
    named = (("train", brief.splits.train), ("validation", brief.splits.validation), ("test", brief.splits.test))
    return ", ".join(f"{part * 100:g}% {name}" for name, part in named if part)


def _output(brief: Brief) -> str:
    window = f" of {brief.output.window_tokens} tokens" if brief.output.window_tokens else ""
    return f"{brief.output.files}, {brief.output.shape.value} rows, template {brief.output.template}{window}"


def _copies(brief: Brief) -> str:
    wish = brief.dedup
    if not wish.exact:
        return "kept"
    if not wish.near:
        return "exact copies removed"
    contained = f", containment >= {wish.containment:g}" if wish.containment else ""
    return f"exact and near-duplicates removed (Jaccard >= {wish.jaccard:g}{contained})"


def _privacy(brief: Brief) -> str:
    if not brief.remove_pii:
        return "left as it is"
    return f"masked ({', '.join(brief.pii_kinds) or 'every known kind'})"


def _length(span: LengthRange) -> str:
    return f"{_interval(span.low, span.high)} {span.unit}"


def _number(span: NumberRange) -> str:
    return f"{span.field} {_interval(span.low, span.high)}"


def _interval(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"from {low:,} to {high:,}"
    return f"at least {low:,}" if low is not None else f"at most {high:,}"


def _balance(balance: Balance) -> str:
    words = [balance.method.replace("_", " "), f"by {balance.field}" if balance.field else ""]
    words += [f"{name} x{weight:g}" for name, weight in sorted(balance.weights.items())]
    words.append(f"at most {balance.cap:,} each" if balance.cap else "")
    words.append(f"all above {balance.keep_above:g}" if balance.keep_above is not None else "")
    return ", ".join(word for word in words if word)


def _limits(brief: Brief) -> str:
    budgets = brief.budgets
    parts = [f"{budgets.minutes:g} minutes"] if budgets.minutes is not None else []
    parts += [f"${budgets.cost_usd:g}"] if budgets.cost_usd is not None else []
    parts += [f"{budgets.tokens:,} model tokens"] if budgets.tokens is not None else []
    return ", ".join([*parts, f"{budgets.iterations} turns"])
