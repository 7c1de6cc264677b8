"""What goes live: the index and its gate, the champion behind an endpoint, a canary before; the tools are scripted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from phases_corpus import ASKED, ROWS, registry_of
from pydantic import ConfigDict

from corpusmith.agent.modelling.delivery import index_params
from corpusmith.core.brief import IndexWish
from corpusmith.core.errors import PreconditionError
from corpusmith.core.tools import StepContext, Tool, ToolResult
from corpusmith.tools.deploy import DeployParams
from corpusmith.tools.index import IndexParams

DEPLOYED = ASKED.replace("promote it", "deploy it on port 9000") + ", with a searchable index of the documents"


class AnyResult(ToolResult):
    """Says whatever the phases read."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Delivery:
    """Stand-ins for `index` and `deploy`."""

    def __init__(self) -> None:
        self.recall: float | None = 0.9
        self.failed: dict[bool, str] = {}
        self.deployed: list[DeployParams] = []
        self.roles: list[set[str]] = []
        self.indexed: list[IndexParams] = []
        self.refusal: PreconditionError | None = None

    def index(self, params: IndexParams, ctx: StepContext) -> AnyResult:
        self.indexed.append(params)
        metrics = {} if self.recall is None else {"recall_at_10": self.recall}
        card = {"artifact": "", "metrics": {name: {"value": v, "n": 50} for name, v in metrics.items()}}
        ctx.writer.path("scorecard.json").write_text(json.dumps(card))
        said = {"chunks": 90, "documents": ctx.data().rows, "mode": "sparse", "metrics": metrics, "questions": 50}
        return AnyResult(**said)

    def deploy(self, params: DeployParams, ctx: StepContext) -> AnyResult:
        self.deployed.append(params)
        self.roles.append(set(ctx.inputs))
        if self.refusal is not None:
            raise self.refusal
        failed = self.failed.get(params.canary_share > 0)
        urls = [] if failed else [f"http://127.0.0.1:{params.port}"]
        return AnyResult(  # type: ignore[call-arg]
            deployed=failed is None, failed=failed, undone=["the server is stopped"] if failed else [], urls=urls,
            endpoint=params.endpoint or params.name,
        )  # fmt: skip

    def tools(self, others: Callable[[], dict[str, Tool[Any]]]) -> dict[str, Tool[Any]]:
        index = Tool("index", 1, "pure", IndexParams, self.index, "scripted", makes="index")
        deploy = Tool(
            "deploy", 1, "effect", DeployParams, self.deploy, "scripted", ("model", "index?"), makes="endpoint"
        )
        return {**others(), "index": index, "deploy": deploy}


@pytest.fixture
def delivery(script: Any, monkeypatch: pytest.MonkeyPatch) -> Delivery:
    made, others = Delivery(), script.tools
    monkeypatch.setattr(script, "tools", lambda: made.tools(others))
    return made


def test_the_champion_is_served_with_the_index_and_both_are_told(run_model: Any, delivery: Delivery) -> None:
    outcome, _ = run_model(DEPLOYED, ROWS)
    assert outcome["status"] == 0, outcome["not_achieved"]
    model = outcome["model"]
    assert (model["promoted"], model["deployed"], model["endpoint"]) == (True, True, "http://127.0.0.1:9000/v1")
    assert (delivery.deployed[0].version, delivery.roles) == (1, [{"model", "index"}])
    assert "recall@10 is 0.900" in model["index_line"]
    assert {g["metric"]: g["value"] for g in outcome["gates"]}["recall_at_10"] == 0.9
    assert "127.0.0.1:9000" in Path(outcome["report"]).read_text()


def test_a_model_that_is_not_promoted_is_not_served(run_model: Any, script: Any, delivery: Delivery) -> None:
    script.gains = [0.0]
    outcome, _ = run_model(DEPLOYED, ROWS)
    assert (outcome["status"], outcome["model"]["deployed"], delivery.deployed) == (3, False, [])
    assert "not deployed: model@1 was not promoted" in outcome["not_achieved"]
    assert any(line.startswith("not promoted: gain_over_base_low is") for line in outcome["not_achieved"])
    assert "not deployed: model@1 was not promoted" in Path(outcome["report"]).read_text()


