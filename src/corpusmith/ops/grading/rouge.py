"""ROUGE-1, -2, -L and -Lsum (Lin 2004), F measure, by `rouge-score`, the port of ROUGE-1.5.5 that papers report.

Without stemming, the default of the package and of Hugging Face's evaluate. The words are ours (`UnicodeWords`: the
package's own drop every letter outside a-z, and so score an answer in Russian 0), as is the split into sentences that
Lsum needs (`sentences`; the package's own wants a model from the network).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from corpusmith.ops.grading.extra import need_grading_libraries

Floats = npt.NDArray[np.float64]

ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+"
)
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9])|(?<=[。！？])")


class UnicodeWords:
    """Splits a text into lower-case words of letters and digits; on ASCII text as rouge-score does.

    Han and kana characters, which are written without spaces, are a word each.
    """

    def tokenize(self, text: str) -> list[str]:
        """The words in order."""
        return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def sentences(text: str) -> str:
    """The text with each sentence on a line of its own, as ROUGE-Lsum wants it."""
    return "\n".join(part.strip() for part in _SENTENCE_END.sub("\n", text).splitlines() if part.strip())


def rouge_scores(references: Sequence[str], answers: Sequence[str]) -> dict[str, Floats]:
    """F measures of each answer against its reference.

    Args:
        references: n texts.
        answers: n texts of a model.

    Returns:
        For each of `rouge1`, `rouge2`, `rougeL`, `rougeLsum` a float64[n] in 0-1; 0 where either text has no word.

    Raises:
        PreconditionError: rouge-score is not installed.
    """
    need_grading_libraries("rouge_score")
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(list(ROUGE), tokenizer=UnicodeWords())
    out = {name: np.zeros(len(references)) for name in ROUGE}
    for row, (reference, answer) in enumerate(zip(references, answers, strict=True)):
        scores = scorer.score(sentences(reference), sentences(answer))
        for name in ROUGE:
            out[name][row] = scores[name].fmeasure
    return out
