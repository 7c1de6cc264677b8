from __future__ import annotations

import html

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.ops.markup import find_remains, strip_html

SPOKEN_OF = [
    "a < b and c > d, if a<b: return c>d",
    "List<int> and Map<String, List<b>>; std::vector<a> x;",
    "the <p> tag and a <div> element; use <br> to break",
    "git commit <file> <section>",
    "see `<p>hi</p>` and ``&nbsp;`` in code",
    "```html\n<p>x</p>\n<div class='a'>y</div>\n```",
    "Example:\n\n    <p>Hello</p>\n    <b>x</b>\n\nThat was it.",
    "parser.feed('<html><head><title>Test</title></head>'\n            '<body><h1>Parse me!</h1></body></html>')",
    ">>> print(page)\n<html><body><p>Hi</p></body></html>\n\nMore prose.",
    'page = """\n<div class="x">\n<p>text</p>\n</div>\n"""',
    "replaces '&lt;' by \"<\" and R&D; stays, AT&T; too",
    "<user@host.com> wrote <https://example.org/>",
    "#include <time>\nint x;",
]


@pytest.mark.parametrize("text", SPOKEN_OF)
def test_markup_that_is_spoken_of_stays(text: str) -> None:
    assert find_remains(text) == []
    assert strip_html(text) == (text, 0)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<p>Hello <b>World</b>, it&#x27;s &amp; fine.</p>", "Hello World, it's & fine."),
        ('<div class="a">one</div><div>two</div>', "one\n\ntwo"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a\tb\nc"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<span>one</span><span>two</span>", "one two"),
        ("<b>H</b>ello", "Hello"),
        ("&lt;p&gt;escaped twice&lt;/p&gt;", "escaped twice"),
        ("Hello<script>var a='<b>';</script>world <!-- note --> here", "Hello\n\nworld here"),
        ("<style>p { color: red }</style><p>text</p>", "text"),
        ("text&nbsp;here<hr>", "text here"),
        ("<p>unclosed\n<p>another", "unclosed\n\nanother"),
        ('see <a href="/p/1">this page</a> now', "see this page now"),
        ("<pre><code>if a &lt; b:\n    &lt;p&gt;hi&lt;/p&gt;</code></pre>", "```\nif a < b:\n    <p>hi</p>\n```"),
    ],
)
def test_remains_become_text(text: str, plain: str) -> None:
    new, count = strip_html(text)
    assert new == plain
    assert count == len(find_remains(text)) > 0
    assert strip_html(new) == (new, 0)


def test_whole_document_gives_its_main_text() -> None:
    prose = " ".join(f"Sentence number {n} of the article says something of its own." for n in range(12))
    page = (
        "<!DOCTYPE html><html><head><title>T</title><script>var x = 1;</script></head>"
        "<body><nav><a href='/'>Home</a></nav>"
        f"<article><h1>Title</h1><p>{prose}</p></article><footer>© someone</footer></body></html>"
    )
    new, count = strip_html(page)
    assert "Sentence number 11 of the article" in new
    assert "var x" not in new
    assert "<" not in new
    assert count > 5


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["<p>", "</p>", "<b>", "word", " ", "\n", "&amp;", "&lt;", "<br/>", "`", "'", "<a href=x>", "<pre>"]
        )
    )
)
def test_stripped_text_has_no_remains(pieces: list[str]) -> None:
    new, _ = strip_html("".join(pieces))
    assert find_remains(new) == []
    assert strip_html(new) == (new, 0)


@settings(max_examples=40, deadline=None)
@given(st.text())
def test_any_text_passes_and_escaped_prose_keeps_its_words(text: str) -> None:
    strip_html(text)
    words = ["alpha", "beta & gamma", "delta"]
    wrapped = "".join(f"<p>{html.escape(word)}</p>" for word in words)
    assert strip_html(wrapped)[0].split("\n\n") == words


def test_hostile_input_takes_no_quadratic_time() -> None:
    for text in ("<!--" * 20_000, "<script>" * 20_000, "<p a" * 20_000, "'<" * 20_000, "`" * 40_001, "&" * 50_000):
        assert len(strip_html(text)[0]) <= len(text)
