"""The step `infer`: answers by row, the same here, on Ray Data, and after a kill."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hand_made_models import make_real_model

from corpusmith.core.errors import Cancelled, PreconditionError
from corpusmith.core.rows import Shape, set_column
from corpusmith.engine.local import LocalEngine
from corpusmith.engine.runner import Runner
from corpusmith.models.evaluation.generation import generate
from corpusmith.models.evaluation.opened import open_folder
from corpusmith.models.evaluation.parts import read_slice, slices, told
from corpusmith.models.training.place import Place
from corpusmith.store.dataset import StoredDataset
from corpusmith.store.workspace import Workspace
from corpusmith.tools import infer
from corpusmith.tools.infer import TOOL

pytest.importorskip("torch")
Make = Callable[..., StoredDataset]
ASKED = [
    {"instruction": f"What stands at number {n}?", "input": "Say it." if n % 2 else "", "output": f"A house {n}."}
    for n in range(10)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from corpusmith.models.tiny import TinyRecipe, write_untrained
    from corpusmith.models.tiny_tokenizer import learn_tokenizer

    torch.set_num_threads(1)
    place = tmp_path_factory.mktemp("models") / "m"
    place.mkdir()
    texts = [f"{row['instruction']} {row['output']}" for row in ASKED] * 2
    recipe = TinyRecipe(vocabulary=320, layers=1, width=16, inner=16, heads=2, key_heads=1, context=128, window=32)
    write_untrained(place, learn_tokenizer(texts, 320, 128), recipe, 0)
    return place


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    monkeypatch.setattr(infer, "PART_ROWS", 4)
    engine = LocalEngine(workers=1)
    workspace = Workspace.open(tmp_path / "ws")
    yield Runner(workspace, engine)
    engine.close()
    workspace.close()


def ask(runner: Runner, folder: Path, data: StoredDataset, **params: Any) -> Any:
    model = make_real_model(runner.workspace.artifacts, folder)
    return runner.run_step(TOOL, {"max_new_tokens": 6, **params}, {"model": model, "data": data.id})


def test_every_row_is_answered_as_generation_alone_would(runner: Runner, folder: Path, make_dataset: Make) -> None:
    data = make_dataset(ASKED, shape=Shape.INSTRUCTION, part_rows=7)
    step = ask(runner, folder, data)
    rows = step.artifact.table().to_pylist()
    turns = [("user", "\n\n".join(filter(None, (row["instruction"], row["input"])))) for row in ASKED]
    found = generate(open_folder(folder), [(str(n), [turn]) for n, turn in enumerate(turns)], max_new_tokens=6)
    assert [row["output"] for row in rows] == list(found.texts)
    assert [row["parent_id"] for row in rows] == [f"in.jsonl#{n}" for n in range(10)]
    assert rows[3]["row_id"] == "in.jsonl#3~answer.0"
    assert (rows[3]["instruction"], rows[3]["input"]) == (ASKED[3]["instruction"], "Say it.")
    about = json.loads(rows[3]["meta"])["answer"]
    assert (about["reference"], about["digest"]) == ("A house 3.", step.result["model_digest"])
    assert (step.result["rows_in"], step.result["rows_out"], step.result["refused"]) == (10, 10, 0)
    assert len(step.artifact.part_paths) == 3
    lines = step.artifact.ledger().to_pylist()
    assert sum(line["rule"] == "infer.answer" for line in lines) == 10
    assert sum(line["rule"] == "answer_cut_off" for line in lines) == step.result["cut_off"] > 0


def test_other_shapes_a_split_and_rows_that_ask_nothing(runner: Runner, folder: Path, make_dataset: Make) -> None:
    texts = make_dataset(["A house.", " ", "A sea."])
    step = ask(runner, folder, texts)
    assert [row["instruction"] for row in step.artifact.table().to_pylist()] == ["A house.", "A sea."]
    assert (step.result["rows_in"], step.result["refused"]) == (3, 1)
    (gone,) = [line for line in step.artifact.ledger().to_pylist() if line["action"] == "drop"]
    assert (gone["row_id"], gone["rule"], json.loads(gone["detail"])["why"]) == (
        "in.jsonl#1", "cannot_be_asked", "it has no prompt",
    )  # fmt: skip
    pairs = make_dataset([{"prompt": "Why?", "chosen": "So.", "rejected": "No."}] * 3, shape=Shape.PREFERENCE)
    named = make_dataset(set_column(pairs.table(), "split", pa.array(["train", "test", "train"], pa.large_string())))
    step = ask(runner, folder, named, split="test")
    (row,) = step.artifact.table().to_pylist()
    assert (row["parent_id"], row["split"], row["instruction"]) == ("in.jsonl#1", "test", "Why?")
    assert step.result["rows_in"] == 1
    with pytest.raises(PreconditionError, match="no row in split 'validation'"):
        ask(runner, folder, named, split="validation")


def test_a_killed_step_goes_on_with_the_next_part(
    runner: Runner, folder: Path, make_dataset: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_dataset(ASKED, shape=Shape.INSTRUCTION)
    calls: list[int] = []

    def counted(opened: Any, rows: Any, **given: Any) -> Any:
        calls.append(len(rows))
        return generate(opened, rows, **given)

    class Stop:
        asked = 0

        def check(self) -> None:
            self.asked += 1
            if len(calls) == 2:
                raise Cancelled("stopped")

    monkeypatch.setattr(infer, "generate", counted)
    runner.cancel = Stop()
    with pytest.raises(Cancelled):
        ask(runner, folder, data)
    runner.cancel = type("Go", (), {"check": lambda self: None})()
    step = ask(runner, folder, data)
    assert calls == [4, 4, 2]
    whole = ask(Runner(runner.workspace, runner.engine), folder, data, max_new_tokens=7, context=128)
    assert step.result["rows_out"] == whole.result["rows_out"] == 10


def test_slices_cover_the_files(make_dataset: Make) -> None:
    data = make_dataset([f"text {n}" for n in range(11)], part_rows=5)
    tasks = list(slices(data.part_paths, 2))
    assert [task.index for task in tasks] == list(range(len(tasks)))
    read = [text for task in tasks for text in read_slice(task).column("text").to_pylist()]
    assert read == [f"text {n}" for n in range(11)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*")  # Ray warns of its own defaults
def test_ray_data_makes_the_same_rows(runner: Runner, folder: Path, make_dataset: Make, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    data = make_dataset(ASKED, shape=Shape.INSTRUCTION, part_rows=7)
    here = ask(runner, folder, data)
    other = Workspace.open(tmp_path / "other")
    copy = _copied(data, other)
    far = Runner(other, runner.engine, services={"place": Place(backend="ray", workers=1)})
    step = ask(far, folder, copy)
    assert step.artifact.record.content_digest == here.artifact.record.content_digest
    assert step.result == here.result
    other.close()


def test_an_error_of_ours_is_found_inside_of_what_ray_raises() -> None:
    class RayError(Exception):
        cause: BaseException | None = None

    outer, inner = RayError("the actor\n\nValueError: of no use\n"), RayError("inner")
    assert told(outer).message == "a worker of Ray failed: ValueError: of no use"
    outer.__cause__, inner.cause = inner, PreconditionError("the files are not those on record")
    assert told(outer) is inner.cause


def _copied(data: StoredDataset, workspace: Workspace) -> StoredDataset:
    import shutil

    shutil.copytree(data.folder, workspace.artifacts.root / data.id)
    return workspace.artifacts.open(data.id)
