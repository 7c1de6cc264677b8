"""Whether an open model answers: one real generation through the engine, before anybody is sent to it."""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing

from corpusmith.core.errors import CorpusmithError, ParameterError
from corpusmith.models.serving.contract import Sampling, ServedModel

_GREETING = "Hello"
_SAMPLING = Sampling(max_tokens=4, temperature=0.0, top_logprobs=1)


class UnhealthyError(CorpusmithError):
    """An open model does not answer as a model should."""


async def check_health(model: ServedModel, timeout_s: float = 120.0) -> None:
    """Let the model answer a greeting, by its chat template where it has one.

    Raises:
        UnhealthyError: It makes no token, does not end, takes too long, or its probabilities are no numbers.
    """
    try:
        ids = model.chat_ids([{"role": "user", "content": _GREETING}])
    except ParameterError:
        ids = model.text_ids(_GREETING)
    made, ended = 0, False
    try:
        async with asyncio.timeout(timeout_s), aclosing(model.generate(ids, _SAMPLING)) as pieces:
            async for piece in pieces:
                made += len(piece.tokens)
                ended = piece.finish is not None
                if any(token.logprob is not None and not math.isfinite(token.logprob) for token in piece.tokens):
                    raise UnhealthyError(f"{model.ref} computes probabilities that are no numbers")
    except TimeoutError as error:
        raise UnhealthyError(f"{model.ref} did not answer within {timeout_s:g} s") from error
    if not made or not ended:
        raise UnhealthyError(f"{model.ref} made {made} tokens and " + ("ended" if ended else "did not end"))
