from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from corpusmith.core.errors import ParameterError
from corpusmith.core.rows import Shape
from corpusmith.engine.local import LocalEngine
from corpusmith.ops import grounding
from corpusmith.ops.grounding import MIN_WORDS, OWN_CONTEXT, THRESHOLD, Grounding, find_grounding
from corpusmith.store.dataset import StoredDataset

Make = Callable[..., StoredDataset]
SUBJECTS = ["heron", "kiln", "glacier", "violin", "orchard", "lighthouse", "printing press", "salt marsh"]
VERBS = ["waits", "cools", "creeps", "resonates", "blossoms", "turns", "clatters", "floods"]
THINGS = ["reeds", "bricks", "gravel", "spruce", "blossom", "lamps", "lead type", "cordgrass"]
MANY = 300
"""Words of a document that is many windows long."""


def document(n: int) -> str:
    """Six sentences of their own on one subject."""
    a, b, c = SUBJECTS[n % 8], VERBS[n % 8], THINGS[n % 8]
    return (
        f"At number {n} the {a} {b} beside the {c} long before anybody is awake. Old ledgers count {n + 30} of them. "
        f"A keeper of the {a} writes down every morning how the {c} looked. In winter the {c} is covered with straw. "
        f"Whoever wants to see the {a} pays {n + 3} coins at the gate. The {c} itself costs nothing at all."
    )


@pytest.fixture
def ground(make_dataset: Make) -> Iterator[Callable[..., Grounding]]:
    engine = LocalEngine()

    def run(answers: Sequence[str], documents: Sequence[str], inputs: Sequence[str] = (), **options: Any) -> Grounding:
        given = list(inputs) or [""] * len(answers)
        rows = [{"instruction": "Tell me.", "input": i, "output": a} for a, i in zip(answers, given, strict=True)]
        data = make_dataset(rows, Shape.INSTRUCTION)
        return find_grounding(data, [make_dataset(list(documents), uri="docs.jsonl")], engine, **options)

    yield run
    engine.close()


DOCUMENTS = [document(n) for n in range(24)]


def test_a_copy_is_found_whole_in_its_document(ground: Any) -> None:
    answers = [text.split(". ", 1)[1] for text in DOCUMENTS]
    found = ground([answer.upper().replace(".", ";") for answer in answers], DOCUMENTS)
    assert np.allclose(found.score, 1.0)
    assert found.nearest == [f"docs.jsonl#{n}" for n in range(24)]
    assert not found.ungrounded.any()


@pytest.mark.parametrize(("share", "ungrounded_most"), [(0.15, 0.0), (0.3, 0.1)])
def test_lightly_edited_copies_are_grounded_and_answers_on_other_subjects_are_not(
    ground: Any, share: float, ungrounded_most: float
) -> None:
    rng = random.Random(4)
    words = " ".join(DOCUMENTS).split()
    edited = [
        " ".join(
            rng.choice(words) if rng.random() < share / 2 else word for word in text.split() if rng.random() > share / 2
        )
        for text in DOCUMENTS
    ]
    assert ground(edited, DOCUMENTS).ungrounded.mean() <= ungrounded_most
    foreign = [
        f"Cloud costs of team {n} fell by a third after engineers moved their nightly batch jobs to spare capacity."
        for n in range(24)
    ]
    assert ground(foreign, DOCUMENTS).ungrounded.all()


def test_words_that_are_only_spread_over_the_documents_support_nothing(ground: Any) -> None:
    rng = random.Random(1)
    vocabulary = sorted({word for text in DOCUMENTS for word in text.lower().split()})
    salad = [" ".join(rng.sample(vocabulary, 40)) for _ in range(10)]
    assert ground(salad, DOCUMENTS).ungrounded.all()


def test_the_rows_own_input_supports_its_answer(ground: Any) -> None:
    context = "The ferry leaves Aldwick quay at six, and a second one follows at nine when the tide allows it."
    found = ground([context.removeprefix("The ferry ")] * 2, DOCUMENTS, [context, ""])
    assert found.ungrounded.tolist() == [False, True]
    assert found.document[0] == OWN_CONTEXT
    assert found.nearest[0] is None


def test_short_answers_are_not_judged(ground: Any) -> None:
    found = ground(["", "Yes.", " ".join(["zebra"] * (MIN_WORDS - 1)), " ".join(["zebra"] * MIN_WORDS)], DOCUMENTS)
    assert found.judged.tolist() == [False, False, False, True]
    assert found.ungrounded.tolist() == [False, False, False, True]


def test_a_long_answer_may_come_from_several_places(ground: Any) -> None:
    answer = " ".join(DOCUMENTS[n] for n in (0, 7, 13, 21))
    assert len(answer.split()) > grounding.PIECE
    assert ground([answer], DOCUMENTS).score[0] > 1.3 * THRESHOLD


def test_a_passage_across_two_blocks_is_found_but_not_across_two_documents(ground: Any) -> None:
    words = [f"word{n}" for n in range(MANY)]
    at = grounding.PIECE
    passage = " ".join(words[at - 20 : at + 20])
    assert ground([passage], [" ".join(words)]).score[0] > 0.95
    apart = ground([passage], [" ".join(words[:at]), " ".join(words[at:])])
    assert apart.score[0] == pytest.approx(0.5, abs=0.05)


def test_common_words_are_looked_up_in_the_windows_that_telling_ones_propose(
    ground: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [text.split(". ", 1)[1] for text in DOCUMENTS] + ["The gate at the keeper of the lamps is not awake."]
    whole = ground(answers, DOCUMENTS)
    monkeypatch.setattr(grounding, "_COMMON", 2)
    few = ground(answers, DOCUMENTS)
    assert np.allclose(few.score[:24], whole.score[:24])
    assert few.nearest[:24] == whole.nearest[:24]
    assert few.score[24] <= whole.score[24] + 1e-9


def test_the_score_does_not_depend_on_parts_or_order_of_the_documents(make_dataset: Make) -> None:
    engine = LocalEngine()
    rows = [{"instruction": "?", "input": "", "output": text[:120]} for text in DOCUMENTS]
    whole = find_grounding(make_dataset(rows, Shape.INSTRUCTION), [make_dataset(DOCUMENTS)], engine)
    parts = find_grounding(
        make_dataset(rows, Shape.INSTRUCTION, part_rows=5),
        [make_dataset(DOCUMENTS[12:], uri="b"), make_dataset(DOCUMENTS[:12], uri="a", part_rows=4)],
        engine,
    )
    engine.close()
    assert np.allclose(whole.score, parts.score)


@pytest.mark.parametrize(("documents", "threshold"), [(DOCUMENTS, 0.0), (DOCUMENTS, 1.1), (["", "..."], THRESHOLD)])
def test_what_cannot_be_looked_up_is_refused(ground: Any, documents: list[str], threshold: float) -> None:
    with pytest.raises(ParameterError, match="grounding"):
        ground(["An answer of more than five words."], documents, threshold=threshold)
