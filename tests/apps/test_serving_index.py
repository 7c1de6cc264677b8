"""The index that a serving process answers from: on the Qdrant server that it was built for, else a copy of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from plain_server import Shop
from qdrant_server import QdrantServer
from retrieval_corpus import ROWS
from retrieval_doubles import add_rows

from corpusmith.apps.compose import App
from corpusmith.apps.serving import declared, make_parts
from corpusmith.core.errors import SourceError
from corpusmith.core.settings import Settings, load_settings
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.tools.index import TOOL

ASK = [{"role": "user", "content": "When is a loaf of bread done baking?"}]


@pytest.fixture
def qdrant(monkeypatch: pytest.MonkeyPatch) -> Iterator[QdrantServer]:
    monkeypatch.setenv("QDRANT_API_KEY", "k")
    with QdrantServer(key="k") as server:
        yield server


def declare(root: Path, **params: Any) -> Settings:
    """Put a model and an index of the small corpus on record as the endpoint `news`."""
    shop, settings = Shop(root), load_settings(root)
    shop.promoted("weights")
    runner = Runner(shop.workspace, LocalEngine(workers=1), services={"qdrant_key": settings.qdrant_api_key})
    index = runner.run_step(TOOL, {"questions": 0, **params}, {"data": add_rows(shop.workspace, ROWS).id}).artifact
    runner.engine.close()
    shop.workspace.close()
    app = App.open(settings, quiet=True)
    declared(app, "news", None, "uvicorn", index.id)
    app.workspace.close()
    return settings


def test_an_index_on_a_server_is_answered_from_there(tmp_path: Path, qdrant: QdrantServer) -> None:
    settings = declare(tmp_path, store=qdrant.url)
    grounder = make_parts(settings, "news").grounders["*"]
    asked = qdrant.asked["query"]
    assert grounder.ground(ASK).citations[0]["row_id"] == "in.jsonl#2"
    assert qdrant.asked["query"] > asked
    assert not (tmp_path / "retrieval").exists()
    grounder.close()  # type: ignore[attr-defined]
    qdrant.stop()
    with pytest.raises(SourceError, match=f"{qdrant.url} cannot be reached"):
        make_parts(settings, "news")


def test_any_other_index_is_answered_from_a_copy(tmp_path: Path, qdrant: QdrantServer) -> None:
    grounder = make_parts(declare(tmp_path), "news").grounders["*"]
    assert grounder.ground(ASK).citations[0]["row_id"] == "in.jsonl#2"
    assert not qdrant.asked
    assert (tmp_path / "retrieval").exists()
    grounder.close()  # type: ignore[attr-defined]
