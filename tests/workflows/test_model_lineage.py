"""From a model back to its rows."""

from __future__ import annotations

from typing import Any

import pytest
from hand_made_models import make_model

from corpusmith.core.errors import NotFoundError, PreconditionError
from corpusmith.store.model_evidence import manifest_of
from corpusmith.workflows.history import lineage
from corpusmith.workflows.model_lineage import model_chain, row_uses, training_sets


@pytest.fixture(scope="module")
def model(finished: Any) -> str:
    artifacts = finished.workspace.artifacts
    return make_model(artifacts, "weights", base=make_model(artifacts, "base"), data=_data(finished).id)


def _data(finished: Any) -> Any:
    return finished.workspace.resolve(finished.run_id)


def splits(finished: Any) -> dict[str, str]:
    table = _data(finished).table(["row_id", "split"])
    return dict(zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True))


def test_the_chain_goes_from_the_model_by_its_data_and_base_to_the_sources(finished: Any, model: str) -> None:
    newest, base = model_chain(finished.workspace, model)
    assert base.data == {}
    path = newest.data["data"]
    assert (path[0].tool, path[-1].artifact, path[-1].rows) == ("ingest", _data(finished).id, 12)
    assert any("ingest" in line for line in newest.lines())
    assert newest.as_json()["data"]["data"][-1]["rows"] == 12
    with pytest.raises(PreconditionError, match="not a model"):
        model_chain(finished.workspace, _data(finished).id)


def test_every_source_row_was_trained_on_held_out_or_dropped_as_its_history_says(finished: Any, model: str) -> None:
    known = splits(finished)
    seen = set()
    first = lineage(finished.workspace, _data(finished))[0]
    for row in first.table(["row_id"]).column(0).to_pylist():
        (use,) = row_uses(finished.workspace, model, row)
        assert use.trained is (known.get(row) == "train")
        if use.trained:
            assert use.said.endswith("was trained on it")
            seen.add("trained")
        elif row in known:
            assert f"held out, in split {known[row]}" in use.said
            seen.add("held out")
        else:
            assert "dropped by" in use.said
            seen.add("dropped")
        assert use.history.row_id == row
        assert use.as_json()["history"]["happenings"]
    assert seen == {"trained", "held out", "dropped"}


def test_a_model_that_went_on_from_another_carries_its_rows(finished: Any, model: str) -> None:
    artifacts = finished.workspace.artifacts
    newer = make_model(artifacts, "newer", base=manifest_of(artifacts.open(model)).base, start=model)
    assert [step.artifact for step in model_chain(finished.workspace, newer)][:2] == [newer, model]
    assert training_sets(artifacts, newer) == [_data(finished).id]
    learned = next(row for row, split in splits(finished).items() if split == "train")
    (use,) = row_uses(finished.workspace, newer, learned)
    assert (use.trained, use.model) == (True, model)


def test_a_row_is_found_by_its_text_and_an_unknown_one_is_refused(finished: Any, model: str) -> None:
    (use,) = row_uses(finished.workspace, model, "Entry 6 of the town chronicle")
    assert "Entry 6" in use.history.text
    assert use.lines()[-1].strip() == use.said
    with pytest.raises(NotFoundError, match="no data that model"):
        row_uses(finished.workspace, model, "words that stood nowhere at all")
    with pytest.raises(NotFoundError, match="no data that model"):
        row_uses(finished.workspace, make_model(finished.workspace.artifacts, "no data"), "Entry 6")


def test_a_model_on_top_of_another_carries_its_rows(finished: Any, model: str) -> None:
    top = make_model(finished.workspace.artifacts, "top", base=model)
    trained = next(row for row, split in splits(finished).items() if split == "train")
    (use,) = row_uses(finished.workspace, top, trained)
    assert use.trained
    assert use.model == model
