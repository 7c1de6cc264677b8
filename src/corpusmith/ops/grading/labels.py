"""Which label an answer names, and how often it is the right one.

Labels are those of the references, compared as `answers.words` writes them, so `Yes.` and `yes` are one label. An
answer names a label by the first of these rules that finds one:

    1. the whole answer is a label
    2. the answer's first line that has words holds exactly one label, as whole words
    3. the whole answer holds exactly one label, as whole words

Where labels overlap the longest counts (`not spam` is no `spam`). A label of one letter must stand in its own case, or
every `a` would be the label `A`. An answer that holds several labels, or none, names none: it is wrong in accuracy, a
miss of its reference in F1, and counted as unparsable.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from corpusmith.ops.grading.answers import words

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LabelGrades:
    """Labels of n rows.

    Attributes:
        labels: The labels, in the order of their codes.
        references: float64[n], codes of the references.
        answers: float64[n], codes of the answers, -1 where an answer names no label.
    """

    labels: tuple[str, ...]
    references: Floats
    answers: Floats

    @property
    def correct(self) -> Floats:
        """float64[n], 1 where the answer is right; its mean is the accuracy."""
        return np.equal(self.references, self.answers).astype(np.float64)

    @property
    def unparsable(self) -> Floats:
        """float64[n], 1 where the answer names no label; its mean is the unparsable rate."""
        return np.less(self.answers, 0).astype(np.float64)

    @property
    def columns(self) -> tuple[Floats, Floats]:
        """What the statistic `f1_macro` of `bootstrap` reads."""
        return self.references, self.answers


def label_set(references: Sequence[str]) -> tuple[str, ...]:
    """The distinct labels, sorted; of several spellings of one label the first in that order."""
    found: dict[str, str] = {}
    for label in sorted(set(references)):
        found.setdefault(words(label), label.strip())
    return tuple(found.values())


def find_label(text: str, labels: Sequence[str]) -> str | None:
    """The label that an answer names, by the rules above; None when it names none.

    Args:
        text: The answer.
        labels: From `label_set`.
    """
    finder = _finder(tuple(labels))
    whole = finder.by_words.get(words(text))
    if whole is not None:
        return whole
    first = next((line for line in text.splitlines() if words(line)), "")
    found = finder.within(first) or finder.within(text)
    return next(iter(found)) if len(found) == 1 else None


def grade_labels(references: Sequence[str], answers: Sequence[str], labels: Sequence[str] | None = None) -> LabelGrades:
    """Compare answers with the labels of their references.

    Args:
        references: n labels.
        answers: n texts of a model.
        labels: The labels an answer may name, from `label_set`; those of the references when None.
    """
    if len(references) != len(answers):
        raise ValueError(f"{len(references)} references, {len(answers)} answers")
    known = label_set([*(labels or ()), *references])
    codes = {words(label): float(code) for code, label in enumerate(known)}
    named = [find_label(answer, known) for answer in answers]
    return LabelGrades(
        labels=known,
        references=np.array([codes[words(label)] for label in references], dtype=np.float64),
        answers=np.array([-1.0 if label is None else codes[words(label)] for label in named], dtype=np.float64),
    )


def f1_macro(references: Sequence[str], answers: Sequence[str]) -> float:
    """F1 averaged over the labels of the references, each label counting the same; NaN without rows."""
    grades = grade_labels(references, answers)
    return float(f1_of_codes(*grades.columns)) if len(references) else float("nan")


def f1_of_codes(references: Floats, answers: Floats) -> Floats:
    """Macro F1 over the last axis: the mean over the labels that occur among the references of 2 TP / (2 TP + FP + FN).

    Args:
        references: float64[..., n], codes from 0.
        answers: float64[..., n], codes, -1 for none.
    """
    shape = references.shape[:-1]
    right, given = (np.atleast_2d(codes).astype(np.int64) for codes in (references, answers))
    many = 1 + max(int(right.max()), int(given.max()), 0)
    hits = _counts(np.where(right == given, right, -1), many)
    wanted, named = _counts(right, many), _counts(given, many)
    occurs = wanted > 0
    f1 = np.where(occurs, 2.0 * hits / np.maximum(wanted + named, 1), 0.0)
    return np.asarray((f1.sum(axis=-1) / occurs.sum(axis=-1)).reshape(shape))


def _counts(codes: npt.NDArray[np.int64], many: int) -> npt.NDArray[np.int64]:
    """How often each code from 0 to many - 1 stands in each row of a matrix; -1 is left out."""
    rows = np.arange(len(codes))[:, None] * (many + 1)
    flat = np.bincount((rows + codes + 1).ravel(), minlength=len(codes) * (many + 1))
    return flat.reshape(len(codes), many + 1)[:, 1:]


@dataclass(frozen=True)
class _Finder:
    by_words: dict[str, str]
    by_letter: dict[str, str]
    pattern: re.Pattern[str]
    letters: re.Pattern[str] | None

    def within(self, text: str) -> set[str]:
        """The labels that stand in a text as whole words."""
        found = {self.by_words[match] for match in self.pattern.findall(words(text))}
        if self.letters is not None:
            found |= {self.by_letter[match] for match in self.letters.findall(words(text, lower=False))}
        return found


@lru_cache(maxsize=16)
def _finder(labels: tuple[str, ...]) -> _Finder:
    by_words = {words(label): label for label in labels}
    letters = {words(label, lower=False): label for label in labels if len(words(label)) == 1 and label.isalpha()}
    longer = [key for key, label in by_words.items() if label not in letters.values()]
    return _Finder(by_words, letters, _whole_words(longer), _whole_words(list(letters)) if letters else None)


def _whole_words(keys: list[str]) -> re.Pattern[str]:
    one_of = "|".join(re.escape(key) for key in sorted(keys, key=lambda key: (-len(key), key)) if key)
    return re.compile(rf"(?<!\S)(?:{one_of})(?!\S)" if one_of else r"(?!)")
