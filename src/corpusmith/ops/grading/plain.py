"""What can be answered without a language model: the baselines a fine-tuned model must beat on labels and numbers.

    constant   the most frequent label of the training rows (the first in order of several), the mean of their numbers
    length     logistic regression or ridge on the length of the text, in characters and words, on a log scale
    tfidf      logistic regression or ridge on TF-IDF of words and pairs of words
    nearest    the target of the training row with the highest TF-IDF cosine, the first of several

Where a baseline cannot be fitted (one label, no words) it answers with the constant. The answers are text, so that they
are graded as a model's are.
"""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from corpusmith.core.errors import ParameterError
from corpusmith.ops.grading.answers import numeric_answer, words
from corpusmith.ops.grading.extra import need_grading_libraries
from corpusmith.ops.grading.labels import label_set

PLAIN = ("constant", "length", "tfidf", "nearest")
MOST_ROWS = 10_000
"""Most training rows fitted on; of more a seeded sample is taken."""
MOST_WORDS = 50_000
CELLS = 2_000_000
"""Most similarities held at once: 16 MB."""

Array = npt.NDArray[Any]


def plain_baselines(
    task: Literal["label", "number"],
    train_texts: Sequence[str],
    train_targets: Sequence[str],
    test_texts: Sequence[str],
    seed: int = 0,
) -> dict[str, list[str]]:
    """Answers of the plain baselines.

    Args:
        task: Whether the targets are labels or numbers.
        train_texts: What the model is asked, of the training rows.
        train_targets: Their references. Where a number is asked for, rows without one are left out.
        test_texts: What the model is asked, of the evaluation rows.
        seed: Of the sample of training rows, where there are more than 10,000.

    Returns:
        For each name of `PLAIN` an answer a test row.

    Raises:
        ParameterError: No training row has a target that can be used.
        PreconditionError: scikit-learn is not installed.
    """
    need_grading_libraries("sklearn")
    texts, targets = _usable(task, train_texts, train_targets, seed)
    if not test_texts:
        return {name: [] for name in PLAIN}
    constant = _constant(task, targets)
    fitted = {
        "length": _fit(task, _lengths(texts), targets, _lengths(test_texts), constant),
        "tfidf": _tfidf_fit(task, texts, targets, test_texts, constant),
        "nearest": _nearest(texts, targets, test_texts, constant),
    }
    answers = {"constant": np.full(len(test_texts), constant, dtype=targets.dtype), **fitted}
    return {name: [_said(value) for value in answers[name].tolist()] for name in PLAIN}


def _usable(task: str, texts: Sequence[str], targets: Sequence[str], seed: int) -> tuple[list[str], Array]:
    """Training texts and their targets: labels in one spelling, or numbers."""
    values: list[str | float | None]
    if task == "label":
        spelling = {words(label): label for label in label_set(targets)}
        values = [spelling[words(target)] for target in targets]
    else:
        values = [numeric_answer(target) for target in targets]
    rows = [(text, value) for text, value in zip(texts, values, strict=True) if value is not None]
    if not rows:
        raise ParameterError(f"no training row has a {task} to learn from", hint="Name the right column and task.")
    if len(rows) > MOST_ROWS:
        drawn = np.sort(np.random.default_rng(seed).choice(len(rows), MOST_ROWS, replace=False))
        rows = [rows[place] for place in drawn]
    kept = [value for _, value in rows]
    return [text for text, _ in rows], np.array(kept, dtype=object if task == "label" else np.float64)


def _constant(task: str, targets: Array) -> Any:
    if task == "number":
        return float(targets.mean())
    counts = Counter(targets.tolist())
    return min(counts, key=lambda label: (-counts[label], label))


def _said(value: Any) -> str:
    return value if isinstance(value, str) else repr(float(value))


def _lengths(texts: Sequence[str]) -> Array:
    sizes = [(math.log1p(len(text)), math.log1p(len(text.split()))) for text in texts]
    return np.array(sizes, dtype=np.float64).reshape(len(texts), 2)


def _tfidf_fit(task: str, texts: list[str], targets: Array, test_texts: Sequence[str], constant: Any) -> Array:
    features = _tfidf(texts, test_texts, pairs=True)
    if features is None:
        return np.full(len(test_texts), constant, dtype=targets.dtype)
    return _fit(task, features[0], targets, features[1], constant)


def _tfidf(texts: list[str], test_texts: Sequence[str], *, pairs: bool) -> tuple[Any, Any] | None:
    """Sparse TF-IDF rows, each of length 1 or 0; None when the training texts have no word."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not any(re.search(r"\w", text) for text in texts):
        return None
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2 if pairs else 1),
        token_pattern=r"(?u)\b\w+\b",  # noqa: S106 - words of one letter too
        max_features=MOST_WORDS,
        sublinear_tf=True,
    )
    return vectorizer.fit_transform(texts), vectorizer.transform(test_texts)


def _fit(task: str, known: Any, targets: Array, asked: Any, constant: Any) -> Array:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(set(targets.tolist())) < 2:
        return np.full(asked.shape[0], constant, dtype=targets.dtype)
    model: Any = LogisticRegression(max_iter=1_000) if task == "label" else Ridge()
    if isinstance(known, np.ndarray):
        model = make_pipeline(StandardScaler(), model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(known, targets)
    return np.asarray(model.predict(asked))


def _nearest(texts: list[str], targets: Array, test_texts: Sequence[str], constant: Any) -> Array:
    out = np.full(len(test_texts), constant, dtype=targets.dtype)
    features = _tfidf(texts, test_texts, pairs=False)
    if features is None:
        return out
    known, asked = features[0].T.tocsc(), features[1]
    step = max(1, CELLS // len(texts))
    for begin in range(0, len(test_texts), step):
        likeness = (asked[begin : begin + step] @ known).toarray()
        best = likeness.argmax(axis=1)
        near = likeness[np.arange(len(best)), best] > 0.0
        out[begin : begin + step][near] = targets[best[near]]
    return out
