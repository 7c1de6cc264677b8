from __future__ import annotations

import pytest

from corpusmith.core.errors import PreconditionError
from corpusmith.models.hosted.cost import Estimate, tokens_of


def test_prose_is_counted_generously_and_a_pair_has_its_prompt_twice() -> None:
    text = "The quick brown fox jumps over the lazy dog."  # 10 tokens by any byte-level BPE of English
    chat = {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "Yes."}]}
    assert tokens_of(chat) == (15 + 5) + (2 + 5)
    said = [{"role": "assistant", "content": "Yes."}]
    prompt = {"messages": [{"role": "user", "content": text}]}
    assert tokens_of({"input": prompt, "preferred_output": said, "non_preferred_output": said}) == 2 * 20 + 2 * 7


def test_an_estimate_is_tokens_times_epochs_times_price() -> None:
    estimate = Estimate(tokens_per_epoch=250_000, epochs=4, usd_per_million=5.0, price_source="a list of 2026-01-02")
    assert (estimate.tokens, estimate.usd) == (1_000_000, 5.0)
    assert estimate.line() == "about 1,000,000 tokens (250,000 in 4 epochs), about 5.00 USD"
    assert estimate.price_of(None) is None
    estimate.refuse_above(None)
    estimate.refuse_above(5.0)
    with pytest.raises(PreconditionError, match=r"may cost 5\.00 USD, above the 4\.99 USD"):
        estimate.refuse_above(4.99)


def test_without_a_price_no_money_is_named_and_no_limit_can_hold() -> None:
    estimate = Estimate(tokens_per_epoch=10, epochs=1)
    assert estimate.usd is None
    assert "no price is known" in estimate.line()
    estimate.refuse_above(None)
    with pytest.raises(PreconditionError, match="no price of a token is known"):
        estimate.refuse_above(1000.0)


def test_a_price_of_nothing_is_a_price() -> None:
    estimate = Estimate(tokens_per_epoch=10, epochs=1, usd_per_million=0.0)
    assert estimate.usd == 0.0
    estimate.refuse_above(0.0)
