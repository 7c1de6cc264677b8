"""The tool `index`: what it makes, what it refuses, and that an index opened again answers from what it was given."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from retrieval_corpus import ROWS

from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.core.gates import Scorecard
from corpusmith.core.tools import Effect
from corpusmith.models.retrieval.opening import IndexAccess, OpenIndex, open_index
from corpusmith.store.dataset import StoredDataset
from corpusmith.tools.index import TOOL, IndexParams

Make = Callable[..., StoredDataset]


@pytest.fixture
def made(make_dataset: Make, call_tool: Any) -> tuple[Any, StoredDataset]:
    return call_tool(TOOL, IndexParams(embedder="lsa", questions=40), {"data": make_dataset(ROWS)})


@pytest.fixture
def opened(made: tuple[Any, StoredDataset]) -> Iterator[OpenIndex]:
    index = open_index(made[1])
    yield index
    index.close()


def test_chunks_are_rows_that_know_their_document_and_hold_all_of_it(made: Any) -> None:
    result, index = made
    rows = index.table().to_pylist()
    assert (result.documents, result.chunks, result.blank) == (len(ROWS) - 1, len(rows), 1)
    for n, given in enumerate(ROWS):
        own = [row for row in rows if row["parent_id"] == f"in.jsonl#{n}"]
        assert "".join(row["text"] for row in own) == given["text"] * bool(own)
        assert [row["row_id"] for row in own] == [f"in.jsonl#{n}~chunk.{at}" for at in range(len(own))]
    lines = index.ledger().to_pylist()
    assert [line["row_id"] for line in lines if line["rule"] == "blank"] == [f"in.jsonl#{len(ROWS) - 1}"]
    assert sum(line["action"] == "derive" for line in lines) == result.chunks


def test_what_it_finds_is_graded_by_mode_and_kind_with_intervals(made: Any) -> None:
    result, index = made
    card = Scorecard.model_validate_json(index.file("scorecard.json").read_bytes())
    assert set(card.metrics) == {"recall_at_10", "mrr", "ndcg_at_10"}
    report = json.loads(index.file("report.json").read_bytes())
    assert set(report["modes"]) == {"sparse", "dense", "hybrid"}
    assert result.mode == report["mode"] == "hybrid"
    assert result.questions == len(index.file("pairs.jsonl").read_text().splitlines()) >= 4
    assert card.metrics["recall_at_10"].n == result.questions
    assert result.passed is (result.metrics["recall_at_10"] >= 0.5)


def test_the_same_data_make_the_same_index(made: Any, make_dataset: Make, call_tool: Any) -> None:
    result, index = made
    again, other = call_tool(TOOL, IndexParams(embedder="lsa", questions=40), {"data": make_dataset(ROWS)})
    assert other.record.content_digest == index.record.content_digest
    assert again == result
    vectors = [np.load(found.file("vectors.npy")) for found in (index, other)]
    assert np.array_equal(*vectors)
    assert np.allclose(np.linalg.norm(vectors[0], axis=1), 1, atol=1e-5)


def test_an_opened_index_finds_and_filters(opened: OpenIndex) -> None:
    found = opened.retriever.search("pale blue eggs in old alders", 3)
    assert found[0].row_id == "in.jsonl#0"
    assert found[0].fields["author"] == "Ann Lee"
    assert sorted(opened.manifest.fields) == ["author", "date", "platform"]
    assert opened.retriever.store.count() == opened.manifest.chunks


def test_two_processes_worth_of_openings_get_a_copy_each_and_the_artifact_is_left_alone(made: Any) -> None:
    _, index = made
    before = {path: path.stat().st_mtime_ns for path in index.folder.rglob("*")}
    with open_index(index) as one, open_index(index) as two:
        assert one.retriever.search("granite bridge", 2) == two.retriever.search("granite bridge", 2)
    assert {path: path.stat().st_mtime_ns for path in index.folder.rglob("*")} == before
    copies = sorted(path.name for path in (index.folder.parents[1] / "retrieval" / index.id).iterdir() if path.is_dir())
    assert copies == ["0", "1"]


def test_an_index_of_a_changed_dataset_lacks_what_is_gone(make_dataset: Make, call_tool: Any, made: Any) -> None:
    kept = [row for row in ROWS if "masons" not in row["text"]]
    _, index = call_tool(TOOL, IndexParams(questions=0), {"data": make_dataset(kept)})
    with open_index(index) as opened:
        assert opened.retriever.search("guild of masons granite", 3, expand="none") == []
    first = {json.loads(row["meta"])["chunk"]["id"] for row in made[1].table().to_pylist()}
    second = {json.loads(row["meta"])["chunk"]["id"] for row in index.table().to_pylist()}
    assert len(second - first) < len(second)


def test_an_index_built_with_another_embedding_is_refused(made: Any, make_dataset: Make, call_tool: Any) -> None:
    _, index = made
    _, other = call_tool(TOOL, IndexParams(embedder="lsa", dimensions=4, questions=0), {"data": make_dataset(ROWS)})
    with open_index(other) as opened:
        stranger = opened.retriever.embedder
    with pytest.raises(PreconditionError, match=r"was built with lsa .* not with lsa"):
        open_index(index, IndexAccess(embedder=stranger))
    _, plain = call_tool(TOOL, IndexParams(questions=0), {"data": make_dataset(ROWS)})
    with pytest.raises(PreconditionError, match="built with no embeddings, not with lsa"):
        open_index(plain, IndexAccess(embedder=stranger))
    with pytest.raises(PreconditionError, match="is no index"):
        open_index(make_dataset(ROWS))


def test_dense_search_needs_vectors(make_dataset: Make, call_tool: Any) -> None:
    _, index = call_tool(TOOL, IndexParams(questions=0), {"data": make_dataset(ROWS)})
    with open_index(index) as opened, pytest.raises(ParameterError, match="no vectors"):
        opened.retriever.search("frogs", mode="dense")


@pytest.mark.parametrize(
    ("params", "error", "said"),
    [
        ({"embedder": "word2vec"}, ParameterError, "no embedder"),
        ({"embedder": "encoder:"}, ParameterError, "no embedder"),
        ({"post_overlap": 200}, ParameterError, "over half"),
        ({"store": "localhost"}, ParameterError, "no address"),
    ],
)
def test_wrong_parameters_are_refused(
    params: dict[str, Any], error: type[Exception], said: str, make_dataset: Make, call_tool: Any
) -> None:
    with pytest.raises(error, match=said):
        call_tool(TOOL, IndexParams(**params), {"data": make_dataset(ROWS[:2])})


def test_rows_without_text_cannot_be_indexed(make_dataset: Make, call_tool: Any) -> None:
    with pytest.raises(PreconditionError, match="no row has text"):
        call_tool(TOOL, IndexParams(), {"data": make_dataset(["", " \n"])})


def test_another_machine_and_money_need_an_approval() -> None:
    def spent(**params: Any) -> frozenset[Effect]:
        assert TOOL.spends is not None
        return TOOL.spends(IndexParams(**params), {}, {})

    assert spent() == frozenset()
    assert spent(store="http://localhost:6333") == frozenset()
    assert spent(store="https://db.example:6333") == {Effect.PUBLISH}
    assert spent(embedder="endpoint:m") == {Effect.SPEND_MONEY}
    assert spent(embedder="endpoint:m", usd_per_million=0) == frozenset()


def test_the_extra_is_named_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, make_dataset: Make, call_tool: Any, tmp_path: Path
) -> None:
    from corpusmith.models.retrieval import extra

    monkeypatch.setattr(extra, "find_spec", lambda name: None)
    with pytest.raises(PreconditionError, match="extra `retrieve`") as caught:
        call_tool(TOOL, IndexParams(), {"data": make_dataset(ROWS)})
    assert caught.value.hint == "pip install 'corpusmith[retrieve]'"
