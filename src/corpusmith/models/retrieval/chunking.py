"""Documents cut into chunks, by LlamaIndex's node parsers and by kind of document. No character is dropped.

    post      SentenceSplitter, 250 characters, overlap of at most 25 (whole sentences)
    code      CodeSplitter by the language's grammar where tree-sitter-language-pack is installed, else
              TokenTextSplitter along lines: 1,500 characters, overlap of at most 100
    article   sections (MarkdownNodeParser for Markdown; block tags for HTML) cut by SentenceSplitter to at most
              2,000 characters, and joined until they hold at least 1,000 where the next one lets them

The parsers decide where to cut; a chunk is the document's own characters from there to there. What a parser strips
between two chunks (blank lines, indentation) goes to the one before, an indentation to the one it indents, so chunks
in their order always hold the document whole. Lengths are in characters without the blanks at either end.

LlamaIndex's own length measure and sentence splitter (tiktoken, NLTK) are replaced, so nothing is ever downloaded. Its
HTMLNodeParser is not used: it drops what stands outside of a few tags.
"""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from corpusmith.models.retrieval.kinds import Kind, Markup

Span = tuple[int, int]

_SENTENCE = re.compile(r"[^.!?。！？\n]*(?:[.!?。！？]+[\"')\]»”’]*|\n+|$)\s*")
_BLOCK = re.compile(r"(?=<(?:h[1-6]|p|div|section|article|li|ul|ol|table|tr|pre|blockquote|br|hr)\b)", re.I)


@dataclass(frozen=True)
class ChunkSizes:
    """Lengths in characters, by kind of document."""

    post: int = 250
    post_overlap: int = 25
    code: int = 1500
    code_overlap: int = 100
    article: int = 2000
    article_least: int = 1000


def cut(
    text: str, kind: Kind, markup: Markup = "plain", sizes: ChunkSizes | None = None, language: str | None = None
) -> list[Span]:
    """Where the chunks of a document begin and end, in order; together they cover it. Nothing for a blank text.

    Args:
        text: The document.
        kind: What it is.
        markup: How it is marked up; only articles heed it.
        sizes: Lengths; None = the defaults.
        language: Programming language, as tree-sitter names it.
    """
    sizes = sizes or ChunkSizes()
    if not text.strip():
        return []
    if kind == "post":
        return _whole(text, _sentences(text, sizes.post, sizes.post_overlap))
    if kind == "code":
        return _whole(text, _code(text, sizes, language))
    return _whole(text, _article(text, markup, sizes))


def code_parser(language: str | None) -> str:
    """Which parser cuts code of that language here: `CodeSplitter` or `TokenTextSplitter`."""
    return "TokenTextSplitter" if language is None or _grammar(language) is None else "CodeSplitter"


def _article(text: str, markup: Markup, sizes: ChunkSizes) -> list[Span]:
    pieces: list[Span] = []
    for start, end in _sections(text, markup):
        if _length(text, start, end) <= sizes.article:
            pieces.append((start, end))
        else:
            pieces += _shift(_whole(text[start:end], _sentences(text[start:end], sizes.article, 0)), start)
    return _balanced(text, _packed(text, pieces, sizes), sizes)


def _packed(text: str, pieces: Sequence[Span], sizes: ChunkSizes) -> list[Span]:
    """Pieces joined until each holds the least length, as long as none gets over the most."""
    out: list[Span] = []
    for start, end in pieces:
        short = out and min(_length(text, *out[-1]), _length(text, start, end)) < sizes.article_least
        if short and _length(text, out[-1][0], end) <= sizes.article:
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


def _balanced(text: str, spans: Sequence[Span], sizes: ChunkSizes) -> list[Span]:
    """A chunk that is still too short shares with the one before: the two are cut anew near their middle."""
    out: list[Span] = []
    for span in spans:
        if out and min(_length(text, *span), _length(text, *out[-1])) < sizes.article_least:
            begin, end = out[-1][0], span[1]
            middle = _middle(text, begin, end, sizes)
            if middle is not None:
                out[-1:] = [(begin, middle), (middle, end)]
                continue
        out.append(span)
    return out


def _middle(text: str, begin: int, end: int, sizes: ChunkSizes) -> int | None:
    """The sentence's end nearest to the middle that leaves both halves of a good length."""
    ends = itertools.accumulate((len(part) for part in _split_sentences(text[begin:end])), initial=begin)
    good = [
        at
        for at in ends
        if sizes.article_least <= _length(text, begin, at) <= sizes.article
        and sizes.article_least <= _length(text, at, end) <= sizes.article
    ]
    return min(good, key=lambda at: abs(2 * at - begin - end), default=None)


