"""Instruction pairs out of documents without a model: the question is built or found, the answer is verbatim.

Heading pairs, questions the text itself asks, definitions, lists, documented functions: what writers mark as belonging
together. Every answer is one span of its own row, made of whole blocks (or one whole definition), so it cannot claim
what the source does not say; and a span of prose must begin and end as sentences do. In the spirit of pattern mining
(AdaptLLM, Cheng et al. 2024) rather than of model-written instructions, whose answers need checking.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from corpusmith.ops.generation_blocks import Block, clean_title
from corpusmith.ops.generation_phrases import SKIPPED, VAGUE

QaTemplate = Literal[
    "question", "heading", "how_to", "definition", "definitions", "term", "list", "function", "opening", "continuation"
]
DEFAULT_TEMPLATES: tuple[QaTemplate, ...] = (
    "question",
    "how_to",
    "definition",
    "definitions",
    "heading",
    "list",
    "term",
    "function",
    "opening",
)
"""In order of preference. `continuation` is left out by default: any prose makes them, but they ask nothing."""

_ASKS = "what|how|why|when|which|who|whom|whose|where|is|are|was|were|can|could|do|does|did|should|would|will|has|have"
_QUESTION = re.compile(rf"(?:so,? |but |and |now,? )?(?:{_ASKS})\b[^?\n]{{8,180}}\?", re.IGNORECASE)
_PERSONAL = re.compile(r"\b(?:this|that|these|those|it|its|here|above|below|me|my|following)\b", re.IGNORECASE)
_TEASER = re.compile(
    r"(?:so,? |but |and |now,? )?(?:are|do|did|have|would|can|could|will) (?:you|we|i)\b", re.IGNORECASE
)
_DEFINITION = re.compile(
    r"(?:(?:An?|The) )?((?:[*_`]{0,3})[A-Z][^\s,.:;!?()]{0,40}(?: [^\s,.:;!?()]{1,40}){0,5}?(?: \([^()\n]{1,30}\))?)"
    r" (is|are)(?: essentially| basically| simply| also)? (?:an?|the|one of|used|responsible|defined as)\s"
)
_NO_TERM = re.compile(
    r"(?:it|this|that|these|those|they|there|here|he|she|we|you|i|what|which|who|one|another|first|second|third|next|last|"
    r"each|all|some|most|both|the|an?|so|but|and|if|when|as|now|our|your|my|its|their|his|her|such|other|others|today)\b",
    re.IGNORECASE,
)
_ADVERB = re.compile(r"\b(?:now|still|not|never|just|only|also|therefore|however|then)\b", re.IGNORECASE)
_TERM_ITEM = re.compile(
    r"^[ \t]*(?:[*+•–-]|\d{1,3}[.)])[ \t]+(?:\*\*|__|`)([^*_`\n]{2,60})(?:\*\*|__|`)[ \t]*[:–—-][ \t]*",
    re.MULTILINE,
)
_NEXT_ITEM = re.compile(r"\n[ \t]*(?:[*+•–-]|\d{1,3}[.)])[ \t]+\S")
_PYTHON = re.compile(
    r"^[ \t]*(?:async )?def[ \t]+(\w+\([^\n]{0,160}?\))(?:[ \t]*->[^\n:]{1,60})?:[ \t]*\n"
    r"[ \t]+[rR]?(\"\"\"|''')\s*",
    re.MULTILINE,
)
_WORD = re.compile(r"\w+")
_END = re.compile(r"[.!…。！]['\"”’»)\]*_`]*$")


@dataclass(frozen=True)
class Limits:
    """Bounds on answers, in characters."""

    least: int = 60
    most: int = 2000


@dataclass(frozen=True)
class Candidate:
    """A pair that could be made: what to ask about, and the answer's span in the row's text.

    `vague` says the topic means nothing without the document's title. For `question` the topic is the instruction.
    """

    template: QaTemplate
    topic: str
    begin: int
    end: int
    vague: bool = False


def title_of(blocks: Sequence[Block], given: str) -> str:
    """The title of a text: the one given, or the heading it opens with.

    A first heading that stands in the given title is preferred to it: what else is in there is the site or the author.

    Args:
        blocks: The text's blocks.
        given: What the row's fields say, "" when nothing.
    """
    given = clean_title(given)[:150]
    tops = [block.title for block in blocks if block.kind == "heading" and block.level == 1 and block.title]
    if given:
        return next((top for top in tops if len(top) >= 8 and top.casefold() in given.casefold()), given)
    first = next((n for n, block in enumerate(blocks) if block.kind == "heading"), 3)
    return tops[0][:150] if tops and first < 3 and blocks[first].title == tops[0] else ""


def reads_whole(text: str, last: str = "paragraph") -> bool:
    """Whether a span begins as a sentence, list or code does, and ends as one; `last` is its last block's kind."""
    first = next((char for char in text if char.isalnum()), "")
    if not first or (first.islower() and text[0] not in "`*+•-"):
        return False
    return last in ("list", "code") or _END.search(text) is not None


