from __future__ import annotations

import pytest

from corpusmith.ops import memo


def test_each_text_is_asked_once_and_forgotten_when_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def length(text: str) -> int:
        asked.append(text)
        return len(text)

    monkeypatch.setattr(memo, "MOST_TEXTS", 3)
    assert memo.remembered("test", ["a", None, "bb", "a", ""], length) == [1, 0, 2, 1, 0]
    assert asked == ["a", "", "bb"]
    assert memo.remembered("other", ["a"], str.upper) == ["A"]
    assert memo.remembered("test", ["ccc", "a"], length) == [3, 1]
    assert asked == ["a", "", "bb", "ccc", "a"]
