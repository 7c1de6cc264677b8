from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpusmith.ops.generation_blocks import clean_title, parse_blocks

TEXT = """# Main title

An opening paragraph
over two lines.

Setext head
-----------

* one
* two

  more of two

After the list.

```python
# no heading
x = 1
```

**Bold heading**

Text under it.

* * *
NAME
    ls - list
"""


def test_blocks_of_a_document() -> None:
    blocks = parse_blocks(TEXT)
    assert [(b.kind, b.title) for b in blocks] == [
        ("heading", "Main title"),
        ("paragraph", ""),
        ("heading", "Setext head"),
        ("list", ""),
        ("paragraph", ""),
        ("code", ""),
        ("heading", "Bold heading"),
        ("paragraph", ""),
        ("paragraph", ""),
    ]
    assert TEXT[blocks[3].begin : blocks[3].end] == "* one\n* two\n\n  more of two"
    assert TEXT[blocks[5].begin : blocks[5].end].endswith("```")


def test_manual_pages() -> None:
    blocks = parse_blocks("NAME\n       ls - list\n\nDESCRIPTION\n       Lists.\n")
    assert [b.title for b in blocks if b.kind == "heading"] == ["Name", "Description"]


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        ("**1\\. The [first](http://x.y) step:**", "The first step"),
        ("🧟 True MoEs", "True MoEs"),
        ("7 tips", "tips"),
        ("2.3 Results", "Results"),
        ("---", ""),
        ("C++ in `use`", "C++ in use"),
    ],
)
def test_titles_are_cleaned(raw: str, title: str) -> None:
    assert clean_title(raw) == title


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("aA.?:\n \t*-=#`1)_é漢"), max_size=120))
def test_blocks_are_ordered_spans_of_any_text(text: str) -> None:
    last = 0
    for block in parse_blocks(text):
        assert last <= block.begin < block.end <= len(text)
        assert text[block.begin : block.end] == text[block.begin : block.end].strip(" \t\n") or block.kind == "code"
        last = block.end
