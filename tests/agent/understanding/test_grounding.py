from __future__ import annotations

import pytest

from corpusmith.agent.understanding import understand
from corpusmith.agent.understanding.explain import explain
from corpusmith.core.brief import Request
from corpusmith.core.rows import Shape

MUST, SHOULD = "ungrounded_rate <= 0 must", "ungrounded_rate <= 0.05 should"


@pytest.mark.parametrize(
    ("text", "documents", "gate"),
    [
        ("Make this instruction set fit for training, answers grounded in ./docs.json", ("./docs.json",), SHOULD),
        ("Make these instruction pairs fit for training. Answers must come from ./a and ./b.", ("./a", "./b"), MUST),
        ("No hallucinated answers, check the answers against ./docs/manual.md", ("./docs/manual.md",), MUST),
        ("Clean it; the answers must be grounded in ./docs.json", ("./docs.json",), MUST),
        ("Remove unsupported answers according to ./articles", ("./articles",), MUST),
        ("Keep only instruction pairs whose answers are supported by ./docs.json", ("./docs.json",), MUST),
        ("Clean these QA pairs, based only on the documents in ./docs", ("./docs",), MUST),
        ("Prepare this instruction dataset, ideally grounded in ./docs", ("./docs",), SHOULD),
        (
            "At most 5% ungrounded answers, answers come from ./articles",
            ("./articles",),
            "ungrounded_rate <= 0.05 must",
        ),
    ],
)
def test_documents_that_answers_come_from(text: str, documents: tuple[str, ...], gate: str) -> None:
    brief = understand(Request(text=text, sources=("pairs.jsonl",)))
    assert brief.grounded_in == documents
    assert brief.sources == ("pairs.jsonl",)
    assert brief.not_understood == ()
    assert [f"{g} {g.severity}" for g in brief.gates if g.metric == "ungrounded_rate"] == [gate]
    assert any(documents[0] in line for line in explain(brief) if line.startswith("answers held against"))


def test_ungrounded_answers_without_documents_to_hold_them_against() -> None:
    brief = understand(Request(text="Clean the QA dataset ./qa.jsonl and remove ungrounded answers"))
    assert brief.not_understood == ("remove ungrounded answers (name the documents that answers come from)",)
    assert "ungrounded_rate" not in {gate.metric for gate in brief.gates}


@pytest.mark.parametrize("words", ["instruction set", "instruction sets", "question answer pairs", "Q&A set"])
def test_an_instruction_set_is_made_fit_and_not_made(words: str) -> None:
    brief = understand(Request(text=f"Make these {words} fit for training", sources=("x.json",)))
    assert brief.output.shape is Shape.INSTRUCTION
    assert not brief.generate_instructions
    assert brief.training is None
    assert brief.not_understood == ()


def test_fit_for_training_alone_is_a_wish() -> None:
    brief = understand(Request(text="Make this data fit for training", sources=("x.json",)))
    assert (brief.not_understood, brief.training, brief.quality) == ((), None, "standard")


def test_documents_may_be_sources_too() -> None:
    brief = understand(Request(text="Turn ./articles into instruction pairs grounded in ./articles"))
    assert (brief.sources, brief.grounded_in) == (("./articles",), ("./articles",))
    assert brief.generate_instructions
