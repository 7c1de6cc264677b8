"""Embeddings of an OpenAI-compatible server: in batches, tried again when a failure may pass, paid from the budget.

The server's model has no digest. What stands in for one is its name, its dimension and the beginning of its vector for
one fixed sentence: a server that changed the model behind the name is found out when the index is opened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from corpusmith.core.errors import CorpusmithError, ParameterError, PreconditionError, SourceError
from corpusmith.core.fingerprints import fingerprint
from corpusmith.core.tools import Budget
from corpusmith.models.chat_failures import mask
from corpusmith.models.hosted.access import HostedAccess, open_client
from corpusmith.models.retrieval.embedding import EmbedderIdentity, Vectors, unit

PROBE = "The quick brown fox jumps over the lazy dog."
PROBED, ALIKE = 32, 0.98
BATCH, BATCH_CHARS = 64, 200_000
CHARS_PER_TOKEN = 3.0
"""Low, so that what is reserved suffices."""
MOST_WAIT_S = 60.0
ACCOUNT = "cost_usd"


@dataclass(frozen=True)
class EndpointTerms:
    """What embedding at a server may cost.

    Attributes:
        usd_per_million: US dollars per million tokens; None = not known.
        budget: The run's; None = outside a run.
        most_tokens: Tokens of a text that the server takes; None = not known.
        dimensions: Numbers to ask for; None = as many as the model makes.
    """

    usd_per_million: float | None = None
    budget: Budget | None = None
    most_tokens: int | None = None
    dimensions: int | None = None


class EndpointEmbedder:
    """A model of a server. One request is made on opening, for `PROBE`.

    Args:
        model: The server's name for it.
        access: Address and key.
        terms: Price, budget, dimension.
        sleep: Waits between attempts.

    Raises:
        SourceError: The server cannot be reached, or has no such model.
        ModelAuthError: There is no key for OpenAI's own address.
    """

    def __init__(
        self,
        model: str,
        access: HostedAccess,
        terms: EndpointTerms | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._model, self._access, self._terms, self._sleep = model, access, terms or EndpointTerms(), sleep
        self.tokens = 0
        self._dimension: int | None = None
        probe = self._embed([PROBE])
        self._dimension = int(probe.shape[1])
        self._identity = EmbedderIdentity(
            kind="endpoint",
            name=model,
            digest=fingerprint({"model": model, "dimension": int(probe.shape[1])}),
            dimension=int(probe.shape[1]),
            asked=self._terms.dimensions,
            location=access.endpoint,
            probe=tuple(round(float(value), 5) for value in probe[0, :PROBED]),
        )

    @property
    def identity(self) -> EmbedderIdentity:
        """Who it is, as far as a server can be known."""
        return self._identity

    def passages(self, texts: Sequence[str]) -> Vectors:
        """Texts, n, to float32[n, dimension]."""
        if not texts:
            return np.zeros((0, self._identity.dimension), np.float32)
        return np.concatenate([self._embed(batch) for batch in _batches(texts)])

    def queries(self, texts: Sequence[str]) -> Vectors:
        """Questions, likewise."""
        return self.passages(texts)

    def check_probe(self, index: EmbedderIdentity) -> None:
        """Check that the model behind the name is the one that an index was built with.

        Raises:
            PreconditionError: Its vectors are others.
        """
        theirs, ours = np.array(index.probe), np.array(self._identity.probe)
        if theirs.shape != ours.shape or not theirs.size:
            return
        alike = float(theirs @ ours / max(float(np.linalg.norm(theirs) * np.linalg.norm(ours)), 1e-12))
        if alike < ALIKE:
            raise PreconditionError(
                f"{self._access.host} has another model behind the name {self._model} than the index was built with",
                hint="Build the index anew.",
            )

    def _embed(self, texts: Sequence[str]) -> Vectors:
        self._reserve(texts)
        wait = self._access.backoff_s
        for attempt in range(self._access.attempts):
            try:
                return self._ask([text or " " for text in texts])
            except _MayPass as error:
                if attempt + 1 == self._access.attempts:
                    raise SourceError(error.message, hint=error.hint) from error
                self._sleep(min(wait, MOST_WAIT_S))
                wait *= 2
        raise AssertionError("attempts is at least 1")

    def _ask(self, texts: Sequence[str]) -> Vectors:
        from openai import omit

        dimensions = self._terms.dimensions
        with _told(self._access, self._model), open_client(self._access) as client:
            answer = client.embeddings.create(
                model=self._model, input=list(texts), dimensions=omit if dimensions is None else dimensions
            )
        rows = sorted(answer.data, key=lambda item: item.index)
        sizes = {len(row.embedding) for row in rows}
        if len(rows) != len(texts) or len(sizes) != 1:
            raise SourceError(
                f"{self._access.host} gave {len(rows)} vectors of {len(sizes)} lengths for {len(texts)} texts",
                hint="It does not speak the embeddings API.",
            )
        if self._dimension is not None and sizes != {self._dimension}:
            raise SourceError(
                f"{self._access.host} has another model behind the name {self._model} than before: its vectors have "
                f"{sizes.pop()} numbers, not {self._dimension}",
                hint="Put the model back, or build the index anew.",
            )
        self._charge(answer.usage.total_tokens if answer.usage else _tokens(texts))
        vectors = np.array([row.embedding for row in rows], np.float32)
        if not np.isfinite(vectors).all():
            raise SourceError(f"{self._access.host} gave vectors that are no numbers", hint="See the server's log.")
        return unit(vectors)

    def _reserve(self, texts: Sequence[str]) -> None:
        price, budget = self._terms.usd_per_million, self._terms.budget
        if price and budget is not None:
            budget.reserve(ACCOUNT, _tokens(texts) * price / 1e6, f"embeddings of {self._model}")

    def _charge(self, tokens: int) -> None:
        self.tokens += tokens
        price, budget = self._terms.usd_per_million, self._terms.budget
        if price and budget is not None:
            budget.debit(ACCOUNT, tokens * price / 1e6, f"embeddings of {self._model}")


class _MayPass(CorpusmithError):  # noqa: N818 - a state, not a failure
    """A failure that another attempt may not meet."""


@contextmanager
def _told(access: HostedAccess, model: str) -> Iterator[None]:
    import openai

    def said(error: Exception) -> str:
        return mask(str(error), access.secrets())[:300]

    try:
        yield
    except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
        raise _MayPass(f"{access.host} gives no embeddings: {said(error)}", hint="Try again later.") from error
    except openai.AuthenticationError as error:
        raise SourceError(f"{access.host} refuses the key: {said(error)}", hint="Set OPENAI_API_KEY.") from error
    except openai.NotFoundError as error:
        raise SourceError(
            f"{access.host} has no embeddings of {model}: {said(error)}", hint="Check its name."
        ) from error
    except openai.APIStatusError as error:
        raise ParameterError(f"{access.host} refuses: {said(error)}", hint="Check model and dimensions.") from error
    except openai.OpenAIError as error:
        raise SourceError(f"{access.host} gives no embeddings: {said(error)}", hint="See the server's log.") from error


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and (len(batch) == BATCH or size + len(text) > BATCH_CHARS):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    yield batch


def _tokens(texts: Sequence[str]) -> int:
    return int(sum(len(text) for text in texts) / CHARS_PER_TOKEN) + len(texts)
