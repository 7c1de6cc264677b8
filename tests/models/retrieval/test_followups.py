"""Questions that lean on those before them, on conversations made over the small corpus."""

from __future__ import annotations

from typing import Any

import pytest

from corpusmith.models.retrieval.followups import MOST_SHARE, earlier_questions, needs_context, query_in_context
from corpusmith.models.retrieval.grounder import IN_CONTEXT, CorpusGrounder, text_of
from corpusmith.models.retrieval.terms import Terms

HERONS, BRIDGE, BREAD, CLOCKS = range(4)
CONVERSATIONS = [
    (("Where do herons nest in spring?", "And how many eggs do they lay?"), HERONS),
    (("Why does the heron wait at dawn?", "What does it eat?"), HERONS),
    (("How is the toll of the crossing set?", "What is it used for?"), BRIDGE),
    (("Who built the stone bridge?", "Why did that take so long?"), BRIDGE),
    (("What makes a starter rise?", "How often is it fed?"), BREAD),
    (("When is the loaf done baking?", "And then?"), BREAD),
    (("When is the loaf done baking?", "What about the crust?"), BREAD),
    (("How does a tide clock differ from a common one?", "Who sets it?"), CLOCKS),
    (("Why were pendulums useless at sea?", "Tell me more"), CLOCKS),
    (("Why were pendulums useless at sea?", "What took over instead?"), CLOCKS),
    (("Who built the stone bridge?", "Thanks!", "How many winters did they need?"), BRIDGE),
    (("Where do herons nest in spring?", "Who built the stone bridge?"), BRIDGE),  # a new subject
    (("Who built the stone bridge?", "What makes a sour starter of rye and wheat rise?"), BREAD),
    (("How does a tide clock differ from a common one?", "And bread?"), BREAD),
]


def turns(*said: str) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for text in said:
        made += [{"role": "user", "content": text}, {"role": "assistant", "content": "Herons, bridges, bread, clocks."}]
    return made[:-1]


def theme(grounder: CorpusGrounder, *said: str) -> int | None:
    """What the first passage is about: every fourth document is about the same."""
    found = grounder.ground(turns(*said), k=3)
    return int(found.citations[0]["row_id"].partition("#")[2]) % 4 if found.citations else None


def test_conversations_are_followed_where_single_questions_are_not(grounder: CorpusGrounder) -> None:
    found = [theme(grounder, *said) == right for said, right in CONVERSATIONS]
    alone = [theme(grounder, said[-1]) == right for said, right in CONVERSATIONS]
    assert [said for (said, _), right in zip(CONVERSATIONS, found, strict=True) if not right] == []
    assert sum(alone) == 4


def test_one_conversation_always_finds_the_same(grounder: CorpusGrounder) -> None:
    said = turns("Where do herons nest in spring?", "And how many eggs do they lay?")
    assert grounder.ground(said) == grounder.ground(said)


def test_it_is_told_and_only_where_it_was_done(grounder: CorpusGrounder) -> None:
    assert IN_CONTEXT in grounder.ground(turns("Where do herons nest?", "And when?")).notes
    assert IN_CONTEXT not in grounder.ground(turns("Where do herons nest?", "Who built the stone bridge?")).notes
    assert IN_CONTEXT not in grounder.ground(turns("And when?")).notes


def test_what_is_not_found_is_said_in_a_conversation_too(grounder: CorpusGrounder) -> None:
    assert not grounder.ground(turns("Which tariffs apply to semiconductors?", "And who pays them?")).found
    found = grounder.ground(turns("Where do herons nest in spring?", "Which tariffs apply to imported semiconductors?"))
    assert not found.found


@pytest.mark.parametrize(
    ("question", "leans"),
    [
        ("and what about the second one?", True),
        ("Why?", True),
        ("Tell me more", True),
        ("Does it bake longer with rye flour?", True),
        ("How do they differ from pendulum clocks?", True),
        ("Bread?", True),
        ("Who built the stone bridge?", False),
        ("What makes a sour starter of rye and wheat rise?", False),
        (
            "Which masons of the guild cut the granite that the council of Aldwick paid for in the year of the flood?",
            False,
        ),
    ],
)
def test_which_questions_do_not_stand_by_themselves(question: str, leans: bool) -> None:
    assert needs_context(question, Terms("en")) is leans


def test_earlier_words_weigh_less_the_longer_ago_and_never_more_than_the_question(grounder: CorpusGrounder) -> None:
    terms, stats = grounder.index.retriever.terms, grounder.index.retriever.stats

    def weights(question: str, *earlier: str) -> dict[int, float]:
        query = query_in_context(question, earlier, terms, stats)
        return dict(zip(query.indices, query.values, strict=True))

    def token(word: str) -> int:
        return terms.query(word).indices[0]

    only = weights("and the second one?", "granite bridge", "heron")
    assert only == {token("granite"): 0.5, token("bridge"): 0.5, token("heron"): 0.25}
    both = weights("And baked bread?", "granite bridge toll of Aldwick", "bake herons")
    own, more = (
        sum(both[t] * stats.idf([t])[0] for t in both if (both[t] == 1.0) is is_own) for is_own in (True, False)
    )
    assert more == pytest.approx(MOST_SHARE * own)
    assert both[token("bake")] == 1.0
    assert both[token("heron")] == pytest.approx(both[token("granite")] / 2)
    assert weights("granite") == {token("granite"): 1.0}


def test_only_users_are_listened_to_and_only_the_last_three() -> None:
    said = [*turns("a", "b", " ", "c", "d"), {"role": "tool", "content": "x"}, {"role": "user", "content": "e"}]
    assert earlier_questions(said, len(said) - 1, text_of) == ["d", "c", "b"]
    assert earlier_questions(said, 0, text_of) == []
