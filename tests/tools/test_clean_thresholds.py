"""Thresholds are set by the names the ledger shows; any other name is one clear error."""

from __future__ import annotations

import pytest

from corpusmith.core.errors import ParameterError
from corpusmith.tools.clean_thresholds import quality_filters


@pytest.mark.parametrize("rule", ["top_ngram", "dup_ngram", "max_top_ngram", "max_dup_ngram", "top_9gram", "nothing"])
@pytest.mark.parametrize("value", [None, 0.1])
def test_a_name_that_is_no_rule_is_refused_with_the_names_that_are(rule: str, value: float | None) -> None:
    with pytest.raises(ParameterError, match=rule) as caught:
        quality_filters(gopher_quality=False, gopher_repetition=True, c4=False, fineweb=False, thresholds={rule: value})
    assert "top_2gram_char_frac" in (caught.value.hint or "")


def test_every_name_it_offers_can_be_set() -> None:
    on = {"gopher_quality": True, "gopher_repetition": True, "c4": True, "fineweb": True}
    with pytest.raises(ParameterError) as caught:
        quality_filters(**on, thresholds={"nothing": 1.0})
    names = (caught.value.hint or "").removeprefix("Rules that can be set: ").removesuffix(".").split(", ")
    for name in names:
        assert quality_filters(**on, thresholds={name: 1.0})
