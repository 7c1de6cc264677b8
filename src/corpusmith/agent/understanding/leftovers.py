"""What no rule has used: the spans of the request that were not understood."""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import Leftover
from corpusmith.agent.understanding.scan import BLANK, Scan

_FUNCTION_WORDS = """
    a an the of from to into in on at by with without for as and or but so then than that which who this these
    those there here it its them they their i we you he she me my our your us is are was were be been am do does
    did done has have had will would can could should shall may might must also please kindly hi hello hey dear
    thanks thank lot very much really actually wait ok okay oh well nice nicely nicer good great just only still
    too again now afterwards finally first next last each every any all some both either only no not yes don't
    i'd i'm i've let's like about out up off per sure ideally preferably preferable hopefully try if possible
    because since while down over under through across via using use used want wants wanted need needs needed
    let get gets
"""
_FUNCTION = frozenset(_FUNCTION_WORDS.split())
_FILLER_WORDS = """
    make makes making create creating build building produce producing give gives take takes taking turn turns
    turning generate generating write prepare preparing process processing convert converting transform merge
    combine join put look help read load collect export output result results keep keeps keeping remove removes
    removing drop drops dropping filter filtering delete deleting discard strip exclude mask include including
    contain contains crawl dump ensure check sample sampling select pick draw cap limit data dataset datasets set sets
    corpus corpora corpuses collection text texts document documents doc docs article articles row rows record
    records example examples sample samples post posts page pages item items entry entries pair pairs file files
    conversation conversations dialogues
    folder folders directory source sources input inputs content contents line lines format formats token tokens
    language languages everything anything nothing something rest part whole version copy one ones lm llm llms
    model-ready ready usable suitable nlp ml ai machine learning jsonl csv txt split splits size quality target
    targets stay stays rate level share total number numbers most least more less seed name named called
    instance way thing things job task request aim goal find finding fit training
"""
_FILLER = frozenset(_FILLER_WORDS.split())
_SEGMENT = re.compile(rf"[^{BLANK},;:!?.()\[\]\n‹›]+(?:\.(?=\w)[^{BLANK},;:!?.()\[\]\n‹›]+)*")
_TOKEN = re.compile(r"[^\s\"'`]+(?:'[^\s\"'`]+)?")


def leftovers(scan: Scan) -> list[Leftover]:
    """The phrases that no rule has used, in the person's own words; glue at either end is cut off.

    A phrase is a run of unused text between what was used and punctuation. One that holds only glue (please, make,
    these, documents) is no phrase.
    """
    out = []
    for segment in _SEGMENT.finditer(scan.norm):
        tokens = [(m.group().strip("-–—…/&+*"), m.start(), m.end()) for m in _TOKEN.finditer(segment.group())]
        tokens = [token for token in tokens if re.search(r"\w", token[0])]
        if all(word in _FUNCTION or word in _FILLER for word, _, _ in tokens):
            continue
        while tokens[0][0] in _FUNCTION and not _carries(tokens):
            tokens = tokens[1:]
        while tokens[-1][0] in _FUNCTION:
            tokens = tokens[:-1]
        start, end = segment.start() + tokens[0][1], segment.start() + tokens[-1][2]
        out.append(Leftover(start, scan.original(start, end)))
    return out


def _carries(tokens: list[tuple[str, int, int]]) -> bool:
    """A leading negation or bound carries the meaning of what follows and stays."""
    first, second = tokens[0][0], tokens[1][0] if len(tokens) > 1 else ""
    return (first in ("no", "not", "don't", "without", "except") and bool(second)) or (
        first == "at" and second in ("most", "least")
    )


def content_words(phrase: str) -> int:
    """How many words of `phrase` are no glue."""
    words = [word.lower() for word in re.findall(r"[\w'-]+", phrase)]
    return sum(word not in _FUNCTION and word not in _FILLER for word in words)
