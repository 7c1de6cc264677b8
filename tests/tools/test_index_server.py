"""The tool `index` with a Qdrant server: what is live, what is left when it dies, what a step found done puts right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from qdrant_server import QdrantServer
from retrieval_corpus import ROWS
from retrieval_doubles import add_rows

from corpusmith.core.errors import SourceError
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner, StepOutcome
from corpusmith.models.retrieval.opening import IndexAccess, manifest_of_index, open_index
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.workspace import Workspace
from corpusmith.tools.index import TOOL

FEWER = [row for row in ROWS if "masons" not in row["text"]]


class Bench:
    """A workspace with two states of one corpus, indexed on a server under the alias `notes`."""

    def __init__(self, root: Path, server: QdrantServer) -> None:
        workspace = Workspace.open(root)
        self.server, self.runner = server, Runner(workspace, LocalEngine(workers=1), services={"qdrant_key": "k"})
        self.data = {"all": add_rows(workspace, ROWS), "fewer": add_rows(workspace, FEWER, "fewer.jsonl")}

    def index(self, data: str, **more: Any) -> StepOutcome:
        params = {"store": self.server.url, "alias": "notes", "questions": 0, **more}
        return self.runner.run_step(TOOL, params, {"data": self.data[data].id})

    def collection(self, made: StepOutcome) -> str:
        return manifest_of_index(made.artifact).collection

    @property
    def aliases(self) -> Mapping[str, str]:
        return {name: of for name, of in self.server.state.aliases.items() if not name.endswith(".ready")}

    def found(self, made: StoredDataset, question: str) -> list[str]:
        with open_index(made, IndexAccess(store_url=self.server.url, store_key=SecretStr("k"))) as opened:
            return [passage.row_id for passage in opened.retriever.search(question, 1)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with QdrantServer(key="k") as server:
        made = Bench(tmp_path, server)
        yield made
        made.runner.engine.close()
        made.runner.workspace.close()


def test_the_newest_index_is_live_and_the_one_before_still_answers(bench: Bench) -> None:
    first = bench.index("all", embedder="lsa")
    second = bench.index("fewer", embedder="lsa")
    assert bench.aliases == {"notes": bench.collection(second), "notes.1": bench.collection(first)}
    kept = bench.server.state.collections
    assert {name: len(of.points) for name, of in kept.items()} == {
        bench.collection(made): made.result["chunks"] for made in (first, second)
    }
    writes = bench.server.asked["upsert"]
    assert bench.found(first.artifact, "the guild of masons cut the granite") == ["in.jsonl#1"]
    assert bench.found(second.artifact, "lactic bacteria keep moulds away")[0].startswith("fewer.jsonl")
    assert bench.server.asked["upsert"] == writes


def test_a_step_found_done_puts_the_alias_back(bench: Bench) -> None:
    first, second = bench.index("all"), bench.index("fewer")
    again = bench.index("all")
    assert (again.cached, again.id) == (True, first.id)
    assert bench.aliases == {"notes": bench.collection(first), "notes.1": bench.collection(second)}
    asked = bench.server.asked.copy()
    assert bench.index("all").cached
    assert bench.server.asked - asked == {"list": 2, "count": 1}  # looked at, nothing to put right


def test_a_step_found_done_fills_again_what_is_gone(bench: Bench) -> None:
    made = bench.index("all")
    bench.server.state.drop(bench.collection(made))
    assert bench.aliases == {}
    assert bench.index("all").cached
    assert bench.aliases == {"notes": bench.collection(made)}
    assert len(bench.server.state.collections[bench.collection(made)].points) == made.result["chunks"]


@pytest.mark.parametrize("at", ["create", "upsert", "aliases"])
def test_a_server_that_dies_while_it_is_indexed_keeps_what_was_live(
    bench: Bench, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpusmith.models.retrieval.store.BATCH", 5)
    first = bench.index("all")
    bench.server.dies_at[at] = bench.server.asked[at] + 1 + (at != "create")  # the second of this step's, save the one
    with pytest.raises(SourceError, match=f"the Qdrant server {bench.server.url} cannot be reached"):
        bench.index("fewer")
    assert bench.aliases == {"notes": bench.collection(first)}
    with pytest.raises(SourceError, match="cannot be reached"):
        bench.index("fewer")
    with pytest.raises(SourceError, match="cannot be reached"):  # a step that was done says so too
        bench.index("all")
    with bench.server.again() as server:
        bench.server = server
        second = bench.index("fewer")
        assert not second.cached
        assert bench.aliases == {"notes": bench.collection(second), "notes.1": bench.collection(first)}
        points = server.state.collections[bench.collection(second)].points
        assert len(points) == second.result["chunks"]


def test_a_wrong_key_leaves_nothing_there(bench: Bench) -> None:
    bench.runner.services = {"qdrant_key": SecretStr("old")}
    with pytest.raises(SourceError, match="answers 401") as caught:
        bench.index("all")
    assert "QDRANT_API_KEY" in caught.value.hint
    assert bench.server.state.collections == {}
    assert bench.runner.workspace.artifacts.ids() == sorted(data.id for data in bench.data.values())
