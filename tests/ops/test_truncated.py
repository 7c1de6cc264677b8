"""Cut-off texts: what is cut is told, what ends otherwise than with a sentence is left alone."""

from __future__ import annotations

import pytest

from corpusmith.ops.truncated import CERTAIN, LIKELY, cut_off

PROSE = (
    "The museum opened its doors in the spring of that year, and people came from all over the county. "
    "Most of them had never seen a painting that large, so they stood in front of it for a long time. "
)


def surely(text: str) -> float:
    lines = [line for line in text.split("\n") if line.strip()]
    marked = sum(line.rstrip().endswith((".", "!", "?")) for line in lines)
    return cut_off(text, len(text.split()), marked / max(1, len(lines)))


@pytest.mark.parametrize(
    ("end", "sure"),
    [
        ("A guide would have to tell them the story twice before anyone was willing to move on to the ne", LIKELY),
        ("A guide would have to tell them the story before anyone was willing to move on to the", CERTAIN),
        ("A guide would tell them the story, and when they had heard it,", CERTAIN),
        ("A guide would tell them […]", CERTAIN),
        ("A guide would tell them the story. Read more…", CERTAIN),
        ("A guide would tell them; nobody was willing to move; but then, when he had told the whole sto", LIKELY),
        (
            "\n\nOne more thing about the guide: he told the story to everyone who had the patience to listen to all o",
            LIKELY,
        ),
        ("\n\nThe guide told them the sto", LIKELY),
        ("\n\nThe guide told them their", CERTAIN),
        ("\n\nNobody knows how many of them will", CERTAIN),
        ("\n\nIt was late. The guide had told them the story twice. Nobody was willing to go until the doo", 0.0),
    ],
)
def test_cut(end, sure):
    assert surely(PROSE + end) >= min(sure, LIKELY)
    assert sure != CERTAIN or surely(PROSE + end) == CERTAIN


@pytest.mark.parametrize(
    "end",
    [
        "",
        "\n\nFurther reading",
        "\n\nWho we are",
        "\n\nRead the whole story of the painter",
        "\n\nPhoto of the museum by one of the guards",
        "\n\nThe Story of a Painter and His Museum",
        "\n\nAuthor: one of the guards that is with the museum",
        "\n\nfor (guide of guides) { guide.tell(story); total = total + 1; } if (total) return total",
        " 3",
        "\n\n- the first of the items\n- the second of the items that are listed here for no reason at all",
        "\n\n```\nfor row in rows:\n    print(row)\n```",
        "\n\n| a | b |\n| 1 | 2 |",
        "\n\nx = compute(a, b)\nreturn x",
        "\n\nJane Doe, Springfield",
        "\n\n© 2024 THE MUSEUM OF THE COUNTY AND ALL OF ITS MANY FRIENDS IN THE REGION",
        'He said: "That is the end of it."',
        "For more about it see www.example.org",
        "Here is the list:",
    ],
)
def test_whole(end):
    assert surely(PROSE + end) == 0.0


def test_one_sentence_and_a_long_start_of_another_are_enough():
    text = PROSE.partition(". ")[0] + ". Most of them had never seen a painting that large, so they stood in fron"
    assert surely(text) == LIKELY
    assert surely(text[:-30].replace("opened", "(it opened)") + " so they sto") == LIKELY


@pytest.mark.parametrize("text", ["", "Paris", "a short title of a page", "the"])
def test_short_rows_are_never_cut(text):
    assert surely(text) == 0.0
