"""An evaluation set made from templates, the ways its items leak into rows, and look-alikes that are not of it."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from corpusmith.evals.planting.wording import words_of

_PEOPLE = words_of(
    "Amara Bruno Celeste Dmitri Elodie Farid Greta Hiroshi Ingrid Joaquin Katya Lorenzo Mireille Nikolai"
)
_GOODS = words_of("apples lanterns notebooks candles postcards buttons pears marbles tulips pencils shells biscuits")
_PLACES = (
    "the harbour market",
    "a village fair",
    "the old station",
    "the corner bakery",
    "a mountain hut",
    "the school kitchen",
    "the flower shop",
    "a riverside stall",
)
_WEEKDAYS = words_of("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
LEAK_EDITS = ("verbatim", "embedded", "recased", "reflowed", "word_substituted", "with_answer")


@dataclass(frozen=True)
class Item:
    """One question of the evaluation set and its answer."""

    question: str
    answer: str


_TEMPLATES = (
    "{p} carried {a} {g} to {l} on {d} morning and sold {b} of them before noon. In the afternoon {q} came by with "
    "{c} more {g} and put them on the same table. How many {g} lay on the table when both of them went home?|{abc}",
    "On {d}, {p} packs {g} for {l}. Every crate takes {b} {g}, and there are {a} crates on the cart, but {c} {g} turn "
    "out to be broken and are thrown away. How many whole {g} does {p} deliver in the end?|{axb-c}",
    "{p} and {q} share the cost of {g} for {l}. The {g} cost {a} coins on {d}, a discount takes {b} coins off, and "
    "{q} already paid {c} coins. How many coins are still open?|{a-b-c}",
    "A train leaves {l} with {a} passengers on {d}. At the first stop {b} people get off, among them {p}, and {c} "
    "people with bags full of {g} get on, among them {q}. How many passengers are on the train after that stop?|{abc}",
    "{p} reads {b} pages about {g} every day, starting on {d}, while waiting at {l}. The book belongs to {q} and has "
    "{a} pages. After {c} days, how many pages has {p} read altogether?|{bxc}",
    "The cook at {l} needs {b} {g} for one tray and bakes {c} trays each {d}. {p} brings {a} {g} in the morning and "
    "{q} wants to know how many {g} are missing or left over; give the number of {g} that the trays use.|{bxc}",
    "Read the note. On {d} the keeper of {l} wrote that {p} had borrowed {a} {g}, and that {q} had borrowed {b} {g} "
    "and returned {c} of them the same evening. Who had the larger number of {g} at the end of the day?|{who}",
    "Read the passage. {p} lives above {l}. Each {d} {p} visits {q}, who collects {g} and owns {a} of them; last year "
    "it was {b} fewer. How many {g} did {q} own last year, according to the passage?|{a-b}",
)
_OTHER_TEMPLATES = (
    "A gardener plants {a} rows with {b} bulbs in each row and later digs out {c} bulbs that the mice have damaged. "
    "Work out how many bulbs are left in the bed once the digging is over, and say which step you did first.",
    "Two cyclists start from opposite ends of a valley road that is {a} kilometres long. One rides {b} kilometres in "
    "the first hour and the other rides {c}. Find the distance that lies between them when that hour is over.",
    "A water tank holds {a} litres when it is full. A pump adds {b} litres a minute while a leak loses {c} litres a "
    "minute. Describe how you would find the time after which the tank starts to overflow.",
)


def make_items(count: int, rng: random.Random) -> list[Item]:
    """`count` different items; the same seed gives the same items."""
    items: dict[str, Item] = {}
    while len(items) < count:
        p, q = rng.sample(_PEOPLE, 2)
        a, b, c = rng.randint(120, 980), rng.randint(12, 59), rng.randint(6, 48)
        answers = {
            "{abc}": a - b + c,
            "{axb-c}": a * b - c,
            "{a-b-c}": a - b - c,
            "{bxc}": b * c,
            "{who}": p if a > b - c else q,
            "{a-b}": a - b,
        }
        pattern, answer = _TEMPLATES[len(items) % len(_TEMPLATES)].rsplit("|", 1)
        names = {"p": p, "q": q, "g": rng.choice(_GOODS), "l": rng.choice(_PLACES), "d": rng.choice(_WEEKDAYS)}
        question = pattern.format(**names, a=a, b=b, c=c)
        items[question] = Item(question[0].upper() + question[1:], str(answers[answer]))
    return list(items.values())


def leak(item: Item, edit: str, host: str, rng: random.Random) -> str:
    """A row that holds `item` as one of `LEAK_EDITS` says; `host` is the text around an embedded one."""
    question = item.question
    if edit == "embedded":
        paragraphs = host.split("\n\n")
        paragraphs.insert(rng.randint(1, len(paragraphs)), question)
        return "\n\n".join(paragraphs)
    if edit == "recased":
        return rng.choice([question.upper(), question.lower(), question.title()])
    if edit == "reflowed":
        words = question.split(" ")
        return "".join(word + rng.choice([" ", " ", "  ", "\n"]) for word in words).strip()
    if edit == "word_substituted":
        words = question.split(" ")
        plain = [place for place, word in enumerate(words) if re.fullmatch(r"[a-z]{4,}", word)]
        words[rng.choice(plain)] = rng.choice(["evening", "basket", "quickly", "together", "often"])
        return " ".join(words)
    return f"{question}\n\nAnswer: {item.answer}" if edit == "with_answer" else question


def look_alike(host: str, rng: random.Random) -> str:
    """`host` with a word problem that no evaluation item resembles beyond its genre."""
    problem = rng.choice(_OTHER_TEMPLATES)
    numbers = {"a": rng.randint(60, 900), "b": rng.randint(12, 59), "c": rng.randint(6, 48)}
    return f"{host}\n\n{problem.format(**numbers)}"
