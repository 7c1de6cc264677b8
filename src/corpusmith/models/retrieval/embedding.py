"""Texts to vectors: what every embedder does, who it is, and how one is opened.

    none                  no vectors; search is by words alone
    lsa                   latent semantic analysis, fitted on the corpus itself: dense without any model
    encoder:FOLDER|NAME   an encoder in a local folder or on a hub, run here (sentence-transformers layout)
    endpoint:MODEL        a model of an OpenAI-compatible server

A model's vectors are of a chunk's text alone: its document's title, which words are also found by, cost the LLM Twin's
articles 0.03 of nDCG@10 (docs/measured/retrieval.md). Those of `lsa` are made of the same words as search by words.

Vectors have unit length, so a dot product is the cosine. An index knows the embedder it was made with, and is refused
to another: vectors of two models cannot be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from corpusmith.core.errors import ParameterError, PreconditionError

Vectors = npt.NDArray[np.float32]
EmbedderKind = Literal["none", "lsa", "encoder", "endpoint"]


class EmbedderIdentity(BaseModel):
    """Who made the vectors of an index."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: EmbedderKind = "none"
    name: str = Field("", description="as it was asked for: a folder's last part, a hub name, a server's model")
    digest: str = Field("", description="of the weights and their settings; of a server's model its name and numbers")
    dimension: int = Field(0, ge=0)
    asked: int | None = Field(None, description="numbers that a server was asked for; null = as many as it makes")
    normalised: bool = True
    most_tokens: int | None = Field(None, description="tokens of a text that are read; null = not known here")
    location: str = Field("", description="where to open it again: a folder, a hub name, a server's address")
    probe: tuple[float, ...] = Field((), description="a server's vector of PROBE, its beginning: tells a change")

    def describe(self) -> str:
        """In words."""
        if self.kind == "none":
            return "no embeddings"
        return f"{self.kind} {self.name} ({self.dimension} numbers, {self.digest[:12]})"


class Embedder(Protocol):
    """Makes vectors."""

    @property
    def identity(self) -> EmbedderIdentity:
        """Who it is."""
        ...

    def passages(self, texts: Sequence[str]) -> Vectors:
        """Texts of the corpus, n, to float32[n, dimension] of unit length; zeros where nothing is known of a text.

        Raises:
            SourceError: A server went away.
        """
        ...

    def queries(self, texts: Sequence[str]) -> Vectors:
        """Questions, likewise."""
        ...


def parse_embedder(text: str) -> tuple[EmbedderKind, str]:
    """Kind and name of an embedder as it is written.

    Raises:
        ParameterError: It is none of them.
    """
    kind, _, name = text.partition(":")
    if (kind in ("none", "lsa") and not name) or (kind in ("encoder", "endpoint") and name.strip()):
        return kind, name.strip()  # type: ignore[return-value]
    raise ParameterError(
        f"no embedder {text!r}", hint="There are: none, lsa, encoder:FOLDER, encoder:HUB/NAME and endpoint:MODEL."
    )


def same_embedder(index: EmbedderIdentity, given: EmbedderIdentity) -> None:
    """Check that an index was made with this very embedder.

    Raises:
        PreconditionError: It was not; the message names both.
    """
    if (index.kind, index.digest, index.dimension) != (given.kind, given.digest, given.dimension):
        raise PreconditionError(
            f"the index was built with {index.describe()}, not with {given.describe()}",
            hint="Open it with its own embedder, or build the index anew with this one.",
        )


def reads_titles(embedder: Embedder) -> bool:
    """Whether an embedder is given a chunk's document title with its text."""
    return embedder.identity.kind == "lsa"


def unit(vectors: npt.NDArray[np.floating[npt.NBitBase]] | Vectors) -> Vectors:
    """Rows scaled to length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors / np.where(lengths > 0, lengths, 1.0), np.float32)
