"""Retrieval, measured: how well passages are found, how fast, and whether eight writers at once lose any.

    python benchmarks/retrieval.py quality ARTICLES.json [--encoder FOLDER] [--questions 300] [--write FILE.md]
    python benchmarks/retrieval.py evidence FILE [FILE ...] [--write FILE.md]
    python benchmarks/retrieval.py stores [--chunks 20000] [--queries 200] [--write FILE.md]

`quality` reads articles (the LLM Twin's, or any file that `ingest` reads), builds the questions that the corpus asks
itself (`models.retrieval.pairs`: what is asked is taken out of what answers it) and asks them of BM25, of latent
semantic analysis, of an encoder where a folder is given, and of both fused; then of BM25 with relevance feedback and
without titles.

`evidence` asks the same questions of the words alone, with the document that answers them and without it, then without
the passages alone, and shows how well the evidence that something was found tells the two apart.

`stores` fills the embedded Qdrant Edge shard and qdrant-client's local mode (on disk, and in memory) with the same
points, 384 numbers and about 100 words each, and times the same questions; then lets 8 threads write to each.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.models.retrieval.chunking import ChunkSizes
from corpusmith.models.retrieval.chunks import Chunk, chunks_of
from corpusmith.models.retrieval.edge_store import EdgeStore
from corpusmith.models.retrieval.embedding import Embedder, reads_titles, unit
from corpusmith.models.retrieval.encoder import FolderEncoder
from corpusmith.models.retrieval.evidence import STANDING_WEIGHT, standing, support
from corpusmith.models.retrieval.examining import Answered, Indexed, ask_exam, exam_copy
from corpusmith.models.retrieval.fields import FieldFinder
from corpusmith.models.retrieval.fusion import fuse
from corpusmith.models.retrieval.lsa import LsaEmbedder
from corpusmith.models.retrieval.pairs import Exam, Pair, build_exam
from corpusmith.models.retrieval.search import Retriever, passage_of
from corpusmith.models.retrieval.server_store import ServerStore
from corpusmith.models.retrieval.store import DENSE, TERMS, Search, StoredPoint, VectorStore
from corpusmith.models.retrieval.terms import Terms, count_terms
from corpusmith.ops.grading.retrieval import ranking_metrics
from corpusmith.ops.markdown import table
from corpusmith.store.workspace import Workspace
from corpusmith.tools.index_chunks import language_of
from corpusmith.tools.index_grades import grades_of
from corpusmith.tools.ingest import TOOL as INGEST

METRICS = ("recall_at_10", "mrr", "ndcg_at_10")
KEPT = ("0.95", "0.90", "0.80")
BATCH, DIMENSION, WORDS, WRITERS = 100, 384, 100, 8


def read_chunks_of(source: Path, folder: Path) -> list[Chunk]:
    """The chunks of a file's rows, cut as the tool `index` cuts by default."""
    workspace = Workspace.open(folder)
    runner = Runner(workspace, LocalEngine(workers=1))
    data = runner.run_step(INGEST, {"sources": [str(source)]}, {}).artifact
    finder = FieldFinder()
    chunks = [c for t in data.batches() for c, _ in chunks_of(t.to_pylist(), None, ChunkSizes(), finder)]
    runner.engine.close()
    workspace.close()
    return chunks


