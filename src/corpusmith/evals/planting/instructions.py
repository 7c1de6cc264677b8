"""The instruction profile: questions about Python's modules, answered verbatim, with what goes wrong in such sets.

Leaks are copies of training rows in `test.jsonl`; a repeated prompt has an answer of its own; an empty response is
empty or white space; an evaluation item stands as the instruction, with its answer as the output.
"""

from __future__ import annotations

from collections.abc import Callable

from corpusmith.evals.planting import copies
from corpusmith.evals.planting.assemble import Assembly
from corpusmith.evals.planting.draft import Draft
from corpusmith.evals.planting.prose import jaccard

TRAIN, TEST = "train.jsonl", "test.jsonl"
_QUESTIONS = (
    "What does the documentation of {title} say in the part that begins with '{start}'?",
    "Explain {title}: continue the passage '{start}' as its manual does.",
    "I am reading about {title} and stopped at '{start}'. Give me the whole passage.",
    "Quote what the authors of {title} wrote after '{start}'.",
    "Summarise nothing; recite the text on {title} starting with '{start}'.",
)


class InstructionAssembly(Assembly):
    """Rows with `instruction`, `input` and `output`; a draft's `text` is its output until `run` renders it."""

    def run(self) -> list[Draft]:
        """Every row, with its three columns; `text` is the non-empty ones joined by a blank line."""
        super().run()
        for number, draft in enumerate(self.drafts):
            if not draft.columns:
                draft.columns = self._columns(draft, number)
        for draft in self.drafts:
            draft.text = "\n\n".join(part for part in draft.columns.values() if part)
        for draft in self.drafts:
            if draft.of is not None and draft.kind != "exact_copy":
                draft.jaccard = round(jaccard(draft.text, draft.of.text), 4)
        self.drafts = [draft for draft in self.drafts if _is_clear(draft)]
        return self.drafts

    def _makers(self) -> dict[str, Callable[[int], Draft | None]]:
        makers = super()._makers()
        return {
            **{kind: makers[kind] for kind in ("pii", "truncated", "eval_item", "order")},
            "empty_response": self._empty_response,
            "leak": self._leak,
            "repeated_prompt": self._repeated_prompt,
            **{kind: makers[kind] for kind in ("near_copy", "distant_copy", "exact_copy")},
        }

    def _columns(self, draft: Draft, number: int) -> dict[str, str]:
        if draft.of is not None and draft.kind != "distant_copy":
            if not draft.of.columns:
                draft.of.columns = self._columns(draft.of, number)
            return {**draft.of.columns, "output": draft.text}
        start = " ".join(draft.text.split()[:7])
        question = _QUESTIONS[number % len(_QUESTIONS)].format(title=draft.title, start=start)
        return {"instruction": question, "input": "", "output": draft.text}

    def _eval_item(self, number: int) -> Draft:
        draft = super()._eval_item(number)
        answer = self.items[draft.item or 0].answer
        if draft.edit == "embedded":
            instruction, given = f"Read sheet {number} and answer the question that it holds.", draft.text
        else:
            instruction, given = draft.text, ""
        draft.columns = {"instruction": instruction, "input": given, "output": answer}
        return draft

    def _empty_response(self, number: int) -> Draft:
        draft = self._good("empty_response")
        draft.removable = True
        columns = self._columns(draft, number)
        draft.columns = {**columns, "output": ("", "  ", "\n")[number % 3]}
        return draft

    def _leak(self, number: int) -> Draft | None:
        if number % 2 == 0 and self._origins:
            draft: Draft | None = self._copy_of(self._origins.pop(), copies.EXACT_EDITS[number // 2 % 3])
        else:
            draft = self._edited("near_copy", *copies.NEAR_EDITS[number // 2 % len(copies.NEAR_EDITS)])
        if draft is None or draft.of is None:
            return None
        draft.kind, draft.home, draft.of.home = "leak", TEST, TRAIN
        return draft

    def _repeated_prompt(self, _number: int) -> Draft | None:
        if not self._origins:
            return None
        draft = self._good("repeated_prompt")
        draft.removable, draft.of = True, self._origins.pop()
        return draft


def _is_clear(draft: Draft) -> bool:
    """Whether a copy, question and answer together, is still as near or as distant as it was made to be."""
    if draft.kind == "distant_copy":
        return (draft.jaccard or 0) <= copies.DISTANT
    return draft.kind not in {"near_copy", "leak"} or (draft.jaccard or 0) >= copies.NEAR