def test_an_index_that_finds_too_little_is_not_served(run_model: Any, delivery: Delivery) -> None:
    delivery.recall = 0.2
    outcome, _ = run_model(DEPLOYED, ROWS)
    assert (outcome["status"], delivery.deployed) == (3, [])
    assert "not deployed: recall_at_10 >= 0.3 does not hold" in outcome["not_achieved"]


def test_what_does_not_come_up_is_told_with_what_was_undone(run_model: Any, delivery: Delivery) -> None:
    delivery.failed[False] = "it did not answer"
    outcome, _ = run_model(DEPLOYED, ROWS)
    assert (outcome["status"], outcome["model"]["deployed"], outcome["model"]["endpoint"]) == (3, False, None)
    assert "not deployed: it did not answer; the server is stopped" in outcome["not_achieved"]


def test_a_refusal_keeps_the_model_and_says_what_to_do(run_model: Any, delivery: Delivery) -> None:
    delivery.refusal = PreconditionError("the port is in use", hint="Name another.")
    outcome, _ = run_model(DEPLOYED, ROWS)
    assert (outcome["status"], outcome["model"]["promoted"]) == (3, True)
    assert "not deployed: the port is in use. Next: Name another." in outcome["not_achieved"]


CANARY = ASKED.replace("promote it", "deploy it with a 20% canary")


def test_a_first_champion_has_nothing_to_be_compared_with(run_model: Any, delivery: Delivery) -> None:
    outcome, session = run_model(CANARY, ROWS)
    assert outcome["status"] == 0, outcome["not_achieved"]
    assert [one.canary_share for one in delivery.deployed] == [0.0]
    assert any("no champion yet" in str(event.data.get("text")) for event in session.log.events())


@pytest.mark.parametrize("failed", [None, "its share of errors is larger"])
def test_a_canary_comes_before_the_promotion(
    run_model: Any, script: Any, delivery: Delivery, failed: str | None
) -> None:
    run_model(CANARY, ROWS)
    delivery.deployed.clear()
    script.gains = [0.3]
    if failed:
        delivery.failed[True] = failed
    outcome, session = run_model(CANARY.replace("rank 8", "rank 4"), ROWS[:-3], run_id="r-2")
    champion = registry_of(session).aliases("model").champion
    if failed:
        assert (champion, [one.canary_share for one in delivery.deployed]) == (1, [0.2])
        assert f"not promoted: its canary failed: {failed}" in outcome["not_achieved"]
    else:
        assert (champion, [one.canary_share for one in delivery.deployed]) == (2, [0.2, 0.0])


def test_documents_alone_are_indexed_and_a_replay_indexes_them_anew(run_model: Any, delivery: Delivery) -> None:
    outcome, _ = run_model("Deduplicate the documents and build a search index, passages of 400 characters", ROWS)
    assert outcome["status"] == 0, outcome["not_achieved"]
    assert outcome["model"]["index"]
    assert outcome["model"]["ref"] is None
    asked = delivery.indexed[0]
    assert (asked.post_size, asked.article_size, asked.article_least) == (400, 400, 200)
    recipe = yaml.safe_load(Path(outcome["recipe"]).read_text())
    assert recipe["trigger"]["index"] == "index-1"
    assert recipe["trigger"]["model"] is None


@pytest.mark.parametrize(
    "wish",
    [
        IndexWish(),
        IndexWish(chunk_chars=60),
        IndexWish(chunk_chars=300, overlap_chars=30),
        IndexWish(overlap_chars=100),
        IndexWish(kind="code", embedder="lsa", store="http://localhost:6333", filters=("author", "shop")),
    ],
)
def test_every_wish_is_one_that_the_tool_takes(wish: IndexWish) -> None:
    params = IndexParams.model_validate(index_params(wish, "my corpus"))
    assert 2 * params.post_overlap <= params.post_size
    assert 2 * params.code_overlap <= params.code_size
    assert 2 * params.article_least <= params.article_size
