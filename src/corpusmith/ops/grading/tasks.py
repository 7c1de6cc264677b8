"""What the references of a data set ask for, and so which metrics can be measured on it.

    number    every reference is a bare number (`12`, `-3.5`, `$1,200`, `40 %`), and more than two are different
    label     every reference is short (one line, at most 5 words), at most 100 are different, and each of those occurs
              twice on average
    answers   anything else

The rules are tried in this order. Class ids 0 to 9 come out as numbers; a caller who knows better says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from corpusmith.ops.grading.answers import MARK, numeric_answer, words

Task = Literal["answers", "label", "number"]

MOST_LABELS = 100
MOST_WORDS = 5
_BARE = re.compile(r"[-+−]?\s?[$€£¥]?\s?[-−]?(?:\d[\d,]*)?(?:\.\d+)?\s?[%$€£¥]?\.?")


def task_of(references: Sequence[str]) -> Task:
    """What a set of references asks for, by the rules above; `answers` when there are none.

    Args:
        references: The references of the evaluation set; with those of the training set the rules see more.
    """
    given = [reference.strip() for reference in references]
    if not given or not all(given):
        return "answers"
    if all(is_number(reference) for reference in given) and len({numeric_answer(one) for one in given}) > 2:
        return "number"
    different = {words(reference) for reference in given}
    short = all("\n" not in one and len(one.split()) <= MOST_WORDS for one in given)
    if short and len(different) <= MOST_LABELS and 2 * len(different) <= len(given):
        return "label"
    return "answers"


def is_number(text: str) -> bool:
    """Whether a text is a number and nothing else besides a sign, a currency or a per cent sign."""
    return _BARE.fullmatch(text.strip()) is not None and numeric_answer(text) is not None


def have_numbers(references: Sequence[str]) -> bool:
    """Whether `numeric_match` can be measured: each reference is a bare number or marks one by `####`."""
    return bool(references) and all(
        is_number(reference) or (MARK in reference and numeric_answer(reference.partition(MARK)[2]) is not None)
        for reference in references
    )
