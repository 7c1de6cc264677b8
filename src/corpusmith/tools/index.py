"""The `index` tool: a dataset's documents as chunks that can be found again, graded before anyone asks them anything.

The artifact holds the chunks as rows (children of their documents), their vectors, and what it takes to open it
(`models.retrieval.index_file`). Its quality is measured on questions that the corpus itself asks and answers.

Side files beside those: scorecard.json (recall_at_10, mrr, ndcg_at_10 of the mode that will answer), report.json (every
mode, by kind of question), pairs.jsonl (each question, what answers it, what was found).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
from pydantic import Field

from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.core.tools import Dataset, Effect, StepContext, Tool, ToolParams, ToolResult
from corpusmith.models.hosted.access import HostedAccess
from corpusmith.models.retrieval.building import EmbedderAccess, embedder_digest, open_embedder
from corpusmith.models.retrieval.chunking import ChunkSizes
from corpusmith.models.retrieval.chunks import content_of
from corpusmith.models.retrieval.embedding import Embedder, EmbedderIdentity, parse_embedder, reads_titles
from corpusmith.models.retrieval.endpoint import EndpointTerms
from corpusmith.models.retrieval.examining import Indexed, ask_exam
from corpusmith.models.retrieval.extra import need_retrieval_libraries
from corpusmith.models.retrieval.fields import FieldFinder
from corpusmith.models.retrieval.index_file import LSA, MANIFEST, STATS, VECTORS, Evidence, IndexManifest
from corpusmith.models.retrieval.kinds import Kind
from corpusmith.models.retrieval.lsa import DIMENSION, LsaEmbedder
from corpusmith.models.retrieval.pairs import build_exam
from corpusmith.models.retrieval.search import Mode
from corpusmith.models.retrieval.server_store import LOOPBACK, open_client
from corpusmith.models.retrieval.terms import Terms, TermStats, count_terms
from corpusmith.models.retrieval.vector_memory import embed_all
from corpusmith.tools.index_chunks import cut_documents, language_of
from corpusmith.tools.index_grades import write_grades
from corpusmith.tools.index_server import publish, repair_with

MEMORY = "vectors.sqlite"


class IndexParams(ToolParams):
    """How documents are cut, embedded, kept and graded."""

    kind: Literal["auto", "post", "code", "article"] = Field("auto", description="what the rows are; auto = by row")
    post_size: int = Field(250, ge=50, le=100_000, description="characters of a post's chunk at most")
    post_overlap: int = Field(25, ge=0, description="characters that two chunks of a post share at most")
    code_size: int = Field(1500, ge=50, le=100_000, description="characters of a chunk of code at most")
    code_overlap: int = Field(100, ge=0, description="characters that two chunks of code share at most")
    article_size: int = Field(2000, ge=100, le=100_000, description="characters of an article's chunk at most")
    article_least: int = Field(1000, ge=1, description="characters of an article's chunk at least, where it can be")
    titles: bool = Field(True, description="by its words, a chunk is also found by its document's title")
    language: str | None = Field(None, description="ISO 639-1 code of the corpus, for stems; null = found")
    embedder: str = Field(
        "none", description="none (words alone), lsa, encoder:FOLDER, encoder:HUB/NAME or endpoint:MODEL"
    )
    dimensions: int | None = Field(
        None, ge=2, le=8192, description="numbers of a vector, for lsa and endpoint; null = 256, or the model's own"
    )
    usd_per_million: float | None = Field(
        None, ge=0, description="price of a million embedded tokens; 0 = an own server, which needs no approval"
    )
    fields: dict[str, str] = Field(
        default_factory=dict, description="field to filter on -> its dotted path in meta; author, platform and date "
        "are found where they are named as usual"
    )  # fmt: skip
    store: str | None = Field(None, description="address of a Qdrant server that is to hold the index too")
    alias: str = Field(
        "corpusmith", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", description="the index's name on the server"
    )
    expand: Literal["none", "parts", "feedback"] = Field("parts", description="how questions are widened when graded")
    questions: int = Field(200, ge=0, le=5000, description="questions that the index is graded on at most; 0 = none")
    least_recall: float = Field(0.5, ge=0, le=1, description="recall_at_10 that the index is to reach")


class IndexResult(ToolResult):
    """What was made, and how well it finds."""

    documents: int
    chunks: int
    blank: int = Field(description="rows without text; they have no chunk")
    kinds: dict[str, int]
    parsers: dict[str, str]
    language: str
    embedder: str
    dimension: int
    embedded: int = Field(description="chunks embedded now; the others' vectors were remembered")
    fields: list[str]
    questions: int
    mode: str
    metrics: dict[str, float] = Field(description="of the mode that will answer; none = not graded")
    passed: bool | None = Field(description="whether recall_at_10 reached least_recall; null = not graded")
    threshold: float = Field(description="evidence that a passage speaks of a question, at least")
    store: str | None
    notes: tuple[str, ...] = ()


def check(params: IndexParams, inputs: Mapping[str, Dataset]) -> None:
    """Refuse what cannot be indexed, before anything is written.

    Raises:
        PreconditionError: The extra `retrieve` is missing, or the data has no rows.
        ParameterError: Sizes that do not fit each other, no such embedder, or a server's address that is none.
    """
    need_retrieval_libraries()
    parse_embedder(params.embedder)
    pairs = (params.post_overlap, params.post_size), (params.code_overlap, params.code_size)
    if any(2 * overlap > size for overlap, size in pairs) or 2 * params.article_least > params.article_size:
        raise ParameterError(
            "index: an overlap, or the least length of an article's chunk, is over half of the chunk",
            hint="Lower post_overlap, code_overlap or article_least.",
        )
    if params.store is not None:
        open_client(params.store).close()
    if not inputs["data"].rows:
        raise PreconditionError("index: there are no rows to index", hint="Give a dataset with rows.")


def run(params: IndexParams, ctx: StepContext) -> IndexResult:
    """Cut, embed, grade and write.

    Raises:
        PreconditionError: No row has text, or they are too few for the embedder.
        SourceError: A server or an encoder is not there.
        BudgetExceeded: The embeddings cost more than the run has left.
    """
    finder, notes = FieldFinder(params.fields), list[str]()
    kind: Kind | None = None if params.kind == "auto" else params.kind
    cut = cut_documents(ctx, kind, _sizes(params), finder)
    chunks = cut.chunks
    if not chunks:
        raise PreconditionError("index: no row has text", hint="Look at `corpusmith data show`.")
    fields = finder.fields()
    notes += [f"no row has {path!r}, the field {name}" for name, path in params.fields.items() if name not in fields]
    language = params.language or language_of([chunk.text for chunk in chunks])
    texts = [chunk.indexed(params.titles) for chunk in chunks]
    terms, stats = count_terms(Terms(language), texts)
    if not terms.stemmed:
        notes.append(f"words are not stemmed: there are no stems for the language {language!r}")
    embedder = _embedder(params, ctx, terms, stats, texts)
    vectors, embedded = None, 0
    if embedder is not None:
        read = texts if reads_titles(embedder) else [chunk.indexed(False) for chunk in chunks]
        vectors, embedded = embed_all(embedder, read, _memory(ctx), _telling(ctx, len(texts)))
    indexed = Indexed(chunks, terms, params.titles, embedder, vectors)
    exam = build_exam(chunks, terms, params.questions, ctx.seed)
    answered = None
    if exam.pairs:
        ctx.emit(f"index: {len(exam.pairs)} questions that the corpus asks itself")
        answered = ask_exam(indexed, exam, ctx.scratch, expand=params.expand, check=ctx.cancel.check)
    elif params.questions:
        notes.append("not graded: the corpus asks no question of its own")
    manifest = IndexManifest(
        embedder=EmbedderIdentity() if embedder is None else embedder.identity,
        language=language,
        avg_len=terms.avg_len,
        titles=params.titles,
        expand=params.expand,
        kinds=cut.kinds,
        parsers=cut.parsers(),
        fields=fields,
        documents=cut.documents,
        chunks=len(chunks),
        evidence=Evidence() if answered is None else answered.evidence,
        store=params.store,
        alias=params.alias,
        content=content_of(chunks),
    )
    ctx.cancel.check()
    manifest.save(ctx.writer.path(MANIFEST))
    stats.save(ctx.writer.path(STATS))
    if vectors is not None:
        np.save(ctx.writer.path(VECTORS), vectors, allow_pickle=False)
    if isinstance(embedder, LsaEmbedder):
        embedder.save(ctx.writer.path(LSA))
    mode: Mode = "sparse" if embedder is None else "hybrid"
    metrics = {name: found.value for name, found in write_grades(ctx.writer, exam, answered, mode, ctx.seed).items()}
    if params.store is not None:
        publish(ctx, manifest, indexed)
    return IndexResult(
        documents=cut.documents,
        chunks=len(chunks),
        blank=ctx.data().rows - cut.documents,
        kinds=cut.kinds,
        parsers=manifest.parsers,
        language=language,
        embedder=manifest.embedder.describe(),
        dimension=manifest.embedder.dimension,
        embedded=embedded,
        fields=sorted(fields),
        questions=len(exam.pairs),
        mode=mode,
        metrics={name: round(value, 6) for name, value in metrics.items()},
        passed=None if answered is None else metrics["recall_at_10"] >= params.least_recall,
        threshold=manifest.evidence.threshold,
        store=params.store,
        notes=tuple(notes),
    )


def _sizes(params: IndexParams) -> ChunkSizes:
    return ChunkSizes(
        post=params.post_size,
        post_overlap=params.post_overlap,
        code=params.code_size,
        code_overlap=params.code_overlap,
        article=params.article_size,
        article_least=params.article_least,
    )


def _embedder(
    params: IndexParams, ctx: StepContext, terms: Terms, stats: TermStats, texts: Sequence[str]
) -> Embedder | None:
    if params.embedder == "lsa":
        ctx.emit("index: fitting dense vectors on the corpus")
        return LsaEmbedder.fit(terms, stats, texts, params.dimensions or DIMENSION)
    terms_of = EndpointTerms(params.usd_per_million, ctx.budget, dimensions=params.dimensions)
    openai = ctx.services.get("openai") or HostedAccess()
    return open_embedder(params.embedder, EmbedderAccess(openai, ctx.services.get("hub"), terms_of))


def _memory(ctx: StepContext) -> Path | None:
    folder = ctx.services.get("retrieval")
    return None if folder is None else Path(folder) / MEMORY


def _telling(ctx: StepContext, total: int) -> Callable[[int], None]:
    def told(done: int) -> None:
        ctx.cancel.check()
        ctx.emit(f"index: {done:,} of {total:,} chunks embedded")

    return told


def spends(params: IndexParams, _inputs: Mapping[str, Dataset], _services: Mapping[str, Any]) -> frozenset[Effect]:
    """Money, where a server that is not one's own embeds; publishing, where another machine is to hold the index."""
    found = set()
    if params.embedder.startswith("endpoint:") and params.usd_per_million != 0:
        found.add(Effect.SPEND_MONEY)
    if params.store is not None and (urlsplit(params.store).hostname or "") not in LOOPBACK:
        found.add(Effect.PUBLISH)
    return frozenset(found)


def _snapshot(params: IndexParams, services: Mapping[str, Any]) -> dict[str, Any]:
    """The encoder's digest: another encoder at the same name is another index."""
    if not params.embedder.startswith("encoder:"):
        return {}
    return {"embedder": embedder_digest(params.embedder, services.get("hub"))}


TOOL = Tool(
    name="index",
    version=2,
    kind="pure",
    params=IndexParams,
    run=run,
    summary="Cut documents into chunks that can be searched by words and meaning, and grade how well they are found.",
    makes="index",
    check=check,
    snapshot=_snapshot,
    spends=spends,
    repair=lambda params, index, services: repair_with(params.store, services.get("qdrant_key"), index),
)
