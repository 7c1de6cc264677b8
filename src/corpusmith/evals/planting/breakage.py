"""Rows that cannot be used: empty, cut off, garbage; and rows that can be repaired: wrong encodings, HTML remains."""

from __future__ import annotations

import html
import random

from corpusmith.evals.planting.wording import words_of

EMPTY = ("", "   ", "\u200b\u200b\ufeff", "\n\t\n", " \u00a0 ")
GARBAGE_EDITS = ("repeated_line", "keyword_spam", "symbol_soup", "bullet_links", "digits")
ENCODING_EDITS = ("utf8_as_cp1252", "utf8_as_latin1", "twice_as_cp1252", "replacement_char", "control_chars")
HTML_EDITS = ("tags", "entities", "page_fragment")

_ACCENTED = (
    "The first café to try it was the one that Zoë and José keep in São Paulo.",
    "Günter Müller’s naïve reading – “it cannot fail” – did not survive the week in Zürich.",
    "François paid €40 for the façade’s repair, and Søren’s crew from Malmö did the rest.",
    "Señora Ibáñez called it “déjà vu”, which nobody in Kraków or Łódź could deny.",
    "It’s the fiancée’s résumé – not the attaché’s – that Mr. Ångström found in the dépôt.",
    "The cliché about “crème brûlée” isn’t older than the hôtel Núñez in Córdoba.",
)
_SPAM = words_of(
    "cheap watches best price shoes online free shipping casino bonus loans credit discount pills deals offer"
)
_CONTROLS = "\x01\x02\x08\x0b\x0c\x1b\x7f\x9d"


def accented(text: str, rng: random.Random, encoding: str = "utf-8") -> str:
    """`text` as a typesetter leaves it: curly quotes, and two added sentences with accented letters.

    Every character can be written in `encoding`; Latin-1, which has no curly quotes and no euro sign, gets plain ones.
    """
    paragraphs = text.replace("'", "’").replace(' "', " “").replace('"', "”").split("\n\n")
    plain = str.maketrans({"’": "'", "“": '"', "”": '"', "–": "-", "€": "£"}) if encoding == "latin-1" else {}
    sentences = [sentence for sentence in _ACCENTED if _encodable(sentence.translate(plain), encoding)]
    for sentence in rng.sample(sentences, 2):
        paragraphs[rng.randrange(len(paragraphs))] += " " + sentence
    return "\n\n".join(paragraphs).translate(plain)


def _encodable(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def break_encoding(text: str, edit: str, rng: random.Random) -> str:
    """Damage `text` (which must hold accented letters) as one of `ENCODING_EDITS` says."""
    if edit == "replacement_char":
        odd = [place for place, char in enumerate(text) if ord(char) > 127]
        chars = list(text)
        for place in rng.sample(odd, max(2, len(odd) // 2)):
            chars[place] = "\ufffd"
        return "".join(chars)
    if edit == "control_chars":
        words = text.split(" ")
        for _ in range(6):
            place = rng.randrange(len(words))
            words[place] += rng.choice(_CONTROLS)
        return " ".join(words)
    wrong = "latin-1" if edit == "utf8_as_latin1" else "cp1252"
    for _ in range(2 if edit == "twice_as_cp1252" else 1):
        text = "".join(_misread(char, wrong) for char in text)
    return text


def _misread(char: str, wrong: str) -> str:
    if char.isascii():
        return char
    return "".join(
        bytes([byte]).decode(wrong if wrong == "latin-1" or byte not in _CP1252_HOLES else "latin-1")
        for byte in char.encode()
    )


_CP1252_HOLES = frozenset({0x81, 0x8D, 0x8F, 0x90, 0x9D})


def leave_html(text: str, edit: str, rng: random.Random) -> str:
    """Wrap `text` in HTML remains as one of `HTML_EDITS` says; its words stay."""
    paragraphs = text.split("\n\n")
    if edit == "tags":
        wrapped = [f'<p class="c{rng.randrange(90)}">{_emphasised(piece, rng)}</p>' for piece in paragraphs]
        return "<br/>\n".join(wrapped)
    if edit == "entities":
        escaped = [html.escape(piece).replace("'", "&#x27;").replace(". ", ".&nbsp;") for piece in paragraphs]
        return "\n\n".join(escaped)
    inner = "</p>\n<p>".join(html.escape(piece) for piece in paragraphs)
    image = f'<img src="/i/{rng.randrange(99)}.png"/>'
    return f'<div id="main-{rng.randrange(900)}" style="margin:0">\n<p>{inner}</p>\n{image}\n</div>'


def _emphasised(text: str, rng: random.Random) -> str:
    words = html.escape(text, quote=False).split(" ")
    place = rng.randrange(len(words))
    tag = rng.choice(["b", "em", 'span class="hl"', f'a href="/p/{rng.randrange(999)}"'])
    words[place] = f"<{tag}>{words[place]}</{tag.split()[0]}>"
    return " ".join(words)


def cut_off(text: str, edit: str, rng: random.Random) -> str:
    """The first 40-60 % of `text`, ending inside a sentence (`mid_sentence`) or inside a word (`mid_word`)."""
    words = text.split(" ")
    size = round(len(words) * rng.uniform(0.4, 0.6))
    while size > 12 and (words[size - 1][-1:] in ".!?:;,)'\"" or "\n" in words[size - 1]):
        size -= 1
    kept = words[:size]
    if edit == "mid_word":
        longest = max(range(max(size - 6, 0), size), key=lambda place: len(words[place]))
        kept = words[: longest + 1]
        kept[-1] = kept[-1].split("\n")[0][: max(2, len(kept[-1]) // 2)].rstrip(".,;:!?")
    return " ".join(kept)


def garbage(edit: str, rng: random.Random) -> str:
    """A row of junk that breaks a published rule of Gopher's (repetition, symbols, bullets, words without letters)."""
    if edit == "repeated_line":
        line = "Click here for the " + " ".join(rng.sample(_SPAM, 5)) + "."
        return "\n".join([line] * rng.randint(8, 20))
    if edit == "keyword_spam":
        pair = rng.sample(_SPAM, 3)
        return " ".join(word for _ in range(rng.randint(25, 50)) for word in (*pair, rng.choice(_SPAM)))
    if edit == "symbol_soup":
        return " ".join("".join(rng.choice("#$%*+/=^~|_") for _ in range(rng.randint(2, 9))) for _ in range(90))
    if edit == "bullet_links":
        return "\n".join(f"- {rng.choice(_SPAM)} {rng.choice(_SPAM)} {rng.randint(2, 999)}" for _ in range(40))
    return "\n".join(" ".join(str(rng.randint(0, 99999)) for _ in range(8)) for _ in range(12))
