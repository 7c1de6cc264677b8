"""A small corpus with authors, platforms, dates, titles, headings and questions, for the tests of retrieval."""

from __future__ import annotations

import json

_THEMES = (
    ("Herons at the pond", "Ann Lee", "linkedin.example", "2023-05-01", [
        ("Why does the heron wait at dawn?", "Frogs are slow in the cold of the morning, and the pond lies still. A "
         "grey heron stands among the reeds for an hour without moving, then strikes within a blink of the eye."),
        ("Where do herons nest in spring?", "High in old alders near the water they build platforms of sticks, used "
         "year after year. Three to five pale blue eggs are laid in April, and both parents bring fish."),
    ]),
    ("The bridge of Aldwick", "Bob Ray", "medium.example", "2022-11-20", [
        ("Who built the stone bridge?", "A guild of masons cut the granite in the quarry above the town and carried it "
         "down on sledges. The work took nine winters, because mortar sets badly when rivers run high."),
        ("How is the toll of the crossing set?", "The council of Aldwick weighs each cart at the eastern tower. Since "
         "the great flood the receipts pay for piers and railings, and nothing of it goes to the crown."),
    ]),
    ("Bread with a sour starter", "Ann Lee", "medium.example", "2024-02-14", [
        ("What makes a starter rise?", "Wild yeasts live on the bran of rye and wheat. Fed with flour and warm water "
         "twice a day they multiply, and lactic bacteria keep moulds away by making the dough sour."),
        ("When is the loaf done baking?", "A thermometer in the crumb reads ninety-six degrees, the crust is chestnut "
         "brown, and a knock on the bottom sounds hollow. Let it cool on a rack for two hours before cutting."),
    ]),
    ("Clocks that keep the tide", "Cy Doe", "linkedin.example", "2023-09-09", [
        ("How does a tide clock differ from a common one?", "Its single hand goes round in twelve hours and "
         "twenty-five minutes, half a lunar day. Harbour masters set it by the moon, never by the sun."),
        ("Why were pendulums useless at sea?", "The roll of a ship lends every swing a push or a pull. Springs and "
         "balance wheels took over once jewels made bearings that hardly wear."),
    ]),
)  # fmt: skip


def _text(title: str, parts: list[tuple[str, str]]) -> str:
    paragraphs = [f"## {question[:-1]} in detail\n\n{question} {answer}\n\n{answer}" for question, answer in parts]
    return f"# {title}\n\n" + "\n\n".join(paragraphs) + "\n"


ROWS = [
    {
        "text": _text(title, parts).strip("\n"),
        "meta": json.dumps(
            {
                "title": title,
                "author": author,
                "platform": platform,
                "published": date,
                "url": f"https://{platform}/{n}",
            }
        ),
    }
    for n, (title, author, platform, date, parts) in enumerate(_THEMES)
]
ROWS += [
    {
        "text": f"{answer} " * 6 + f"Notebook {n} of the keeper.",
        "meta": json.dumps({"author": author, "title": f"Notebook {n}"}),
    }
    for n, (_, author, _, _, parts) in enumerate(_THEMES * 2)
    for answer in [parts[n % 2][1].split(". ")[n // 4 % 2] + f". Entry {n} was written in the hut."]
]
ROWS += [{"text": " \n", "meta": "{}"}]