def _worth(text: str, limits: Limits) -> bool:
    """Whether a span is long enough and mostly words: link farms and tables answer nothing."""
    if not limits.least <= len(text) <= limits.most:
        return False
    letters = sum(1 for char in text if char.isalpha())
    return letters >= 0.5 * len(text) and text.count("http") <= 1 + len(text) // 400


def candidates(
    text: str, blocks: Sequence[Block], title: str, limits: Limits, templates: Sequence[QaTemplate]
) -> list[Candidate]:
    """Every pair the templates find in a text, in order of the answer's place; may overlap.

    Args:
        text: The row's text.
        blocks: Its blocks (`parse_blocks`).
        title: Its title, "" when it has none.
        limits: Bounds on the answers.
        templates: Templates to use.
    """
    finders = (_sections, _questions, _definitions, _terms, _lists, _functions)
    found = [one for finder in finders for one in finder(text, blocks, limits)]
    found += _opening(text, blocks, title, limits)
    found += _continuations(text, blocks, limits) if "continuation" in templates else []
    wanted = [one for one in found if one.template in templates]
    return sorted(wanted, key=lambda one: (one.begin, one.end, one.template, one.topic))


def choose(found: Sequence[Candidate], most: int, templates: Sequence[QaTemplate]) -> list[Candidate]:
    """At most `most` candidates whose answers overlap by no more than half, taking the templates in turn."""
    queues = {name: [one for one in found if one.template == name] for name in templates}
    chosen: list[Candidate] = []
    while len(chosen) < most and any(queues.values()):
        for name in templates:
            while queues[name] and len(chosen) < most:
                one = queues[name].pop(0)
                if not any(_overlap(one, other) or one.topic == other.topic for other in chosen):
                    chosen.append(one)
                    break
    return sorted(chosen, key=lambda one: (one.begin, one.end))


def _overlap(one: Candidate, other: Candidate) -> bool:
    shared = min(one.end, other.end) - max(one.begin, other.begin)
    return 2 * shared > min(one.end - one.begin, other.end - other.begin)


def _run(text: str, blocks: Sequence[Block], limits: Limits) -> tuple[int, int] | None:
    """The longest run of whole blocks, from the first that begins well, that fits and ends well."""
    start = next((n for n, b in enumerate(blocks) if _opens(text[b.begin : b.end], b.kind)), None)
    if start is None:
        return None
    begin = blocks[start].begin
    near = [block for block in blocks[start:] if block.end - begin <= limits.most]
    for block in reversed(near):
        span = text[begin : block.end]
        if _worth(span, limits) and reads_whole(span, block.kind):
            return begin, block.end
    return None


def _opens(span: str, kind: str) -> bool:
    """Whether an answer may open with this block: not with a caption, a by-line or half a sentence."""
    return kind != "paragraph" or (reads_whole(span, "list") and _END.search(span.replace(":", ".")) is not None)


def _sections(text: str, blocks: Sequence[Block], limits: Limits) -> Iterator[Candidate]:
    heads = [n for n, block in enumerate(blocks) if block.kind == "heading"]
    for at, stop in pairwise([*heads, len(blocks)]):
        title = blocks[at].title
        folded = title.casefold().rstrip(".!:")
        words = len(_WORD.findall(title))
        if not words or len(title) > 150 or folded in SKIPPED or title.casefold() in SKIPPED:
            continue
        span = _run(text, blocks[at + 1 : stop], limits)
        if span is None:
            continue
        if title.endswith("?") and words >= 3:
            yield Candidate("question", title, *span, vague=_short(title))
        elif how := re.match(r"how (?:do (?:i|you|we) |can (?:i|you|we) |to )(.{4,})", title, re.IGNORECASE):
            yield Candidate("how_to", how[1][:1].lower() + how[1][1:], *span)
        else:
            yield Candidate("heading", title, *span, vague=folded in VAGUE or words == 1)


def _short(question: str) -> bool:
    """Whether a question leans on what stands around it."""
    return len(_WORD.findall(question)) <= 5