def quality(source: Path, encoder: Path | None, questions: int, seed: int) -> str:
    """The table of grades."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chunks = read_chunks_of(source, folder)
        language = language_of([chunk.text for chunk in chunks])
        texts = [chunk.indexed() for chunk in chunks]
        terms, stats = count_terms(Terms(language), texts)
        exam = build_exam(chunks, terms, questions, seed)
        kinds = {
            kind: sum(pair.kind == kind for pair in exam.pairs) for kind in ("question", "heading", "title", "sentence")
        }
        print(f"{len(chunks)} chunks, {len(exam.pairs)} questions {kinds}", file=sys.stderr)
        rows = []

        def graded(embedder: Embedder | None, titles: bool = True, expand: Any = "parts") -> Answered:
            shown = titles and embedder is not None and reads_titles(embedder)
            vectors = None if embedder is None else embedder.passages([chunk.indexed(shown) for chunk in chunks])
            return ask_exam(Indexed(chunks, terms, titles, embedder, vectors), exam, folder / "scratch", expand=expand)

        plain = graded(LsaEmbedder.fit(terms, stats, texts))
        rows.append(_row("BM25", exam, plain.found["sparse"]))
        rows.append(_row("BM25 with feedback", exam, graded(None, expand="feedback").found["sparse"]))
        rows.append(_row("BM25 without titles", exam, graded(None, titles=False).found["sparse"]))
        rows.append(_row("dense, LSA of 256", exam, plain.found["dense"]))
        rows.append(_row("hybrid, BM25 and LSA", exam, plain.found["hybrid"]))
        if encoder is not None:
            model = FolderEncoder(encoder)
            found = graded(model)
            rows.append(_row(f"dense, {encoder.name}", exam, found.found["dense"]))
            rows.append(_row(f"hybrid, BM25 and {encoder.name}", exam, found.found["hybrid"]))
        head = ("search", "recall@10", "MRR", "nDCG@10", *(f"nDCG@10, {kind} ({n})" for kind, n in kinds.items() if n))
        documents = len({chunk.parent for chunk in chunks})
        about = f"{source.name}: {len(chunks)} chunks of {documents} documents, {len(exam.pairs)} questions."
        return f"{about}\n\n{table(head, rows)}\n"


def evidence(sources: Sequence[Path], questions: int, seed: int) -> str:
    """The table of how answerable questions are told from others."""
    rows = []
    for source in sources:
        with tempfile.TemporaryDirectory() as name:
            chunks = read_chunks_of(source, Path(name))
            terms, _ = count_terms(Terms(language_of([c.text for c in chunks])), [c.indexed() for c in chunks])
            exam = build_exam(chunks, terms, questions, seed)
            with exam_copy(Indexed(chunks, terms, True, None, None), exam, Path(name)) as retriever:
                scores = np.array([_evidence(retriever, pair) for pair in exam.pairs])
        for kind, label in enumerate(("support", "and how far it stands out")):
            there, away, near = scores[:, :, kind].T
            kept = [np.quantile(there, 1 - float(share), method="lower") for share in KEPT]
            cells = (
                f"{_auc(there, away):.3f}",
                f"{_auc(there, near):.3f}",
                *(f"{(away >= k).mean():.2f}" for k in kept),
            )
            rows.append((f"{source.stem} ({len(chunks):,} chunks, {len(exam.pairs)} questions)", label, *cells))
    head = ("corpus", "evidence", "AUC, document out", "AUC, passages out", *(f"false, {k} found" for k in KEPT))
    return f"{table(head, rows)}\n"


def _evidence(retriever: Retriever, pair: Pair) -> list[tuple[float, float]]:
    """Support, and with how far the best stands out: as it is, without the document, without the passages."""
    terms, stats, out = retriever.terms, retriever.stats, []
    query = terms.query(pair.question)
    hits = retriever.store.search(Search(TERMS, query, 60))
    rest = [hit for hit in hits if hit.id not in pair.relevant]
    other = retriever.store.search(Search(TERMS, query, 60, (), (pair.row_id,)))
    for found in (hits, other, rest):
        held = support(query, [passage_of(hit) for hit in found], terms, stats)
        stands = standing([hit.score for hit in found], query, stats)
        out.append((held, held + STANDING_WEIGHT * stands))
    return out


def _auc(there: Any, away: Any) -> float:
    """The share of pairs in which an answerable question has more evidence than one that is not."""
    first, second = there[:, None], away[None, :]
    return float(np.mean((first > second) + 0.5 * (first == second)))


def _row(name: str, exam: Exam, answers: Sequence[Sequence[str]]) -> tuple[str, ...]:
    grades = grades_of(exam, answers)
    found = ranking_metrics(grades)
    cells = [f"{found[m].value:.3f} ({found[m].low:.3f} to {found[m].high:.3f})" for m in METRICS]
    for kind in ("question", "heading", "title", "sentence"):
        some = [grade for pair, grade in zip(exam.pairs, grades, strict=True) if pair.kind == kind]
        if some:
            cells.append(f"{ranking_metrics(some)['ndcg_at_10'].value:.3f}")
    return (name, *cells)


def stores(chunks: int, queries: int, seed: int) -> str:
    """The table of times and of writes lost."""
    from qdrant_client import QdrantClient

    points = made_points(chunks, seed)
    rng = np.random.default_rng(seed + 1)
    asked = [points[at] for at in rng.integers(0, chunks, queries)]
    vectors = unit(
        np.array([p.dense for p in asked]) + 0.3 * rng.standard_normal((queries, DIMENSION)).astype(np.float32) / 20
    )
    words = [type(p.terms)(p.terms.indices[:8], (1.0,) * len(p.terms.indices[:8])) for p in asked]
    rows = []
    with tempfile.TemporaryDirectory() as name:
        opened: list[tuple[str, Callable[[], VectorStore]]] = [
            ("qdrant-edge, on disk", lambda: EdgeStore(Path(name) / "edge", DIMENSION)),
            ("qdrant-client local, memory", lambda: ServerStore(QdrantClient(":memory:"), "c", DIMENSION)),
        ]
        for label, make in opened:
            warnings.simplefilter("ignore")
            store = make()
            started = time.perf_counter()
            for start in range(0, chunks, BATCH):
                store.upsert(points[start : start + BATCH])
            filled = chunks / (time.perf_counter() - started)
            rows.append((label, f"{filled:,.0f}", *_times(store, vectors, words)))
            store.close()
        lost = [(label, *_writers(make)) for label, make in _fresh(Path(name))]
    head = ("store", "points/s in", "dense p50 ms", "BM25 p50 ms", "hybrid p50 ms", "hybrid p95 ms")
    about = f"{chunks:,} chunks of {DIMENSION} numbers and {WORDS} words, {queries} questions, 10 passages each."
    lost_head = ("store", "writers", "written", "there", "errors")
    return f"{about}\n\n{table(head, rows)}\n\n{table(lost_head, lost)}\n"


def _times(store: VectorStore, vectors: Any, words: Any) -> tuple[str, ...]:
    """Milliseconds: p50 of dense, of sparse and of both fused, p95 of both fused."""
    pairs = list(zip(vectors, words, strict=True))
    dense = [_timed(lambda v=v: store.search(Search(DENSE, v, 10))) for v, _ in pairs]
    sparse = [_timed(lambda w=w: store.search(Search(TERMS, w, 10))) for _, w in pairs]
    both = [_timed(lambda v=v, w=w: _hybrid(store, v, w)) for v, w in pairs]
    return (*(f"{_p50(times):.2f}" for times in (dense, sparse, both)), f"{_p95(both):.2f}")


def made_points(count: int, seed: int) -> list[StoredPoint]:
    """Points whose words follow Zipf's law and whose vectors lie in 200 clusters."""
    import uuid

    rng = np.random.default_rng(seed)
    terms = Terms("en", float(WORDS))
    vocabulary = [f"word{n}" for n in range(30_000)]
    centres = rng.standard_normal((200, DIMENSION)).astype(np.float32)
    out = []
    for start in range(0, count, 1000):
        size = min(1000, count - start)
        picked = np.minimum(rng.zipf(1.15, (size, WORDS)) - 1, len(vocabulary) - 1)
        near = unit(
            centres[rng.integers(0, 200, size)] + 0.7 * rng.standard_normal((size, DIMENSION)).astype(np.float32)
        )
        for n in range(size):
            text = " ".join(vocabulary[at] for at in picked[n])
            id_ = str(uuid.UUID(int=int(rng.integers(0, 1 << 62)) << 60 | start + n))
            payload = {"chunk_id": id_, "row_id": f"r#{start + n}", "source": "r", "title": "", "url": "", "text": text,
                       "digest": "0", "fields": {"author": f"author {n % 20}"}}  # fmt: skip
            out.append(StoredPoint(id_, terms.document(text), near[n], payload))
    return out


