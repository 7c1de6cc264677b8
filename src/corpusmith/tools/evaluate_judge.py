"""A judge in an evaluation: a chat model grades the candidate's answers beside the base's, or beside the references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from corpusmith.core.errors import PreconditionError
from corpusmith.core.gates import Metric
from corpusmith.core.judgements import JudgeItem
from corpusmith.models.chat_model import ChatModel
from corpusmith.models.judge import Judge
from corpusmith.ops.grading.judged import judge_metrics
from corpusmith.tools.evaluate_grades import Bools
from corpusmith.tools.evaluate_rows import JudgedRows

JUDGE_FILE = "judge.json"


@dataclass(frozen=True)
class JudgeWish:
    """A judge that was asked for: the chat model, and the rows it sees at most."""

    chat: ChatModel
    rows: int


@dataclass(frozen=True)
class Judged:
    """What the judge said, as metrics, as the record of its run, and as what there is to say."""

    metrics: dict[str, Metric]
    record: dict[str, Any]
    notes: tuple[str, ...]


def chat_in(services: Mapping[str, Any]) -> ChatModel:
    """The chat model among a context's services.

    Raises:
        PreconditionError: There is none.
    """
    opening = services.get("chat")
    if opening is None:
        raise PreconditionError(
            "evaluate: a judge is asked for, and no chat model is at hand",
            hint="Name one in CORPUSMITH_MODEL, as provider:name.",
        )
    chat: ChatModel = opening()
    return chat


def ask_judge(
    wish: JudgeWish,
    rows: JudgedRows,
    answers: Mapping[str, str],
    others: Mapping[str, str] | None,
    counted: Bools,
    samples: int,
    seed: int,
) -> Judged:
    """Let the judge grade rows.

    Args:
        wish: The judge.
        rows: What was asked, and the references.
        answers: Row id to answer of the candidate.
        others: The same of the base; None = the references stand beside them.
        counted: Rows that every model could read; the first that were answered are judged.
        samples: Resamples of the intervals.
        seed: Of the resamples.

    Raises:
        BudgetExceeded, Cancelled: The budget of the chat model is spent, or the run was stopped.
    """
    places = [at for at, counts in enumerate(counted.tolist()) if counts and rows.ids[at] in answers][: wish.rows]
    items = [
        JudgeItem(
            task=rows.prompts[at],
            answer=answers[rows.ids[at]],
            other=rows.references[at] if others is None else others[rows.ids[at]],
            reference=None if others is None else rows.references[at],
        )
        for at in places
    ]
    run = Judge(wish.chat).judge(items)
    found = judge_metrics(run.rows, samples=samples, seed=seed)
    notes = [f"{run.model} judged {len(items)} rows beside {'the references' if others is None else 'the base'}"]
    if found.unjudged.value:
        notes.append(f"{found.unjudged.value:.0%} of these rows were not judged")
    if run.stopped:
        notes.append(f"the judge stopped: {run.stopped}")
    record = {
        **run.model_dump(mode="json"),
        "row_ids": [rows.ids[at] for at in places],
        "gain": {name: metric.model_dump(mode="json") for name, metric in found.gain.items()},
        "position_bias": {name: metric.model_dump(mode="json") for name, metric in found.position_bias.items()},
        "won": found.won.model_dump(mode="json"),
        "lost": found.lost.model_dump(mode="json"),
        "unjudged": found.unjudged.model_dump(mode="json"),
    }
    return Judged(dict(found.scorecard()), record, tuple(notes))
