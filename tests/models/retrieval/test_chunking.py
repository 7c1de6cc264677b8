from __future__ import annotations

import random

import pytest

from corpusmith.models.retrieval.chunking import ChunkSizes, code_parser, cut
from corpusmith.models.retrieval.kinds import code_language, kind_of, markup_of

MOST = {"post": 250, "code": 1500, "article": 2000}
BITS = ["word ", "a", ". ", "\n", "\n\n", "  ", "# ", "。", "```", "é", "\t", "<p>", "-", "\r\n", "\u2028", "? "]


def covered(text: str, spans: list[tuple[int, int]]) -> bool:
    at = 0
    for start, end in spans:
        if start > at or end <= start:
            return False
        at = max(at, end)
    return at == len(text)


@pytest.mark.parametrize("kind", ["post", "code", "article"])
@pytest.mark.parametrize("markup", ["plain", "markdown", "html"])
def test_no_character_is_dropped_and_no_chunk_is_too_long(kind: str, markup: str) -> None:
    draw = random.Random(f"{kind}{markup}")
    for _ in range(12):
        text = "".join(draw.choices(BITS, k=draw.randrange(1, 4000)))
        spans = cut(text, kind, markup)  # type: ignore[arg-type]
        assert covered(text, spans) or not text.strip()
        assert max(len(text[start:end].strip()) for start, end in spans or [(0, 0)]) <= MOST[kind]


def test_a_text_without_any_blank_is_cut_all_the_same() -> None:
    text = "x" * 20_001
    for kind in ("post", "code", "article"):
        spans = cut(text, kind)  # type: ignore[arg-type]
        assert covered(text, spans)
        assert max(end - start for start, end in spans) <= MOST[kind]


def test_blank_documents_have_no_chunks_and_short_ones_one() -> None:
    assert cut(" \n\t", "article") == []
    assert cut("  Short.\n", "article") == [(0, 9)]


def test_an_articles_chunks_hold_1000_to_2000_characters_and_end_with_sentences() -> None:
    sentence = "The heron waits beside the reeds at dawn and eats nine frogs. "
    text = "".join(f"## Part {n}\n\n{sentence * 6}\n\n" for n in range(20))
    chunks = [text[start:end].strip() for start, end in cut(text, "article", "markdown")]
    assert all(1000 <= len(chunk) <= 2000 for chunk in chunks)
    assert all(chunk.endswith("frogs.") and chunk.startswith("## Part") for chunk in chunks)


def test_sections_longer_than_a_chunk_are_cut_between_sentences() -> None:
    text = "# One\n\n" + "The old stone bridge crosses the Tamble. " * 120
    chunks = [text[start:end].strip() for start, end in cut(text, "article", "markdown")]
    assert len(chunks) > 2
    assert all(chunk.endswith("Tamble.") for chunk in chunks)


def test_html_is_cut_at_block_tags() -> None:
    paragraph = f"<p>{'The guild of masons built it. ' * 20}</p>"
    text = f"<html><body>{paragraph * 8}</body></html>"
    chunks = [text[start:end] for start, end in cut(text, "article", "html")]
    assert all(chunk.startswith(("<p>", "<html>")) for chunk in chunks)
    assert "".join(chunks) == text


def test_code_keeps_the_indentation_of_its_lines() -> None:
    text = "".join(f"def f{n}():\n    return {n}\n\n\n" for n in range(200))
    spans = cut(text, "code", language="python")
    assert "".join(text[start:end] for start, end in spans if start == 0) == text[: spans[0][1]]
    assert all(not text[start:end].strip("\n").startswith("return") for start, end in spans)
    assert code_parser(None) == "TokenTextSplitter"


def test_sizes_can_be_given() -> None:
    text = "One sentence here. " * 60
    spans = cut(text, "article", sizes=ChunkSizes(article=200, article_least=80))
    assert max(len(text[start:end].strip()) for start, end in spans) <= 200
    assert covered(text, spans)


@pytest.mark.parametrize(
    ("source", "meta", "kind"),
    [
        ("a.jsonl", {"platform": "linkedin"}, "post"),
        ("a.jsonl", {"type": "Tweet"}, "post"),
        ("src/tool.py", {}, "code"),
        ("rows.parquet", {"path": "lib/x.rs"}, "code"),
        ("rows.parquet", {"category": "repositories"}, "code"),
        ("articles.json", {"platform": "medium"}, "article"),
        ("notes.md", {}, "article"),
    ],
)
def test_kinds_by_what_a_row_says_of_itself(source: str, meta: dict[str, str], kind: str) -> None:
    assert kind_of(source, meta) == kind


def test_markup_and_language_are_told_from_the_text_and_the_file() -> None:
    assert markup_of("# Title\n\ntext") == "markdown"
    assert markup_of("<div><p>Hi</p></div>") == "html"
    assert markup_of("a < b and c > d") == "plain"
    assert markup_of("anything", "page.html") == "html"
    assert code_language("x.tsx", {}) == "tsx"
    assert code_language("x.csv", {"path": "a/b.go"}) == "go"
