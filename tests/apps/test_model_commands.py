"""`corpusmith model ...` as a person meets it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hand_made_models import GOOD, commit_files, make_evaluation, make_real_model, tiny_weights
from huggingface_hub import ModelCard

from corpusmith.store.workspace import Workspace


class Shop:
    """A workspace with a base, and a way to make models of the finished run's data and evaluations of them."""

    def __init__(self, root: Path, data: str) -> None:
        self.root, self.data = root, data
        self.where = ("--workspace", str(root / "ws"))
        self.workspace = Workspace.open(root / "ws")
        self.base = self._make("base", None, None)

    def _make(self, text: str, base: str | None, data: str | None) -> str:
        folder = tiny_weights(self.root / "weights" / text, text)
        return make_real_model(self.workspace.artifacts, folder, base=base, data=data)

    def model(self, text: str) -> str:
        return self._make(text, self.base, self.data)

    def evaluation(self, model: str, metrics: Any = None, champion: str | None = None) -> str:
        store = self.workspace.artifacts
        return make_evaluation(store, model, metrics, base=self.base, train=self.data, champion=champion)


@pytest.fixture
def shop(finished: Any, tmp_path: Path) -> Any:
    shutil.copytree(finished["workspace"], tmp_path / "ws")
    opened = Workspace.open(tmp_path / "ws")
    data = opened.resolve("dataset").id
    opened.close()
    made = Shop(tmp_path, data)
    yield made
    made.workspace.close()


def promoted(shop: Shop, call: Any, text: str = "one") -> str:
    artifact = shop.model(text)
    done = call(
        "model", "promote", artifact, "--evaluation", shop.evaluation(artifact), "--name", "news", *shop.where, "--json"
    )
    assert (done.status, done.json["promoted"]) == (0, True)
    return artifact


def test_from_registration_to_rollback(shop: Shop, call: Any) -> None:
    one = promoted(shop, call)
    two = shop.model("two")
    done = call("model", "register", two, "--name", "news", *shop.where, "--json")
    assert (done.status, done.json["ref"], done.json["aliases"]) == (0, "news@2", ["candidate"])
    passing = shop.evaluation(two, champion=one)
    done = call("model", "promote", "news@candidate", "--evaluation", passing, "--expected", "1", *shop.where)
    assert done.status == 0
    assert "news@2 is the champion; before: 1" in done.out
    assert "already" in call("model", "promote", "news@2", "--evaluation", passing, *shop.where).out
    back = call("model", "rollback", "news", "--why", "it was slow", *shop.where, "--json")
    assert (back.json["champion"], back.json["previous"]) == (1, 2)
    shown = call("model", "show", "news@champion", *shop.where)
    for words in ("news@1", "it was slow", "champion: 2 -> 1", "gates hold", "gain_over_base_low > 0"):
        assert words in shown.out
    listed = call("model", "list", *shop.where, "--json").json["models"]
    assert [(m["ref"], m["aliases"]) for m in listed] == [("news@1", ["champion"]), ("news@2", ["previous"])]
    assert "@" in listed[0]["by"]


def test_a_gate_that_fails_is_status_3_and_the_champion_stays(shop: Shop, call: Any) -> None:
    one, two = promoted(shop, call), shop.model("two")
    worse = shop.evaluation(two, {**GOOD, "gain_over_champion_low": -0.3}, champion=one)
    words = ("model", "promote", two, "--evaluation", worse, "--name", "news", *shop.where)
    done = call(*words)
    assert done.status == 3
    assert "FAIL gain_over_champion_low" in done.out
    assert "not worse than the champion" in done.err
    assert (call(*words, "--json").json["status"], call(*words, "--json").json["promoted"]) == (3, False)
    assert call(*words, "--tolerance", "0.5").status == 0


@pytest.mark.parametrize("value", [None, 0.1])
def test_a_floor_that_is_typed_counts_and_a_nan_never_passes(shop: Shop, call: Any, value: float | None) -> None:
    one = shop.model("one")
    words = ("model", "promote", one, "--evaluation", shop.evaluation(one, {**GOOD, "accuracy": value}))
    done = call(*words, "--name", "news", "--gate", "accuracy >= 0.5", *shop.where)
    assert done.status == 3
    assert "FAIL accuracy >= 0.5" in done.out


def test_what_is_wrong_is_one_line_and_status_2(shop: Shop, call: Any) -> None:
    one, two = promoted(shop, call), shop.model("two")
    weights = shop.workspace.artifacts.open(two).file("model/model.safetensors")
    fine, evaluation = weights.read_bytes(), shop.evaluation(two, champion=one)
    promote = ("model", "promote", two, "--name", "news", "--evaluation")
    wrong = [
        ("model", "show", "olds"),
        ("model", "show", shop.data),
        ("model", "promote", two, "--evaluation", evaluation),
        (*promote, "ffffffff"),
        (*promote, shop.evaluation(one)),
        (*promote, evaluation, "--gate", "accuracy is good"),
        (*promote, evaluation, "--expected", "7"),
        ("model", "rollback", "news"),
        ("model", "rollback", "olds"),
        ("model", "register", two, "--name", "a b"),
        ("model", "export", two, "--to", "out", "--as", "gguf"),
        ("model", "export", two, "--to", "out", "--as", "adapter"),
        ("model", "export", two, "--to", "no/such/out"),
        ("model", "lineage", two, "--row", "words that stood nowhere"),
    ]
    for words in wrong:
        done = call(*words, *shop.where)
        assert (words, done.status) == (words, 2)
        assert "next:" in done.err
        assert "Traceback" not in done.err
    weights.write_bytes(fine[:-1] + b"0")
    tampered = call(*promote, evaluation, *shop.where)
    assert tampered.status == 2
    assert "not those that were recorded" in tampered.err
    assert call("model", "export", two, "--to", "out", *shop.where).status == 2
    assert not (shop.root / "out").exists()
    listed = call("model", "list", *shop.where, "--json").json["models"]
    assert [m["aliases"] for m in listed if m["ref"] == "news@1"] == [["champion"]]


