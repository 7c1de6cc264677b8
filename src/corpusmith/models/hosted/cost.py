"""What a fine-tuning will cost, before it is ordered: tokens, counted generously, times passes, times a price.

The provider bills tokens of the training file times epochs. Its tokenizer is fetched over the network, so tokens are
counted as one for every three bytes of UTF-8 and a few for each turn's frame: more than there are in prose (there a
token is about four bytes), fewer than in long runs of digits or random letters. A preference pair is counted as its
prompt with each answer. What was really billed is read from the job when it has ended.

Prices change and are no part of this code: they come with the order, or from the setting
CORPUSMITH_FINE_TUNING_PRICES. None = no price is known, and then no amount of money is said.
"""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.core.errors import PreconditionError

BYTES_PER_TOKEN = 3
TURN_TOKENS = 5
"""Frame of a turn: its delimiters and its role."""


class Estimate(BaseModel):
    """What a job may cost. `usd` is None when no price is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    tokens_per_epoch: int = Field(ge=0, description="of the training file, counted generously")
    epochs: int = Field(ge=1)
    usd_per_million: float | None = Field(None, ge=0)
    price_source: str = Field("", description="where the price was read")

    @property
    def tokens(self) -> int:
        """Tokens of all epochs."""
        return self.tokens_per_epoch * self.epochs

    @property
    def usd(self) -> float | None:
        """What that costs."""
        return self.price_of(self.tokens)

    def price_of(self, tokens: int | None) -> float | None:
        """What so many tokens cost; None when they, or the price, are not known."""
        return None if tokens is None or self.usd_per_million is None else tokens * self.usd_per_million / 1e6

    def line(self) -> str:
        """For a person."""
        money = "no price is known" if self.usd is None else f"about {self.usd:,.2f} USD"
        return f"about {self.tokens:,} tokens ({self.tokens_per_epoch:,} in {self.epochs} epochs), {money}"

    def refuse_above(self, limit_usd: float | None) -> None:
        """Refuse a job that may cost more than `limit_usd`; None = no limit.

        Raises:
            PreconditionError: It may cost more, or nobody knows.
        """
        if limit_usd is None:
            return
        if self.usd is None:
            raise PreconditionError(
                f"at most {limit_usd:g} USD may be spent, and no price of a token is known",
                hint="Take it from the provider's list: price_per_million_tokens, or CORPUSMITH_FINE_TUNING_PRICES.",
            )
        if self.usd > limit_usd:
            raise PreconditionError(
                f"the fine-tuning may cost {self.usd:,.2f} USD, above the {limit_usd:g} USD allowed ({self.line()})",
                hint="Take fewer rows or epochs, or raise max_cost_usd.",
                usd=self.usd,
                limit=limit_usd,
            )


def tokens_of(example: dict[str, Any]) -> int:
    """Tokens of one example in the provider's format, counted generously."""
    if "messages" in example:
        return _turns(example["messages"])
    prompt = _turns(example["input"]["messages"])
    return 2 * prompt + _turns(example["preferred_output"]) + _turns(example["non_preferred_output"])


def _turns(messages: list[dict[str, str]]) -> int:
    return sum(math.ceil(len(m["content"].encode()) / BYTES_PER_TOKEN) + TURN_TOKENS for m in messages)