def _hybrid(store: VectorStore, vector: Any, words: Any) -> None:
    fuse([(1.0, store.search(Search(DENSE, vector, 50))), (1.0, store.search(Search(TERMS, words, 50)))])


def _fresh(folder: Path) -> list[tuple[str, Callable[[], VectorStore]]]:
    from qdrant_client import QdrantClient

    return [
        ("qdrant-edge, on disk", lambda: EdgeStore(folder / "writers", DIMENSION)),
        ("qdrant-client local, memory", lambda: ServerStore(QdrantClient(":memory:"), "w", DIMENSION)),
        ("qdrant-client local, disk", lambda: ServerStore(QdrantClient(path=str(folder / "local")), "w", DIMENSION)),
    ]


def _writers(make: Callable[[], VectorStore]) -> tuple[str, ...]:
    """8 threads, each 500 points of its own in batches of 50."""
    store = make()
    points = made_points(WRITERS * 500, 5)
    errors: list[str] = []

    def write(at: int) -> None:
        for start in range(at * 500, at * 500 + 500, 50):
            try:
                store.upsert(points[start : start + 50])
            except Exception as error:  # noqa: BLE001 - what a store does under threads is what is measured
                errors.append(type(error).__name__)

    threads = [threading.Thread(target=write, args=(at,)) for at in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    there = "?"
    with contextlib.suppress(Exception):
        there = str(len(store.digests()))
    store.close()
    said = ", ".join(f"{errors.count(name)} {name}" for name in sorted(set(errors))) or "none"
    return str(WRITERS), str(len(points)), there, said


def _timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def _p50(times: Sequence[float]) -> float:
    return float(np.quantile(times, 0.5))


def _p95(times: Sequence[float]) -> float:
    return float(np.quantile(times, 0.95))


def main() -> None:
    """Measure, print, and replace the part of a file between the marks where one is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("quality", "evidence", "stores"))
    parser.add_argument("source", type=Path, nargs="*")
    parser.add_argument("--encoder", type=Path)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--chunks", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    if given.what == "quality":
        if len(given.source) != 1:
            parser.error("quality needs a file of articles")
        text = quality(given.source[0], given.encoder, given.questions, given.seed)
    elif given.what == "evidence":
        text = evidence(given.source, given.questions, given.seed)
    else:
        text = stores(given.chunks, given.queries, given.seed)
    print(text)
    if given.write is not None:
        begin, end = f"<!-- {given.what} -->\n", f"<!-- /{given.what} -->\n"
        old = given.write.read_text("utf-8")
        head, _, rest = old.partition(begin)
        given.write.write_text(f"{head}{begin}\n{text}\n{end}{rest.partition(end)[2]}", "utf-8")


if __name__ == "__main__":
    main()