def test_export_writes_a_whole_folder_with_a_card_the_hub_can_read(shop: Shop, call: Any) -> None:
    promoted(shop, call)
    done = call("model", "export", "news@champion", "--to", "out", *shop.where, "--json")
    assert (done.status, done.json["form"], done.json["path"]) == (0, "full", str(shop.root / "out"))
    card = ModelCard.load(shop.root / "out" / "README.md")
    assert {r.metric_type: r.metric_value for r in card.data.eval_results}["accuracy"] == 0.8
    for words in ("news@1", "ingest (", "format (", "gain_over_base_low", "20 rows"):
        assert words in card.content
    assert (shop.root / "out" / "model.safetensors").read_bytes().endswith(b"one")
    assert call("model", "export", "news", "--to", "out", *shop.where).status == 2


def test_lineage_goes_back_to_a_row(shop: Shop, call: Any) -> None:
    promoted(shop, call)
    told = call("model", "lineage", "news", *shop.where)
    assert told.status == 0
    for words in ("digest", "ingest", "format", "articles.jsonl"):
        assert words in told.out
    chain = call("model", "lineage", "news", *shop.where, "--json").json["chain"]
    assert [len(step["data"]) for step in chain] == [1, 0]
    table = shop.workspace.artifacts.open(shop.data).table(["row_id", "split"]).to_pylist()
    for split, trained in (("train", True), ("test", False)):
        row = next(row["row_id"] for row in table if row["split"] == split)
        (said,) = call("model", "lineage", "news", "--row", row, *shop.where, "--json").json["rows"]
        assert said["trained"] is trained
    assert "in split test" in call("model", "lineage", "news", "--row", row, *shop.where).out


def test_compare_sets_the_figures_side_by_side(shop: Shop, call: Any) -> None:
    one, two = promoted(shop, call), shop.model("two")
    better = shop.evaluation(two, {**GOOD, "accuracy": 0.9}, champion=one)
    call("model", "promote", two, "--evaluation", better, "--name", "news", *shop.where)
    done = call("model", "compare", "news@1", "news@2", *shop.where)
    assert done.status == 0
    assert [line.split() for line in done.out.splitlines() if line.startswith("accuracy")] == [
        ["accuracy", "0.8000", "0.9000"]
    ]
    said = call("model", "compare", "news@1", "news@2", *shop.where, "--json").json
    assert (said["same_data"], len(said["models"])) == (True, 2)


def test_an_empty_registry_says_so(shop: Shop, call: Any) -> None:
    assert "No models yet" in call("model", "list", *shop.where).out
    assert call("model", "list", *shop.where, "--json").json["models"] == []
    assert call("model", "list", "--workspace", "nowhere").status == 2


def test_an_evaluation_that_is_no_scorecard_is_refused(shop: Shop, call: Any) -> None:
    one = shop.model("one")
    result = {"model_digest": "x", "data_digest": "y", "primary": "accuracy"}
    broken = commit_files(shop.workspace.artifacts, "report", {"scorecard.json": b"[]"}, {"model": one}, result)
    assert call("model", "promote", one, "--evaluation", broken, "--name", "news", *shop.where).status == 2


def test_a_tool_takes_a_model_by_its_name_in_the_registry(
    shop: Shop, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from corpusmith.core.errors import PreconditionError
    from corpusmith.engine.runner import Runner

    artifact, asked = promoted(shop, call), []

    def note(_runner: Any, _tool: Any, _params: Any, inputs: Any, _seed: int) -> None:
        asked.append(inputs)
        raise PreconditionError("seen")

    lacking = call("tool", "run", "train", "--data", "dataset", *shop.where)
    assert (lacking.status, "Give --data base=REF." in lacking.err) == (2, True)
    gone = call("tool", "run", "train", "--data", "dataset", "--data", "base=./nowhere", *shop.where)
    assert gone.status == 2
    assert "no model './nowhere' for the input 'base'" in gone.err
    assert "corpusmith tool run base" in gone.err
    (shop.root / "q.jsonl").write_text("{}")
    unread = call("tool", "run", "infer", "--data", "q.jsonl", "--data", "model=news", *shop.where)
    assert "q.jsonl is no dataset" in unread.err
    assert "sources: [q.jsonl]" in unread.err
    monkeypatch.setattr(Runner, "run_step", note)
    call("tool", "run", "infer", "--data", "dataset", "--data", "model=news@champion", *shop.where)
    assert asked == [{"data": shop.data, "model": artifact, "base": shop.base}]
