"""`index.json`: what an index is, beside its chunks. Whoever opens an index reads this first.

parts/*.parquet   the chunks, canonical rows (`chunks`)
index.json        this
terms.npz         in how many chunks each token stands
vectors.npy       float32[chunks, dimension], in row order; only with an embedder
lsa.npz           the directions of `lsa`
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corpusmith.core.errors import PreconditionError
from corpusmith.core.fingerprints import fingerprint
from corpusmith.models.retrieval.embedding import EmbedderIdentity
from corpusmith.models.retrieval.fields import FieldInfo

MANIFEST, STATS, VECTORS, LSA = "index.json", "terms.npz", "vectors.npy", "lsa.npz"
FORMAT = 1


class Evidence(BaseModel):
    """When a passage speaks of a question: the rule of `evidence`, and how it was set.

    Attributes:
        threshold: Least evidence for it that a passage speaks of a question.
        found_frac: Share of the index's own questions whose passage is there that reach it.
        false_frac: Share of them that reach it when their document is left out: some of these, other documents do
            answer.
        cosine: Cosine from which on a passage speaks of a question that shares few of its words; None = no model's
            vectors.
        questions: How many questions it was set on; 0 = too few, the default stands.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    threshold: float = Field(0.5, ge=0, le=1)
    cosine: float | None = None
    found_frac: float | None = None
    false_frac: float | None = None
    questions: int = 0


class IndexManifest(BaseModel):
    """What an index is."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: int = FORMAT
    embedder: EmbedderIdentity = EmbedderIdentity()
    language: str = "und"
    avg_len: float = 256.0
    titles: bool = True
    kinds: dict[str, int] = Field(default_factory=dict, description="documents by kind")
    parsers: dict[str, str] = Field(default_factory=dict, description="what cut each kind")
    fields: dict[str, FieldInfo] = Field(default_factory=dict)
    documents: int = 0
    chunks: int = 0
    evidence: Evidence = Evidence()
    store: str | None = Field(None, description="address of a Qdrant server that holds it too")
    alias: str = Field("corpusmith", description="its name there")
    content: str = Field("", description="digest of every chunk as a store holds it")
    expand: Literal["none", "parts", "feedback"] = "parts"

    @property
    def dimension(self) -> int | None:
        """Numbers of a vector; None = there are none."""
        return self.embedder.dimension or None

    @property
    def collection(self) -> str:
        """Its collection on a server: one for every state of the corpus, embedder and way to count words."""
        words = fingerprint([self.language, self.avg_len, self.titles])
        return f"{self.alias}-{self.content[:12]}-{words[:6]}-{self.embedder.digest[:6] or 'terms'}"

    def save(self, path: Path) -> None:
        """Write it."""
        path.write_text(self.model_dump_json(indent=1), "utf-8")

    @classmethod
    def load(cls, path: Path) -> IndexManifest:
        """Read it.

        Raises:
            PreconditionError: It is of another version, or damaged.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise PreconditionError(
                f"{path.name} cannot be read: {error.errors()[0]['msg']}", hint="Build the index anew."
            ) from error
