"""Rows that the model is to answer in the end: `let the model answer every row of ./questions.jsonl`."""

from __future__ import annotations

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.model_words import MODEL_IT, wants_model
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import PATH

_ROWS = (
    r"(?:(?:every|each|all|the) )*(?:(?:of )?(?:the )?(?:rows?|lines?|questions?|prompts?|records?|examples?|tickets?) "
    r")?(?:of|in|from)? ?"
)
_ORDERS = (
    rf"\b(?:and |then |finally )*(?:let|have|make) (?:{MODEL_IT}|it) (?:answer|respond to|reply to|label|complete) "
    rf"{_ROWS}(?P<path>{PATH})",
    rf"\b(?:and |then |finally )*(?:answer|respond to|reply to) {_ROWS}(?P<path>{PATH})(?: with (?:{MODEL_IT}|it))?",
    rf"\b(?:and |then |finally )*(?:run|use) (?:{MODEL_IT}|it) (?:on|over) {_ROWS}(?P<path>{PATH})",
    rf"\b(?:and |then |finally )*(?:run )?(?:batch )?inference (?:with it )?(?:on|over) {_ROWS}(?P<path>{PATH})",
)
BY_HAND = "a model that is there answers with `corpusmith tool run infer --data model=NAME --data DATASET`"


def read_answering(scan: Scan, draft: Draft) -> None:
    """One set of rows to be answered by the model of this run; runs once it is known whether there is to be one."""
    for pattern in _ORDERS:
        for match in scan.find(pattern):
            at, path = match.start(), scan.path(match.group("path"))
            if not wants_model(draft):
                draft.leave(at, scan.take(match, counts=False).removeprefix("and "), BY_HAND)
            elif draft.has("answers_for"):
                draft.leave(
                    at, scan.take(match, counts=False).removeprefix("and "), "one set of rows is answered in a run"
                )
            else:
                draft.claim("answers_for", path, at, scan.take(match))
