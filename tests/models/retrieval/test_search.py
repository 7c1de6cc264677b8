"""Search over a filled store: modes, expansion, duplicates, the cross-encoder; questions that a corpus asks itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from retrieval_corpus import ROWS

from corpusmith.models.retrieval.chunking import ChunkSizes
from corpusmith.models.retrieval.chunks import Chunk, chunk_table, chunks_of, content_of, read_chunks
from corpusmith.models.retrieval.fields import FieldFinder
from corpusmith.models.retrieval.fusion import fuse
from corpusmith.models.retrieval.grounder import CorpusGrounder
from corpusmith.models.retrieval.pairs import build_exam
from corpusmith.models.retrieval.search import Retriever
from corpusmith.models.retrieval.store import Hit
from corpusmith.models.retrieval.terms import Terms, count_terms


@pytest.fixture(scope="module")
def chunks() -> list[Chunk]:
    rows = [{"row_id": f"in#{n}", "source": "in", "parent_id": None, **row} for n, row in enumerate(ROWS)]
    return [chunk for chunk, _ in chunks_of(rows, None, ChunkSizes(article=700, article_least=300), FieldFinder())]


def retriever_of(grounder: CorpusGrounder) -> Retriever:
    return grounder.index.retriever


def test_every_mode_finds_what_is_there(grounder: CorpusGrounder) -> None:
    retriever = retriever_of(grounder)
    for mode in ("sparse", "dense", "hybrid"):
        found = retriever.search("Who cut granite for the bridge?", 3, mode=mode)  # type: ignore[arg-type]
        assert found[0].title == "The bridge of Aldwick"
    assert retriever.search("of the and", 3, mode="sparse") == []
    assert retriever.search("zzzz", 3, mode="dense") == []


def test_one_document_gives_as_many_passages_as_are_wanted(grounder: CorpusGrounder) -> None:
    found = retriever_of(grounder).search("heron bridge bread clock", 10, per_row=1)
    assert len({passage.row_id for passage in found}) == len(found)


def test_expansion_widens_and_keeps_the_best_on_top(grounder: CorpusGrounder) -> None:
    retriever = retriever_of(grounder)
    plain = retriever.search("starter yeasts", 3, mode="sparse", expand="none")
    wider = retriever.search("starter yeasts", 10, mode="sparse", expand="feedback")
    assert wider[0].id == plain[0].id
    two = retriever.search("Where do herons nest in spring? Who built the stone bridge?", 4, expand="parts")
    assert {"Herons at the pond", "The bridge of Aldwick"} <= {passage.title for passage in two}
    asked: list[str] = []
    reworded = replace(retriever, reword=lambda question: [asked.append(question) or "tide clock"])  # type: ignore[func-returns-value]
    assert any("Clocks" in passage.title for passage in reworded.search("bread", 6))
    assert asked == ["bread"]


def test_a_cross_encoder_has_the_last_word(grounder: CorpusGrounder) -> None:
    class ByLength:
        def scores(self, question: str, passages: Any) -> list[float]:
            return [-float(len(passage)) for passage in passages]

    found = replace(retriever_of(grounder), reranker=ByLength()).search("bridge", 5)  # type: ignore[arg-type]
    assert [len(p.text) for p in found] == sorted(len(p.text) for p in found)


@pytest.mark.slow
def test_a_cross_encoder_from_a_folder(tmp_path: Path) -> None:
    from retrieval_encoders import small_encoder
    from transformers import BertConfig, BertForSequenceClassification

    from corpusmith.core.errors import SourceError
    from corpusmith.models.retrieval.reranking import CrossEncoder

    folder = small_encoder(tmp_path / "cross")
    config = BertConfig.from_pretrained(folder, num_labels=1)
    BertForSequenceClassification(config).save_pretrained(folder)
    scores = CrossEncoder(folder).scores("frogs", ["the heron", "a bridge of granite"])
    assert len(scores) == 2
    BertForSequenceClassification(BertConfig.from_pretrained(folder, num_labels=3)).save_pretrained(folder)
    with pytest.raises(SourceError, match="several labels"):
        CrossEncoder(folder)


def test_reciprocal_ranks_add_up() -> None:
    a, b, c = (Hit(name, 1.0) for name in "abc")
    found = fuse([(1.0, [a, b]), (0.5, [b, c])])
    assert [hit.id for hit in found] == ["b", "a", "c"]
    assert found[0].score == pytest.approx(1 / 62 + 0.5 / 61)


def test_chunks_survive_as_rows(chunks: list[Chunk]) -> None:
    table = chunk_table([(chunk, '{"k": 1}') for chunk in chunks])
    assert read_chunks(table) == chunks
    assert content_of(chunks) == content_of(chunks[::-1]) != content_of(chunks[1:])
    assert len({chunk.id for chunk in chunks}) == len(chunks)


def test_no_question_stands_in_what_is_searched_for_it(chunks: list[Chunk]) -> None:
    terms, _ = count_terms(Terms("en"), [chunk.indexed() for chunk in chunks])
    exam = build_exam(chunks, terms, 100, 3)
    assert {pair.kind for pair in exam.pairs} >= {"question", "title"}
    shown = [exam.shown(chunk).indexed() for chunk in chunks]
    for pair in exam.pairs:
        assert not any(pair.question.casefold() in " ".join(text.casefold().split()) for text in shown)
        assert set(pair.relevant) <= {chunk.id for chunk in chunks if chunk.parent == pair.row_id}
    taken = [id_ for pair in exam.pairs for id_ in pair.taken]
    assert len(taken) == len(set(taken))
    assert build_exam(chunks, terms, 100, 3) == exam
    assert len(build_exam(chunks, terms, 2, 3).pairs) == 2


def test_weights_are_those_of_bm25() -> None:
    terms = Terms("en", 10.0)
    assert terms.counts("Frogs, frog and a heron; the frog") == {
        terms.query("frog").indices[0]: 3,
        terms.query("heron").indices[0]: 1,
    }
    found = terms.document("frog frog heron")
    expected = [tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * 3 / 10)) for tf in (2, 1)]
    assert sorted(found.values) == pytest.approx(sorted(expected))
    _, stats = count_terms(terms, ["frog heron", "frog"])
    rare = stats.idf([*terms.query("heron").indices, *terms.query("frog").indices, 7])
    assert np.all(rare == np.array([np.log(1.5 / 1.5 + 1), np.log(0.5 / 2.5 + 1), np.log(2.5 / 0.5 + 1)]))


@pytest.mark.parametrize(
    ("language", "one", "other"), [("de", "Häuser", "Hauses"), ("fr", "maisons", "maison"), ("zh", "检索", "检索")]
)
def test_words_are_stemmed_in_the_language_of_the_corpus(language: str, one: str, other: str) -> None:
    terms = Terms(language)
    assert terms.stemmed
    assert set(terms.query(one).indices) == set(terms.query(other).indices) != set()
    assert not Terms("und").stemmed
    assert not Terms("pl").stemmed
