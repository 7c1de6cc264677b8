"""Spelling: a word one slip away from a word of the rules is read as that word, and the brief says so.

Damerau-Levenshtein distance (optimal string alignment) of 1, or 2 from ten letters on; the first letter must agree;
five-letter words only for two swapped letters. Words that are right as they stand are never touched.
"""

from __future__ import annotations

_VOCABULARY_WORDS = """
    aggressive alpaca anonymise anonymize articles balance balanced between boilerplate category categories
    characters clean column contamination corpus dataset decontaminate decontaminated dedupe deduped deduplicate
    deduplicated deduplication documents duplicate duplicates emails english examples exactly filtering format
    french german hugging instruction instructions language languages length lowercase maximum messages minimum
    minutes million oversampling parquet percent personal phone preference quality question remove removing
    retention sharegpt similarity spanish split splits stratified strict template test tokens train training
    undersampling validation weighted windows without words
"""
_VOCABULARY = frozenset(_VOCABULARY_WORDS.split())
_RIGHT_WORDS = """
    remote removal removed removes trains trained trainer testing tested dedup token document example instruct
    qualify qualities character person personally persons formats formatted formal former windowed word phones
    email languish spilt balances strictly lengths preferences trail brain questions parent patent persona
    personas column columns clear cleans cleaned cleaning clan article messages message words works swords
    million millions splitting test text texts next list tasks stratify duplicated deduplicating instructed
    aggressively weight weights
"""
_RIGHT = frozenset(_RIGHT_WORDS.split())


def corrected(word: str) -> str | None:
    """The word of the rules that lower-case `word` misspells, or None when it is right or unknown."""
    if len(word) < 5 or word in _VOCABULARY or word in _RIGHT or not word.isalpha():
        return None
    reach = 2 if len(word) >= 10 else 1
    near = [
        (_distance(word, known), known)
        for known in sorted(_VOCABULARY)
        if known[0] == word[0] and abs(len(known) - len(word)) <= reach and not _inflected(word, known)
    ]
    distance, known = min(near, default=(99, ""))
    if distance > reach or (len(word) == 5 and sorted(word) != sorted(known)):
        return None
    return known


def _inflected(word: str, known: str) -> bool:
    long, short = (word, known) if len(word) > len(known) else (known, word)
    return long.startswith(short) and long[len(short) :] in ("s", "d", "r", "ed", "er", "ly")


def _distance(left: str, right: str) -> int:
    """Optimal string alignment distance: inserts, deletes, replacements, swaps of neighbours."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        older, before, row = before, row, [i]
        for j, b in enumerate(right, 1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if older and i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                best = min(best, older[j - 2] + 1)
            row.append(best)
    return row[-1]
