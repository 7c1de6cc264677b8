from __future__ import annotations

import pytest

from corpusmith.ops.line_forms import Kind, line_form


@pytest.mark.parametrize(
    ("line", "form", "kind"),
    [
        ("Share this post", "share this post", Kind.LONG),
        ("  Sign in ", "sign in", Kind.LONG),
        ("Copy link", "copy link", Kind.SHORT),
        ("Top", "top", Kind.SHORT),
        ("© 2024 Paul Iusztin", "© 0 paul iusztin", Kind.SHORT),
        ("Overview", "overview", Kind.HEADING),
        ("SYNOPSIS", "synopsis", Kind.HEADING),
        ("FILES AND BUGS", "files and bugs", Kind.LONG),
        ("BATCH MODE", "batch mode", Kind.HEADING),
        ("## Discussion about this post", "# discussion about this post", Kind.HEADING),
        ("コメントを投稿してください", "コメントを投稿してください", Kind.LONG),
    ],
)
def test_form_and_kind_of_a_line(line: str, form: str, kind: Kind) -> None:
    assert line_form(line) == (form, kind)


@pytest.mark.parametrize("line", ["no", "#", "13", "Options:", "    pass through", "return;", "* * *", "---|---"])
def test_what_never_is_boilerplate(line: str) -> None:
    assert line_form(line) is None
