"""From the dataset to the registry, with scripted training: what is chosen, kept, judged, promoted, and said."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from phases_corpus import ASKED, ROWS, registry_of

from corpusmith.core.errors import PreconditionError
from corpusmith.workflows.model_lineage import training_sets


def chosen(session: Any) -> list[str]:
    return [event.data["decision"]["chosen"] for event in session.log.events() if event.kind == "decision"]


def test_a_model_that_beats_its_base_is_promoted(run_model, script) -> None:
    outcome, session = run_model(ASKED, ROWS)
    assert outcome["status"] == 0, outcome["not_achieved"]
    model = outcome["model"]
    assert (model["ref"], model["promoted"], model["approach"]) == ("model@1", True, "fine-tuning")
    assert registry_of(session).aliases("model").champion == 1
    assert {"deliver", "fine-tuning", "default-setting"} <= set(chosen(session))
    gates = {gate["metric"]: gate for gate in outcome["gates"]}
    assert gates["gain_over_base_low"]["value"] == pytest.approx(0.15)
    assert [split for split, _ in script.evaluated] == ["validation", "test"]
    assert {"model", "base", "data", "train"} <= script.evaluated[-1][1]
    assert model["first_line"] == "gain 0.2 on test"
    assert Path(outcome["report"]).read_text().count("model@1") >= 1


def test_one_that_does_not_is_tried_again_and_stays_a_candidate(run_model, script) -> None:
    script.gains = [0.0, -0.1, 0.02]
    outcome, session = run_model(ASKED, ROWS)
    assert outcome["status"] == 3
    assert len(script.trained) == 3, "one asked for, and two recoveries"
    assert outcome["model"]["promoted"] is False
    assert any("gain_over_base_low" in why for why in outcome["model"]["refused"])
    assert registry_of(session).aliases("model").champion is None
    assert registry_of(session).aliases("model").candidate == 1
    measured = [
        e.data for e in session.log.events() if e.kind == "measured" and e.data["metric"] == "gain_over_base_low"
    ]
    assert [m["kept"] for m in measured] == [True, False, True]
    assert measured[1]["predicted"] == pytest.approx(-0.05)


def test_a_recovery_that_helps_is_the_one_that_is_judged(run_model, script) -> None:
    script.gains = [0.0, 0.3]
    outcome, _ = run_model(ASKED, ROWS)
    assert outcome["status"] == 0, outcome["not_achieved"]
    trials = outcome["model"]["trials"]
    assert [trial["chosen"] for trial in trials] == [False, True]
    assert trials[1]["move"] == "more-passes"
    assert script.trained[1]["schedule"]["epochs"] == 2


def test_a_loss_that_is_no_number_leads_to_a_lower_rate(run_model, script) -> None:
    script.gains = [math.nan, 0.3]
    outcome, session = run_model(ASKED, ROWS)
    assert outcome["status"] == 0, outcome["not_achieved"]
    assert "lower-rate" in chosen(session)
    assert script.trained[1]["schedule"]["learning_rate"] == pytest.approx(2e-5)


def test_a_training_that_is_refused_leaves_the_dataset_and_says_why(run_model, script) -> None:
    script.gains = [PreconditionError("one row of 9 tokens does not fit", hint="less")]
    outcome, session = run_model(ASKED, ROWS)
    assert outcome["status"] == 3
    assert outcome["dataset"]["rows"] == 60
    assert any("does not fit" in line for line in outcome["not_achieved"])
    assert registry_of(session).versions() == []


def test_a_base_that_is_not_there_is_said_and_another_is_taken(run_model, script) -> None:
    script.missing_bases = {"gone/model"}
    outcome, _ = run_model(f"{ASKED}; compare gone/model and tiny", ROWS)
    assert [trial["setting"] for trial in outcome["model"]["trials"]] == ["lora on tiny"]
    assert any("there is no gone/model" in line for line in outcome["not_achieved"])


def test_what_was_refused_says_what_to_do_next(run_model, script) -> None:
    script.missing_bases = {"tiny"}
    outcome, _ = run_model(ASKED, ROWS)
    assert "base tiny: there is no tiny. Next: Name another." in outcome["not_achieved"]


def test_a_method_that_the_rows_do_not_fit_is_told_as_such(run_model, script) -> None:
    outcome, _ = run_model("run DPO on it", ROWS)
    assert (outcome["status"], script.trained) == (3, [])
    assert any(
        "no training: dpo needs preference rows, and the data has text rows" in w for w in outcome["not_achieved"]
    )


def test_a_dataset_that_could_not_be_finished_says_why_nothing_was_trained(run_model, script) -> None:
    rows = [{"instruction": f"Who planted orchard number {n}?", "output": ""} for n in range(20)]
    outcome, _ = run_model(ASKED, rows)
    assert (outcome["status"], script.trained) == (3, [])
    why = "no training: there is no train split, for deliver was undone: it left no rows (empty_response 20)"
    assert why in outcome["not_achieved"]
    outcome, _ = run_model(ASKED, [rows[0] | {"output": "Nobody remembers who planted it."}], run_id="r-2")
    assert any("is empty, so nothing could judge the model. Next: give more rows" in w for w in outcome["not_achieved"])


def test_a_split_that_the_data_came_with_stays_and_only_what_it_lacks_is_drawn(run_model, script) -> None:
    rows = [{"text": text, "split": "test" if n % 5 == 0 else "train"} for n, text in enumerate(ROWS)]
    outcome, session = run_model(ASKED, rows)
    assert outcome["status"] == 0, outcome["not_achieved"]
    data = session.runner.workspace.artifacts.open(outcome["dataset"]["artifact"]).table(["row_id", "split"])
    where = dict(zip(*(data.column(name).to_pylist() for name in ("row_id", "split")), strict=True))
    assert {name for name, split in where.items() if split == "test"} == {f"rows.jsonl#{n}" for n in range(0, 60, 5)}
    assert outcome["dataset"]["splits"]["validation"] == pytest.approx(5, abs=1)
    assert [split for split, _ in script.evaluated] == ["validation", "test"]
    assert any(line.startswith("splits: those that the data came with") for line in outcome["brief"]["assumed"])
    drawn, _ = run_model(f"{ASKED}, 70/15/15 split", rows, run_id="r-2")
    assert drawn["dataset"]["splits"]["test"] == pytest.approx(9, abs=1), "a split that was asked for is drawn"


def test_a_search_tries_what_was_asked_for(run_model, script) -> None:
    script.gains = [0.1, 0.3, 0.2]
    outcome, session = run_model(ASKED + ", try 3 settings", ROWS)
    assert outcome["status"] == 0, outcome["not_achieved"]
    assert [t["move"] for t in outcome["model"]["trials"]] == ["default-setting", "random-search", "random-search"]
    assert [t["chosen"] for t in outcome["model"]["trials"]] == [False, True, False]
    assert registry_of(session).versions()[0].artifact == outcome["model"]["artifact"]


def test_the_ablation_is_a_gate(run_model, script) -> None:
    asked = "A deduplicated English corpus; show that the curation helped. 80/10/10 split"
    good, _ = run_model(asked, ROWS)
    assert good["status"] == 0, good["not_achieved"]
    assert {g["metric"]: g["value"] for g in good["gates"]}["ablation_gain_low"] == pytest.approx(0.05)
    assert script.trained == []
    script.ablation = None
    bad, _ = run_model(asked, ROWS[:59], run_id="r-2")
    assert bad["status"] == 3
    assert any("no ablation" in line for line in bad["not_achieved"])


def test_the_next_version_is_compared_with_the_champion(run_model, script) -> None:
    run_model(ASKED, ROWS)
    script.gains = [0.2, 0.4]
    outcome, session = run_model(ASKED, ROWS[:50], run_id="r-2")
    assert "champion" in script.evaluated[-1][1]
    assert outcome["model"]["ref"] == "model@2"
    assert registry_of(session).aliases("model").champion == 2


@pytest.mark.parametrize("kind", ["adapter", "full"])
def test_training_goes_on_from_the_champion(run_model, script, kind: str) -> None:
    script.kind = kind
    first, _ = run_model(ASKED, ROWS[:30])
    script.gains = [0.3]
    again = "Retrain the champion on it, promote it only if it beats the champion"
    outcome, session = run_model(again, ROWS[30:], run_id="r-2")
    given, champion = script.started[-1], first["model"]["artifact"]
    artifacts = session.runner.workspace.artifacts
    if kind == "adapter":
        assert (given["start"], given["base"]) == (champion, artifacts.open(champion).record.inputs["base"])
    else:
        assert ("start" in given, given["base"]) == (False, champion)
    judged = artifacts.open(outcome["model"]["evaluation"]).record.inputs
    assert judged["earlier.0"] == first["dataset"]["artifact"], "rows the champion learned judge nothing"
    assert training_sets(artifacts, outcome["model"]["artifact"]) == [
        outcome["dataset"]["artifact"], first["dataset"]["artifact"],
    ]  # fmt: skip


def test_without_a_champion_there_is_nothing_to_go_on_from(run_model, script) -> None:
    outcome, _ = run_model("Retrain the champion on it", ROWS)
    assert (outcome["status"], script.trained) == (3, [])
    assert any("the model model has no champion to go on from. Next: Promote one" in w for w in outcome["not_achieved"])


def test_the_base_that_was_named_is_the_one_that_is_prompted(run_model, script) -> None:
    outcome, session = run_model("Prompt org/small few-shot on it", ROWS)
    assert script.trained == []
    base = session.runner.workspace.artifacts.open(outcome["model"]["evaluation"]).record.inputs["model"]
    assert session.runner.workspace.artifacts.open(base).record.params["name"] == "org/small"


def test_the_model_answers_the_rows_that_it_is_asked_to(run_model, script, tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text("".join(f'{{"text": "Who keeps bridge {n}?"}}\n' for n in range(5)))
    outcome, session = run_model(f"{ASKED}, then let the model answer every row of {tmp_path}/questions.jsonl", ROWS)
    assert outcome["status"] == 0, outcome["not_achieved"]
    answers = outcome["model"]["answers"]
    assert (answers["ref"], answers["rows"]) == ("model-answers@1", 5)
    made = session.runner.workspace.resolve(answers["ref"]).record
    assert made.inputs["model"] == outcome["model"]["artifact"]
    assert outcome["dataset"]["rows"] == 60, "questions are no rows of the dataset"
    script.refuses_answers = True
    (tmp_path / "questions.jsonl").write_text('{"text": "Who keeps the mill?"}\n')
    outcome, _ = run_model(f"{ASKED}, then answer every row of {tmp_path}/questions.jsonl", ROWS, run_id="r-2")
    assert any("was not answered: the model is away. Next: Call it." in why for why in outcome["not_achieved"])


def test_a_run_that_died_after_training_does_not_train_again(run_model, script, monkeypatch) -> None:
    module = sys.modules["corpusmith.agent.modelling.assess"]

    fails = {"left": 1}
    real = module._judge_model

    def dies(*given: Any) -> Any:
        if fails["left"]:
            fails["left"] = 0
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(module, "_judge_model", dies)
    with pytest.raises(KeyboardInterrupt):
        run_model(ASKED, ROWS)
    assert len(script.trained) == 1
    outcome, session = run_model(ASKED, ROWS, again=True)
    assert outcome["status"] == 0, outcome["not_achieved"]
    assert len(script.trained) == 1
    assert chosen(session).count("default-setting") == 1


def test_the_recipe_starts_the_training_of_a_new_version(run_model, script) -> None:
    outcome, _ = run_model(ASKED + "; show that the curation helped", ROWS)
    recipe = yaml.safe_load(Path(outcome["recipe"]).read_text())
    trigger = recipe["trigger"]
    assert [step["tool"] for step in trigger["steps"]] == ["base", "train", "evaluate", "ablate"]
    assert trigger["promote"] is True
    assert all("champion" not in step["inputs"] for step in trigger["steps"])


def test_no_model_no_phase(run_model, script) -> None:
    outcome, session = run_model("A deduplicated English corpus, 80/10/10 split", ROWS)
    assert "model" not in outcome
    assert script.evaluated == []
    assert "fine-tuning" not in chosen(session)