def _sections(text: str, markup: Markup) -> list[Span]:
    if markup == "html":
        cuts = sorted({0, *(found.start() for found in _BLOCK.finditer(text)), len(text)})
        return list(itertools.pairwise(cuts))
    if markup == "markdown":
        from llama_index.core.node_parser import MarkdownNodeParser
        from llama_index.core.schema import TextNode

        nodes = MarkdownNodeParser(include_metadata=False).get_nodes_from_node(TextNode(text=text))
        return _whole(text, _located(text, [node.get_content() for node in nodes]))
    return [(0, len(text))]


def _sentences(text: str, size: int, overlap: int) -> list[Span]:
    if _length(text, 0, len(text)) <= size:
        return [(0, len(text))]
    from llama_index.core.node_parser import SentenceSplitter

    splitter = SentenceSplitter(
        chunk_size=size,
        chunk_overlap=overlap,
        tokenizer=_characters,
        chunking_tokenizer_fn=_split_sentences,
        paragraph_separator="\n\n",
        include_metadata=False,
        include_prev_next_rel=False,
    )
    return _bounded(text, _located(text, splitter.split_text(text), overlap), size)


def _code(text: str, sizes: ChunkSizes, language: str | None) -> list[Span]:
    if _length(text, 0, len(text)) <= sizes.code:
        return [(0, len(text))]
    from llama_index.core.node_parser import CodeSplitter, TokenTextSplitter

    grammar = None if language is None else _grammar(language)
    if language is not None and grammar is not None:
        by_grammar = CodeSplitter(language=language, parser=grammar, max_chars=sizes.code, include_metadata=False)
        return _bounded(text, _located(text, by_grammar.split_text(text)), sizes.code)
    by_line = TokenTextSplitter(
        chunk_size=sizes.code,
        chunk_overlap=sizes.code_overlap,
        separator="\n\n",
        backup_separators=["\n", " "],
        tokenizer=_characters,
        keep_whitespaces=True,
        include_metadata=False,
    )
    return _bounded(text, _located(text, by_line.split_text(text), sizes.code_overlap), sizes.code)


@cache
def _grammar(language: str) -> Any | None:
    """A parser for a programming language, if its grammar is here; None where it would have to be downloaded."""
    if find_spec("tree_sitter_language_pack") is None:
        return None
    pack = import_module("tree_sitter_language_pack")
    known = getattr(pack, "downloaded_languages", None)
    if callable(known) and language not in known():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return pack.get_parser(language)
        except LookupError:
            return None


def _characters(text: str) -> Any:
    """LlamaIndex measures a text by the length of what this returns: here, its characters."""
    return text


def _split_sentences(text: str) -> list[str]:
    """The text in sentences and lines; joined, they are the text again."""
    return [found.group() for found in _SENTENCE.finditer(text) if found.group()]


def _located(text: str, parts: Sequence[str], overlap: int = 0) -> list[Span]:
    """Where the parts stand in the text; each begins at most `overlap` before the end of the last.

    One that was changed on the way is left out: its place falls to its neighbours, and a chunk that gets too long by
    it is cut again.
    """
    out: list[Span] = []
    begin = 0
    for part in filter(None, (part.strip() for part in parts)):
        at = text.find(part, begin)
        if at >= 0:
            out.append((at, at + len(part)))
            begin = max(at + 1, at + len(part) - overlap)
    return out


def _bounded(text: str, spans: Sequence[Span], size: int) -> list[Span]:
    """The spans with the gaps between them closed, and none longer than `size`."""
    out: list[Span] = []
    for start, end in _whole(text, spans):
        at = start
        while _length(text, at, end) > size:
            at += len(text[at:end]) - len(text[at:end].lstrip())
            out.append((at if out and out[-1][1] == at else start, at + size))
            at += size
        out.append((at, end))
    return _whole(text, out)


def _whole(text: str, spans: Sequence[Span]) -> list[Span]:
    """The spans stretched over what lies between them, before the first and after the last."""
    if not spans:
        return [(0, len(text))]
    starts = [0]
    for (_, end), (start, _) in itertools.pairwise(spans):
        gap = text[end:start] if start > end else ""
        line = gap.rfind("\n") + 1
        blank = not gap.strip()
        starts.append(start if start <= end else end + line if blank and line else start)
    ends = [max(end, start) for (_, end), start in zip(spans, [*starts[1:], len(text)], strict=True)]
    return [(start, end) for start, end in zip(starts, ends, strict=True) if end > start]


def _shift(spans: Sequence[Span], by: int) -> list[Span]:
    return [(start + by, end + by) for start, end in spans]


def _length(text: str, start: int, end: int) -> int:
    return len(text[start:end].strip())
