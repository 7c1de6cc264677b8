"""The step `evaluate`, on models of a few thousand weights and rows made by rule."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fine_tuning_server import BASES, KEY, FineTuningServer
from hand_made_models import commit_files, make_real_model
from openai_server import OpenAIServer, Step
from pydantic import SecretStr

from corpusmith.core.errors import ApprovalRequired, Cancelled, ParameterError, PreconditionError
from corpusmith.core.model_manifest import ModelManifest
from corpusmith.core.rows import Shape, set_column
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.models.chat import open_chat
from corpusmith.models.digests import model_digests
from corpusmith.models.hosted.access import HostedAccess
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.registry import ModelRegistry
from corpusmith.store.workspace import Workspace
from corpusmith.tools.evaluate import TOOL

pytest.importorskip("torch")
COLOURS = ("red", "amber", "gold", "rust", "teal", "navy", "mint", "ice")
THINGS = ("lamp", "door", "coat", "boat", "tile", "vase", "kite", "drum", "rope", "sign")
PLACES = ("hall", "yard", "port", "shed")
Rows = list[dict[str, Any]]
Make = Callable[..., StoredDataset]


def labelled(seed: int = 0) -> Rows:
    """Short prompts whose colour says the label; 320 of them, each once."""
    rows = [
        {"instruction": f"{colour} {thing} {place}", "input": "", "output": "warm" if warm < 4 else "cold"}
        for (warm, colour), thing, place in itertools.product(enumerate(COLOURS), THINGS, PLACES)
    ]
    random.Random(seed).shuffle(rows)
    return rows


def split_rows(rows: Rows, test: int = 60) -> list[str]:
    return ["test"] * test + ["train"] * (len(rows) - test)


@dataclass
class Bench:
    """A workspace with a base model, and what it takes to make others."""

    runner: Runner
    registry: ModelRegistry
    make_dataset: Make
    folder: Path
    base: str
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def data(self, rows: Rows, splits: Sequence[str] | None = None, shape: Shape = Shape.INSTRUCTION) -> StoredDataset:
        made = self.make_dataset(rows, shape=shape, uri=f"d{next(self.numbers)}.jsonl")
        if splits is None:
            return made
        return self.make_dataset(set_column(made.table(), "split", pa.array(list(splits), pa.large_string())))

    def trained(self, rows: Rows, steps: int = 60, data: StoredDataset | None = None) -> str:
        """A model artifact: the base trained on rows, all weights."""
        from corpusmith.models.chat_format import ChatFormat
        from corpusmith.models.examples import Tally, encode_chats, fit
        from corpusmith.models.loading import open_tokenizer
        from corpusmith.models.packing import pack, shuffled
        from corpusmith.models.prepared import write_packed
        from corpusmith.models.training.run import train
        from corpusmith.models.training.spec import AdapterSettings, Schedule, TrainSpec

        form = ChatFormat(open_tokenizer(self.folder))
        chats = [(str(n), [("user", r["instruction"]), ("assistant", r["output"])]) for n, r in enumerate(rows)]
        examples = [fit(*one, 64, Tally()) for one in encode_chats(chats, form, Tally())]
        output = self.registry.artifacts.root.parent / f"training{next(self.numbers)}"
        output.mkdir()
        write_packed(output / "data.parquet", examples, shuffled(pack([len(e.ids) for e in examples], 64), 0))
        outcome = train(
            TrainSpec(
                method="sft", model=str(self.folder), data=str(output / "data.parquet"), output=str(output / "out"),
                adapter=AdapterSettings(kind="none"), sequence_length=64, rows_per_step=8, checkpoint_every=1000,
                schedule=Schedule(learning_rate=1e-2, max_steps=steps, batch_tokens=512), dtype="float32",
            )
        )  # fmt: skip
        return self.model(Path(outcome.final), data)

    def model(self, folder: Path, data: StoredDataset | None = None) -> str:
        return make_real_model(
            self.registry.artifacts, folder, base=self.base, data=None if data is None else data.id
        )  # fmt: skip

    def __call__(self, model: str, data: StoredDataset, seed: int = 0, **given: Any) -> Any:
        roles = {"model": model, "data": data.id, "base": self.base}
        roles |= {role: given.pop(role) for role in ("train", "champion", "general", "earlier.0") if role in given}
        if given.pop("alone", False):
            del roles["base"]
        return self.runner.run_step(TOOL, {"bootstrap": 500, **given}, roles, seed).artifact


def card_of(report: StoredDataset) -> dict[str, Any]:
    card: dict[str, Any] = json.loads(report.file("scorecard.json").read_text())["metrics"]
    return card


def report_of(report: StoredDataset) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(report.file("report.json").read_text())
    return said


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from corpusmith.models.tiny import TinyRecipe, write_untrained
    from corpusmith.models.tiny_tokenizer import learn_tokenizer

    torch.set_num_threads(1)
    texts = [f"{row['instruction']} {row['output']}" for row in labelled()] * 2
    recipe = TinyRecipe(
        vocabulary=400, layers=2, width=32, inner=64, heads=2, key_heads=1, context=256, window=64
    )  # fmt: skip
    place = tmp_path_factory.mktemp("models") / "base"
    place.mkdir()
    write_untrained(place, learn_tokenizer(texts, 400, 256), recipe, 0)
    return place


@pytest.fixture
def bench(tmp_path: Path, folder: Path, make_dataset: Make) -> Iterator[Bench]:
    workspace = Workspace.open(tmp_path / "ws")
    registry = ModelRegistry(
        workspace.database, workspace.artifacts, lambda place: model_digests(place).digest, "tester"
    )
    engine = LocalEngine(workers=1)
    base = make_real_model(workspace.artifacts, folder, name="small")
    yield Bench(Runner(workspace, engine, services={"registry": registry}), registry, make_dataset, folder, base)
    engine.close()
    workspace.close()


def test_a_model_against_itself_gains_exactly_nothing(bench: Bench) -> None:
    rows = labelled()[:24]
    data = bench.data(rows, split_rows(rows, 12))
    report = bench(bench.base, data, train=data.id, champion=bench.base, general=bench.data(rows[:5]).id)
    card = card_of(report)
    for name in ("gain_over_base", "gain_over_base_low", "gain_over_champion", "gain_over_champion_low", "forgetting"):
        assert card[name]["value"] == 0.0, name
    assert (report.record.result["rows"], report.record.result["task"]) == (12, "label")
    assert report.record.result["data_digest"] == data.record.content_digest
    roles = [line["role"] for line in report_of(report)["contestants"]]
    assert roles[:4] == ["base", "few_shot", "candidate", "champion"]
    assert "does NOT beat" in report.record.result["first_line"]


@pytest.mark.slow
def test_from_training_to_promotion(bench: Bench) -> None:
    rows = labelled()
    data = bench.data(rows, split_rows(rows))
    general = bench.data([{"text": f"A text about the {thing} and the sea."} for thing in THINGS], shape=Shape.TEXT)
    good = bench.trained(rows[60:], data=data)
    report = bench(good, data, train=data.id, general=general.id)
    card, result = card_of(report), report.record.result
    assert card["accuracy"]["value"] > 0.95
    assert all(card[f"gain_over_{rival}_low"]["value"] > 0 for rival in ("base", "few_shot"))
    assert card["forgetting"]["value"] > 0
    assert (result["task"], result["primary"], result["checked_against"]) == ("label", "accuracy", data.id)
    assert set(card) >= {"f1_macro", "unparsable_rate", "bits_per_byte", "perplexity", "gain_over_plain_low"}

    # one trained on shuffled labels has learned the form alone, and stays out
    shuffled = [{**row, "output": other["output"]} for row, other in zip(rows[60:], labelled(1), strict=False)]
    bad = bench.trained(shuffled, data=data)
    worse = bench(bad, data, train=data.id)
    assert "does NOT beat the plain baseline" in worse.record.result["first_line"]
    version = bench.registry.register("colours", bad)
    refused = bench.registry.promote(version, worse.id, expected=None, why="try")
    assert not refused.promoted
    assert refused.report is not None
    assert any("gain_over_plain_low" in line for line in refused.report.why_not())

    # an evaluation of one model is no evidence for another
    with pytest.raises(PreconditionError, match="is of digest"):
        bench.registry.promote(version, report.id, expected=None, why="try")


@pytest.mark.slow
def test_answers_gain_in_bits_per_byte_and_are_promoted(bench: Bench) -> None:
    rows = [{**row, "output": f"it is {row['output']} in the {row['instruction'].split()[-1]}"} for row in labelled()]
    data = bench.data(rows, split_rows(rows, 40))
    model = bench.trained(rows[40:], data=data)
    report = bench(model, data, train=data.id)
    card, result = card_of(report), report.record.result
    assert (result["task"], result["primary"], result["rows"]) == ("answers", "bits_per_byte", 40)
    assert card["gain_over_base_low"]["value"] > 0
    assert {"rouge1", "rougeLsum", "exact_match"} <= set(card)
    assert "numeric_match" not in card
    assert result["first_line"].startswith("news beats its base small")
    version = bench.registry.register("colours", model)
    assert bench.registry.promote(version, report.id, expected=None, why="it is better").promoted
    predictions = pq.read_table(report.file("predictions.parquet")).to_pylist()
    assert len(predictions) == 40 * 3
    line = next(one for one in predictions if one["contestant"] == "candidate")
    assert line["reference"].startswith("it is")
    assert line["bytes"] == len(line["reference"])
    few = bench(model, data, train=data.id, answer_rows=5)
    assert (card_of(few)["rouge1"]["n"], card_of(few)["bits_per_byte"]) == (5, card["bits_per_byte"])
    silent = bench(model, data, train=data.id, answer_rows=0)
    assert set(card_of(silent)) == {name for name in card if not name.startswith(("rouge", "exact"))}
    again = bench(model, data, train=data.id, max_rows=10)
    assert (again.record.result["rows"], "10 of 40 rows were drawn" in again.record.result["notes"]) == (10, True)
    assert (
        bench(model, data, train=data.id, max_rows=10, bootstrap=501).record.result["value"]
        == (again.record.result["value"])
    )


def test_weights_that_are_no_number_are_told_and_not_promoted(bench: Bench, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(bench.folder)
    with torch.no_grad():
        model.model.norm.weight.fill_(math.nan)
    model.save_pretrained(tmp_path / "nan")
    AutoTokenizer.from_pretrained(bench.folder).save_pretrained(tmp_path / "nan")
    rows = labelled()[:30]
    data = bench.data(rows, split_rows(rows, 12))
    broken = bench.model(tmp_path / "nan", data)
    report = bench(broken, data, train=data.id)
    card = card_of(report)
    assert card["bits_per_byte"]["value"] is None
    assert card["accuracy"]["value"] is None
    assert card["gain_over_base_low"]["value"] is None
    assert report.record.result["value"] is None
    assert "no number" in report.record.result["first_line"]
    version = bench.registry.register("colours", broken)
    done = bench.registry.promote(version, report.id, expected=None, why="try")
    assert not done.promoted
    assert done.report is not None
    assert any("not a finite number" in line for line in done.report.why_not())


def test_rows_that_were_trained_on_are_refused(bench: Bench) -> None:
    story = "The old heron of Aldwick ate nine frogs at dawn and four at dusk before it flew to the mill"
    fresh = labelled()[:8]
    rows = [{"instruction": f"{story}, and then?", "input": "", "output": "cold"}, *fresh]
    data = bench.data(rows, ["test", "test", *["train"] * 7])
    train = bench.data([{"instruction": f"Well: {story}, and then?", "input": "x", "output": "warm"}, *fresh[4:]])
    with pytest.raises(PreconditionError, match=r"1 of 2 evaluation rows .* row d0\.jsonl#0 in d\d\.jsonl#0"):
        bench(bench.base, data, train=train.id)
    with pytest.raises(PreconditionError, match="1 of 2 evaluation rows"):  # what an adapter below it has learned
        bench(bench.base, data, train=data.id, **{"earlier.0": train.id})
    left = bench(bench.base, data, train=train.id, overlap="drop", few_shot=0)
    assert (left.record.result["rows"], left.record.result["dropped"]) == (1, 1)
    with pytest.raises(PreconditionError, match="very rows"):
        bench(bench.base, data, train=data.id, split="train")
    with pytest.raises(PreconditionError, match="very rows"):
        bench(bench.base, train, train=train.id)
    # the splits of one dataset are held against each other, and labels that stand in all of them are no alarm
    assert bench(bench.base, data, train=data.id).record.result["checked_against"] == data.id
    twice = bench.data([*rows, {**fresh[0], "output": "cold"}], ["test", "test", *["train"] * 8])
    with pytest.raises(PreconditionError, match="1 of 2"):  # a short prompt counts where it is a whole prompt
        bench(bench.base, twice, train=twice.id)


def test_a_step_that_was_stopped_goes_on_with_the_next_model(bench: Bench) -> None:
    rows = labelled()[:24]
    data = bench.data(rows, split_rows(rows, 12))
    whole = bench(bench.base, data, train=data.id, alone=True)

    class Stop:
        def check(self) -> None:
            if list(bench.runner.workspace.root.glob("staging/*/files/contestants/few_shot.json")):
                raise Cancelled("stopped")

    said: list[str] = []
    bench.runner.cancel, bench.runner.emit = Stop(), said.append
    with pytest.raises(Cancelled):
        bench(bench.base, data, train=data.id)
    assert any("opening the base" in line for line in said)
    said.clear()
    bench.runner.cancel = LocalEngine(workers=1).cancel
    done = bench(bench.base, data, train=data.id)
    assert any("was measured before" in line for line in said)
    assert not any("opening the base" in line for line in said)
    assert not (done.folder / "files" / "contestants").exists()
    assert card_of(done)["gain_over_base"]["value"] == 0, "numbers that were kept are those that were measured"
    assert card_of(done)["bits_per_byte"] == card_of(whole)["bits_per_byte"]


def test_documents(bench: Bench) -> None:
    texts = [{"text": f"The {colour} {thing} stands in the {place}."} for colour, thing, place in
             zip(COLOURS, THINGS, itertools.cycle(PLACES), strict=False)]  # fmt: skip
    data = bench.data([*texts, {"text": " "}], shape=Shape.TEXT)
    report = bench(bench.base, data)
    result, card = report.record.result, card_of(report)
    assert (result["task"], result["primary"], result["rows"], result["split"]) == ("text", "bits_per_byte", 8, None)
    assert set(card) == {"bits_per_byte", "perplexity", "gain_over_base", "gain_over_base_low"}
    assert any("not held against any training data" in note for note in result["notes"])
    assert "1 rows are left out: they have no text or no response" in result["notes"]
    pairs = bench.data(labelled()[:6])
    assert bench(bench.base, pairs, task="text").record.result["task"] == "text"
    with pytest.raises(ParameterError, match="text rows have no label"):
        bench(bench.base, data, task="label")
    with pytest.raises(ParameterError, match="cannot be accuracy"):
        bench(bench.base, data, primary="accuracy")


def test_numbers_and_marked_numbers(bench: Bench) -> None:
    rows = [
        {"instruction": f"{row['instruction']}?", "input": "", "output": str(n % 7)}
        for n, row in enumerate(labelled()[:40])
    ]
    data = bench.data(rows, split_rows(rows, 10))
    report = bench(bench.base, data, train=data.id)
    card, result = card_of(report), report.record.result
    assert (result["task"], result["primary"], result["best_plain"] is not None) == ("number", "rmse", True)
    assert {"rmse", "mae", "unparsable_rate", "gain_over_plain_low"} <= set(card)
    plain = [line["name"] for line in report_of(report)["contestants"] if line["role"] == "plain"]
    assert plain == ["constant", "length", "tfidf", "nearest"]
    marked = bench.data([{**row, "output": f"So it is\n#### {row['output']}"} for row in rows])
    said = bench(bench.base, marked, few_shot=0)
    assert (said.record.result["task"], said.record.result["primary"]) == ("answers", "numeric_match")


@pytest.mark.slow
def test_preference_pairs_are_judged_by_which_answer_is_likelier(bench: Bench) -> None:
    rows = [{"instruction": row["instruction"], "output": f"it is {row['output']} here"} for row in labelled()[:40]]
    pairs = [{"prompt": row["instruction"], "chosen": row["output"], "rejected": "lamp ice navy"} for row in rows[:10]]
    data = bench.data(pairs, shape=Shape.PREFERENCE)
    report = bench(bench.trained(rows[10:], steps=20), data)
    card = card_of(report)
    assert report.record.result["primary"] == "preference_accuracy"
    assert card["preference_accuracy"]["value"] == 1.0
    assert "gain_over_base_low" in card
    other = [{**pair, "chosen": pair["rejected"], "rejected": pair["chosen"]} for pair in pairs]
    turned = bench(bench.trained(rows[10:], steps=20), bench.data(other, shape=Shape.PREFERENCE))
    assert card_of(turned)["preference_accuracy"]["value"] == 0.0


def test_without_its_base_it_says_so(bench: Bench) -> None:
    rows = labelled()[:20]
    data = bench.data(rows, split_rows(rows, 8))
    report = bench(bench.model(bench.folder), data, train=data.id, alone=True)
    assert "gain_over_base" not in card_of(report)
    assert "not compared with its base: give it in the role `base`" in report.record.result["notes"]
    assert [one["role"] for one in report_of(report)["contestants"]][:2] == ["candidate", "few_shot"]


def test_what_does_not_belong_together_is_refused(bench: Bench, tmp_path: Path) -> None:
    rows = labelled()[:12]
    data = bench.data(rows, split_rows(rows, 4))
    other = bench.data(rows[6:])
    with pytest.raises(PreconditionError, match=f"was trained on {data.id}"):
        bench(bench.model(bench.folder, data), data, train=other.id)
    with pytest.raises(PreconditionError, match="no row in split 'validation'"):
        bench(bench.base, data, split="validation")
    with pytest.raises(PreconditionError, match="no chat model"):
        bench(bench.base, data, judge=True)
    stranger = make_real_model(bench.registry.artifacts, bench.folder, base=bench.base, base_digest="0" * 64)
    with pytest.raises(PreconditionError, match="from another base"):
        bench(stranger, data)


def test_a_model_at_its_provider_is_asked_there(bench: Bench) -> None:
    hosted = commit_files(
        bench.registry.artifacts,
        "model",
        {
            "manifest.json": ModelManifest(kind="hosted", name="far", digest="d", location=BASES[0])
            .model_dump_json()
            .encode()
        },
        {},
        {},
    )
    rows = labelled()[:16]
    data = bench.data(rows, split_rows(rows, 6))
    roles = {"model": hosted, "data": data.id, "train": data.id}
    with pytest.raises(ApprovalRequired):
        bench.runner.run_step(TOOL, {}, roles)
    bench.runner.approve = lambda _action, _args: "grant"
    with pytest.raises(PreconditionError, match="no access to one"):
        bench.runner.run_step(TOOL, {}, roles)
    documents = bench.data([{"text": "A text."}], shape=Shape.TEXT)
    with pytest.raises(PreconditionError, match="without a likelihood"):
        bench.runner.run_step(TOOL, {}, {"model": hosted, "data": documents.id})
    provider = FineTuningServer()
    try:
        access = HostedAccess(base_url=provider.url, api_key=SecretStr(KEY), attempts=1)
        bench.runner.services = {**bench.runner.services, "openai": access}
        report = bench.runner.run_step(TOOL, {"bootstrap": 200}, {**roles, "champion": bench.base}).artifact
    finally:
        provider.close()
    card, result = card_of(report), report.record.result
    assert (result["primary"], result["rows"]) == ("accuracy", 6)
    assert "bits_per_byte" not in card
    assert {"accuracy", "gain_over_champion_low", "gain_over_plain_low"} <= set(card)
    assert "spend_money" in report.record.effects
    assert "spend_money" not in bench(bench.base, data, train=data.id).record.effects


def test_adapters_are_opened_on_their_base(bench: Bench, tmp_path: Path) -> None:
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=2, target_modules="all-linear", init_lora_weights=False)
    peft.get_peft_model(AutoModelForCausalLM.from_pretrained(bench.folder), config).save_pretrained(tmp_path / "lora")
    rows = labelled()[:12]
    data = bench.data(rows, split_rows(rows, 4))
    adapter = bench.model(tmp_path / "lora", data)
    report = bench(adapter, data, train=data.id, champion=adapter, few_shot=0)
    card = card_of(report)
    assert card["gain_over_champion"]["value"] == 0.0
    lines = {line["role"]: line for line in report_of(report)["contestants"]}
    assert lines["candidate"]["parameters"] > lines["base"]["parameters"]
    assert lines["candidate"]["metrics"]["bits_per_byte"] != lines["base"]["metrics"]["bits_per_byte"]
    assert all(line["generation_tokens_per_s"] > 0 for role, line in lines.items() if role != "plain")
    with pytest.raises(PreconditionError, match="needs its base"):
        bench(adapter, data, train=data.id, alone=True)


def test_a_judge_is_asked_and_never_decides_alone(bench: Bench) -> None:
    def judge(body: dict[str, Any]) -> Step:
        code = body["messages"][0]["content"].rsplit(" ", 1)[1]
        grade = {"accuracy_reason": "so", "accuracy": 2, "style_reason": "so", "style": 3}
        return Step(tool={"code": code, "first": grade, "second": grade})

    rows = labelled()[:12]
    data = bench.data(rows, split_rows(rows, 5))
    server = OpenAIServer()
    server.then = judge
    try:
        chat = open_chat("openai:scripted-1", base_url=server.url, api_key="sk-test-0123456789", max_retries=0)
        bench.runner.services = {**bench.runner.services, "chat": lambda: chat}
        report = bench(bench.base, data, train=data.id, judge=True, judge_rows=3, few_shot=0)
    finally:
        server.stop()
    card = card_of(report)
    assert (card["judge_accuracy"]["value"], card["judge_style"]["value"], card["judge_style"]["n"]) == (2.0, 3.0, 3)
    assert report.record.result["primary"] == "accuracy"
    assert len(json.loads(report.file("judge.json").read_text())["row_ids"]) == 3
    assert len(server.requests) == 6
    assert any("judged 3 rows beside the base" in note for note in report.record.result["notes"])
