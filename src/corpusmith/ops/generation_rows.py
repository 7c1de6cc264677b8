"""Candidates as rows: worded instructions, preference pairs by corruption, and what keeps them apart across rows.

A preference pair's `chosen` is the verbatim answer; its `rejected` is a corruption: another section of the same
document (off the topic), or the answer cut off in the middle of a sentence. Both teach to stay on the topic and to
finish, and no more than that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
import xxhash

from corpusmith.core.rows import ROW_ID, TEXT, meta_values, set_column
from corpusmith.ops.generation import DEFAULT_TEMPLATES, Candidate, Limits, QaTemplate, candidates, choose, title_of
from corpusmith.ops.generation_blocks import parse_blocks
from corpusmith.ops.generation_phrases import IN_TITLE, PHRASES

PAIRS = "_pairs"
TITLE_PATHS = ("title", "Title", "content.Title", "content.title", "headline", "name", "subject")
Pairing = Literal["instruction", "preference"]
_LEAST_REJECTED = 20


@dataclass(frozen=True)
class Pair:
    """One pair made out of a row. `rejected` (its span, and how it was made) is for preference pairs only."""

    template: str
    instruction: str
    begin: int
    end: int
    fallback: str = ""
    rejected: tuple[int, int] | None = None
    corruption: str = ""


@dataclass(frozen=True)
class FindPairs:
    """Row operator that adds `_pairs` (JSON): the pairs each row makes, in order of their answers' places.

    Attributes:
        seed: Seed of wordings and corruptions.
        kind: instruction or preference.
        most: Most pairs per row.
        limits: Bounds on the answers.
        templates: Templates in order of preference.
        title_field: Dotted path of the title; None = the usual names, then the first heading.
        phrases: Wordings that replace the built-in ones, as (template, wordings).
    """

    seed: int
    kind: Pairing = "instruction"
    most: int = 4
    limits: Limits = field(default_factory=Limits)
    templates: tuple[QaTemplate, ...] = DEFAULT_TEMPLATES
    title_field: str | None = None
    phrases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    name: str = "find_pairs"

    def apply(self, batch: pa.Table) -> pa.Table:
        """Add the column."""
        paths = (self.title_field,) if self.title_field else TITLE_PATHS
        given = [meta_values(batch, path) for path in paths]
        out = []
        for at, (row_id, text) in enumerate(
            zip(batch.column(ROW_ID).to_pylist(), batch.column(TEXT).to_pylist(), strict=True)
        ):
            title = next(
                (str(values[at]) for values in given if isinstance(values[at], str) and values[at].strip()), ""
            )
            pairs = self.pairs(row_id, text or "", title)
            out.append(json.dumps([pair.__dict__ for pair in pairs], ensure_ascii=False))
        return set_column(batch, PAIRS, pa.array(out, pa.large_string()))

    def pairs(self, row_id: str, text: str, title: str) -> list[Pair]:
        """The pairs one row makes."""
        blocks = parse_blocks(text)
        title = title_of(blocks, title)
        found = candidates(text, blocks, title, self.limits, self.templates)
        found = [one for one in found if title or not one.vague]
        chosen = choose(found, self.most, self.templates)
        pairs = [self._worded(row_id, at, one, title) for at, one in enumerate(chosen)]
        if self.kind == "instruction":
            return pairs
        made = [self._corrupted(row_id, at, pair, found, text) for at, pair in enumerate(pairs)]
        return [pair for pair in made if pair is not None]

    def _worded(self, row_id: str, at: int, one: Candidate, title: str) -> Pair:
        own = one.topic
        if one.template != "question":
            wordings = dict(self.phrases).get(one.template) or PHRASES[one.template]
            own = wordings[_hash(self.seed, row_id, at, "wording") % len(wordings)].replace("{topic}", one.topic)
        known = title.casefold() in own.casefold()
        wider = "" if not title or known else IN_TITLE.replace("{title}", title) + own
        return Pair(one.template, wider if one.vague and wider else own, one.begin, one.end, wider)

    def _corrupted(self, row_id: str, at: int, pair: Pair, found: Sequence[Candidate], text: str) -> Pair | None:
        draw = _hash(self.seed, row_id, at, "corruption")
        others = [o for o in found if o.end <= pair.begin or o.begin >= pair.end]
        others = [o for o in others if text[o.begin : o.end].strip() != text[pair.begin : pair.end].strip()]
        if others and draw % 2:
            other = others[(draw >> 8) % len(others)]
            rejected, how = (other.begin, other.end), "wrong_section"
        else:
            end = _cut_off(text, pair.begin, pair.end, 0.3 + 0.3 * ((draw >> 8) % 1000) / 1000)
            if end is None:
                return None
            rejected, how = (pair.begin, end), "truncated"
        return Pair(pair.template, pair.instruction, pair.begin, pair.end, pair.fallback, rejected, how)


def _cut_off(text: str, begin: int, end: int, share: float) -> int | None:
    """A place between two words, about `share` into the span, that ends no sentence; None when there is none."""
    for gap in re.finditer(r"\s+", text[begin + int(share * (end - begin)) : end]):
        at = begin + int(share * (end - begin)) + gap.start()
        if at - begin >= _LEAST_REJECTED and text[at - 1].isalnum():
            return at
    return None


def _hash(seed: int, row_id: str, at: int, salt: str) -> int:
    return xxhash.xxh3_64_intdigest(f"{seed}:{row_id}:{at}:{salt}".encode())


class Seen:
    """Instructions and answers given out so far, as hashes: 16 bytes of data a pair (about 130 in memory)."""

    def __init__(self) -> None:
        self._instructions: set[int] = set()
        self._answers: set[int] = set()

    def admit(self, pair: Pair, answer: str) -> tuple[str, str | None]:
        """The instruction to use, and None; or the rule by which the pair is left out.

        An instruction that stands earlier (case, punctuation and white space aside) is tried again with the document's
        title; an answer that stands earlier is never given out again.
        """
        key = _folded(answer)
        if key in self._answers:
            return pair.instruction, "generate.repeated_answer"
        for instruction in (pair.instruction, pair.fallback):
            if instruction and (asked := _folded(instruction)) not in self._instructions:
                self._instructions.add(asked)
                self._answers.add(key)
                return instruction, None
        return pair.instruction, "generate.repeated_instruction"


def _folded(text: str) -> int:
    return xxhash.xxh3_64_intdigest(" ".join(re.findall(r"\w+", text.casefold())).encode())


def read_pairs(raw: str) -> list[Pair]:
    """The pairs in a `_pairs` cell."""
    return [Pair(**{**one, "rejected": tuple(one["rejected"]) if one["rejected"] else None}) for one in json.loads(raw)]


def pair_meta(meta: str | None, pair: Pair) -> str:
    """The parent's meta with `generated` true and `generated_by`: template, answer's span, corruption."""
    about: dict[str, Any] = json.loads(meta) if meta else {}
    how: Mapping[str, Any] = {"template": pair.template, "chars": [pair.begin, pair.end]}
    if pair.rejected:
        how = {**how, "corruption": pair.corruption, "rejected_chars": list(pair.rejected)}
    return json.dumps({**about, "generated": True, "generated_by": how}, ensure_ascii=False)
