"""Where words and tokens of a served model meet: the same for every engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corpusmith.core.errors import ParameterError
from corpusmith.models.chat_format import ChatFormat
from corpusmith.models.serving.contract import Sampling, Token
from corpusmith.models.serving.prompts import Prompts
from corpusmith.models.serving.spelling import Spelling


class TokenSide:
    """The part of `contract.ServedModel` that needs the tokenizer alone.

    Args:
        form: The tokenizer, with the chat format of the model's training.
        ref: `name@version`, or the artifact's id.
        context: Most tokens of prompt and answer together.
        size: Token ids that the model knows.
    """

    def __init__(self, form: ChatFormat, ref: str, context: int, size: int) -> None:
        self._ref, self._context, self._size = ref, context, size
        self._spelling, self._prompts = Spelling(form.tokenizer), Prompts(form)

    @property
    def ref(self) -> str:
        """`name@version`, or the artifact's id."""
        return self._ref

    @property
    def context(self) -> int:
        """Most tokens of prompt and answer together."""
        return self._context

    def chat_ids(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> list[int]:
        """As `ServedModel.chat_ids`."""
        return self._prompts.chat_ids(messages, tools)

    def text_ids(self, text: str) -> list[int]:
        """As `ServedModel.text_ids`."""
        return self._prompts.text_ids(text)

    def tokens(self, ids: Sequence[int]) -> list[Token]:
        """As `ServedModel.tokens`."""
        self._check(ids)
        return [self._spelling.token(token) for token in ids]

    def _check(self, ids: Sequence[int], made: int = 0) -> None:
        """That there is a prompt, of this model's tokens, with room for `made` more.

        Raises:
            ParameterError: There is not.
        """
        if not ids:
            raise ParameterError("the prompt is empty", hint="Say something.")
        if len(ids) + made > self._context:
            raise ParameterError(
                f"prompt and answer of {len(ids) + made} tokens are longer than the context of {self._context}",
                hint="Shorten the prompt, or lower max_tokens.",
            )
        if not 0 <= min(ids) <= max(ids) < self._size:
            raise ParameterError(f"token ids go from 0 to {self._size - 1}", hint="Use this model's tokenizer.")

    def _check_answer(self, ids: Sequence[int], sampling: Sampling) -> None:
        """That an answer to the prompt can be drawn so.

        Raises:
            ParameterError: It cannot.
        """
        self._check(ids, sampling.max_tokens)
        for token in sampling.logit_bias:
            self._check([token])
