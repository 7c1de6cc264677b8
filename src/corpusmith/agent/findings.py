"""What the data turned out to be: the gates and splits that follow, and sentences about what is wrong with it.

A sentence says what is wanted before a row was read. Whether rows are pairs, whether they came split and whether their
answers can be held against documents is known only now; so the gates that such data needs are added to the brief here,
none that was asked for is touched, and what was measured is said in numbers before anything is done about it.
"""

from __future__ import annotations

from corpusmith.agent.understanding.defaults import MUST, PROSE_METRICS, Row, house_gates, shape_rows
from corpusmith.agent.understanding.model_wish import DRAWN_SPLITS
from corpusmith.core.brief import Brief, Splits
from corpusmith.core.gates import Scorecard
from corpusmith.core.rows import Shape

HOUSE = "house default"
AS_SEEN, FOUND = "brief as seen", "found "
"""Keys of the events that tell of it: of the brief with its gates, and how those of the findings begin."""
KEPT_SPLITS = "splits: those that the data came with; what it lacks of validation and test is drawn from its train"
UNCHECKED = (
    "whether answers are grounded was not checked, for no documents were named ('answers must come from ./articles')"
)


def as_seen(brief: Brief, shape: Shape, card: Scorecard) -> Brief:
    """The brief with the house's gates for what the data turned out to be.

    Args:
        brief: What was asked.
        shape: What a row is.
        card: What was measured on the data as it came in.
    """
    came_split = "split_leak_rate" in card.metrics
    if came_split and DRAWN_SPLITS in brief.assumed:
        assumed = tuple(KEPT_SPLITS if line == DRAWN_SPLITS else line for line in brief.assumed)
        brief = brief.model_copy(update={"splits": Splits(), "assumed": assumed})
    gates = brief.gates
    rows: list[Row] = []
    if shape is not Shape.TEXT and brief.output.shape is Shape.TEXT:
        gates = tuple(g for g in gates if not (g.metric in PROSE_METRICS and g.why.startswith(HOUSE)))
        rows += shape_rows(shape)
    if brief.splits.train >= 1 and came_split:
        rows.append(("split_leak_rate", "<=", 0.0, MUST, "the data came split, and near-duplicates straddle no split"))
    if "instruction_leak_rate" in card.metrics:
        why = "the data came split, and a test whose question was trained on tests memory"
        rows.append(("instruction_leak_rate", "<=", 0.0, MUST, why))
    told = {gate.metric for gate in gates}
    return brief.model_copy(update={"gates": (*gates, *house_gates([row for row in rows if row[0] not in told]))})


def findings(brief: Brief, shape: Shape, card: Scorecard) -> list[tuple[str, str]]:
    """What is wrong with the data as it came in, as (metric, sentence); what could not be looked at is said too.

    Args:
        brief: What was asked.
        shape: What a row is.
        card: What was measured on the data as it came in.
    """
    out = []
    for metric, sentence in _SENTENCES.items():
        found = card.metrics.get(metric)
        hits = 0 if found is None else round(found.value * found.n)
        if found is not None and hits:
            out.append((metric, sentence.format(hits=f"{hits:,}", n=f"{found.n:,}", docs=", ".join(brief.grounded_in))))
    if shape is not Shape.TEXT and not brief.grounded_in:
        out.append(("ungrounded_rate", UNCHECKED))
    elif shape is not Shape.TEXT and "ungrounded_rate" not in card.metrics:
        out.append(("ungrounded_rate", "no answer is long enough to be held against the documents"))
    return out


_SENTENCES = {
    "instruction_leak_rate": "leak: of {n} rows outside train, {hits} have an instruction that stands in train too",
    "split_leak_rate": "leak: of {n} rows outside train, {hits} are copies of a row in train",
    "repeated_instruction_rate": "repeated: of {n} rows, {hits} have an instruction that stands in an earlier row",
    "empty_response_rate": "empty: of {n} rows, {hits} have no answer",
    "identical_pair_rate": "identical: of {n} rows, {hits} have the same text as chosen and as rejected",
    "ungrounded_rate": "ungrounded: of {n} answers, {hits} are not supported by {docs}",
}
"""In the order they are said."""