def _questions(text: str, blocks: Sequence[Block], limits: Limits) -> Iterator[Candidate]:
    """A paragraph that is a question, answered by the next; or one that opens with a question and goes on."""
    for block, after in pairwise([*blocks, None]):
        if block is None or block.kind != "paragraph":
            continue
        asked = _QUESTION.match(text, block.begin, block.end)
        if asked is None or _PERSONAL.search(asked[0]) or _TEASER.match(asked[0]):
            continue
        begin = asked.end() + len(text[asked.end() : block.end]) - len(text[asked.end() : block.end].lstrip(" \t\n*_"))
        end = block.end
        if begin >= end:
            if after is None or after.kind == "heading":
                continue
            begin, end = after.begin, after.end
        kind = "paragraph" if after is None or end == block.end else after.kind
        if _worth(text[begin:end], limits) and reads_whole(text[begin:end], kind):
            question = " ".join(asked[0].split())
            yield Candidate("question", question[:1].upper() + question[1:], begin, end, vague=_short(question))


def _definitions(text: str, blocks: Sequence[Block], limits: Limits) -> Iterator[Candidate]:
    for block in blocks:
        if block.kind != "paragraph":
            continue
        found = _DEFINITION.match(text, block.begin, block.end)
        span = text[block.begin : block.end]
        if found is None or not _worth(span, limits) or not reads_whole(span):
            continue
        term = clean_title(found[1])
        if len(term) >= 2 and not _NO_TERM.match(term) and not _ADVERB.search(term):
            yield Candidate("definitions" if found[2] == "are" else "definition", term, block.begin, block.end)


def _terms(text: str, blocks: Sequence[Block], limits: Limits) -> Iterator[Candidate]:
    """Items of a list that open with a marked term: `- **Term**: what it is`."""
    for block in blocks:
        if block.kind != "list":
            continue
        for found in _TERM_ITEM.finditer(text, text.rfind("\n", 0, block.begin) + 1, block.end):
            stop = _NEXT_ITEM.search(text, found.end(), block.end)
            end = stop.start() if stop else block.end
            span = text[found.end() : end].rstrip()
            topic = clean_title(found[1])
            if topic and "\n\n" not in span and _worth(span, limits) and reads_whole(span):
                yield Candidate("term", topic, found.end(), found.end() + len(span), vague=True)


def _lists(text: str, blocks: Sequence[Block], limits: Limits) -> Iterator[Candidate]:
    """A short paragraph that ends in a colon, and the list of at least three items it announces."""
    for block, after in pairwise(blocks):
        intro = " ".join(text[block.begin : block.end].split())
        if block.kind != "paragraph" or after.kind != "list" or not intro.endswith(":") or not 20 <= len(intro) <= 200:
            continue
        span = text[after.begin : after.end]
        items = len(re.findall(r"^[ \t]*(?:[*+•–-]|\d{1,3}[.)])[ \t]+\S", span, re.MULTILINE))
        if items >= 3 and intro[:1].isupper() and not _PERSONAL.search(intro) and _worth(span, limits):
            yield Candidate("list", intro, after.begin, after.end)


def _functions(text: str, blocks: Sequence[Block], limits: Limits) -> Iterator[Candidate]:  # noqa: ARG001 - one signature
    """Python functions with a docstring: the signature asks, the docstring answers."""
    for found in _PYTHON.finditer(text):
        stop = text.find(found[2], found.end(), found.end() + limits.most + 3)
        if stop < 0:
            continue
        span = text[found.end() : stop].rstrip()
        if len(_WORD.findall(span)) >= 5 and limits.least <= len(span) <= limits.most and reads_whole(span, "code"):
            yield Candidate("function", found[1], found.end(), found.end() + len(span))


def _opening(text: str, blocks: Sequence[Block], title: str, limits: Limits) -> list[Candidate]:
    """What a titled text opens with, up to its second heading."""
    heads = [n for n, block in enumerate(blocks) if block.kind == "heading"]
    own = bool(heads) and clean_title(title).casefold() == blocks[heads[0]].title.casefold()
    begin = heads[0] + 1 if own else 0
    stop = next((n for n in heads if n >= begin), len(blocks))
    span = _run(text, blocks[begin:stop], limits) if title else None
    return [] if span is None else [Candidate("opening", clean_title(title), *span)]


def _continuations(text: str, blocks: Sequence[Block], limits: Limits) -> list[Candidate]:
    """Two paragraphs in a row: the first is the instruction's, the second the answer."""
    out = []
    for block, after in pairwise(blocks):
        given, span = text[block.begin : block.end], text[after.begin : after.end]
        if block.kind == after.kind == "paragraph" and all(
            _worth(one, limits) and reads_whole(one) for one in (given, span)
        ):
            out.append(Candidate("continuation", given, after.begin, after.end))
    return out
