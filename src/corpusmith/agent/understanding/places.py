"""Where data comes from and goes to: sources, the text field, evaluation sets, the name of the result."""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import FIELD, PATH

BENCHMARKS = (
    r"(?:gsm8k|mmlu(?:-pro)?|hellaswag|arc(?:-easy|-challenge)?|humaneval|mbpp|truthfulqa|winogrande|boolq|piqa|squad"
    r"|math500|bbh|ifeval|commonsenseqa|openbookqa|triviaqa|drop|gpqa|lambada)"
)
_ONE_SET = (
    rf"(?:the )?(?:(?:{BENCHMARKS} (?:(?:test|eval|validation)(?: set)? )?)?{PATH}|{BENCHMARKS})(?: "
    r"(?:test|eval|evaluation)(?: sets?)?)?"
)
_SETS = rf"(?P<sets>{_ONE_SET}(?:(?:,| and|, and|,? or) {_ONE_SET})*)"
_DECONTAMINATE = (
    rf"\b(?:de-?contaminat(?:e|ed|ing|ion)(?: \w+)?|no (?:contamination|overlap|leakage)|uncontaminated"
    rf"|zero (?:contamination|overlap)|free of contamination) (?:against|with|from|by|of|for) {_SETS}",
    rf"\b(?:must not|mustn't|may not|should not|shouldn't|cannot|can't|do not|don't|without) (?:\w+ )?"
    rf"(?:contain|containing|include|including|overlap|hold|holding)(?: with)?(?: any)?"
    rf"(?: (?:items?|questions?|examples?|rows?|anything|text|problems?)(?: (?:of|from|in))?)? {_SETS}",
    rf"\b(?:remove|drop|exclude) (?:anything|everything|all|any|items?|rows?|documents?)?(?: \w+){{0,3}} "
    rf"(?:overlap(?:s|ping)?(?: with)?|leaked from|contaminated by|that (?:is|are|appears?|stands?) in) {_SETS}",
    rf"\b(?:free|clear|clean) of (?:(?:anything|everything|all|any|items?|questions?|rows?|text) )?"
    rf"(?:(?:that|which) )?(?:(?:is|are|appears?|stands?|occurs?) )?(?:(?:in|from|of) )?{_SETS}",
    rf"\bno(?:thing|ne)(?: of)?(?: (?:items?|questions?|rows?|text))?"
    rf"(?: (?:that|which))? (?:is|are|appears?|stands?|occurs?|(?:is |are )?found|from|of)(?: in)? {_SETS}",
)
_NAME = r"(?P<quote>[\"'`]?)(?P<field>[a-z_][\w.-]*\w)(?P=quote)"
_NO_NAME = r"(?!(?:parquet|jsonl|json|hf|an?|the|it|text|alpaca|sharegpt|messages|hugging|huggingface)\b)"
_NAMING = (
    rf"\b(?:call|name) (?:it|them|this|(?:the )?(?:result|dataset|data set|corpus|output|model|adapter))"
    rf" {_NO_NAME}{_NAME}",
    rf"\b(?:named|called|titled|under the name(?: of)?|with the name) {_NO_NAME}{_NAME}",
    rf"\bpublish(?:ed)?(?: it| them| the (?:result|dataset|corpus))? (?:as|under)(?: the name)? {_NO_NAME}{_NAME}",
)
_TEXT_FIELD = (
    rf"(?:the )?\b(?:text|content) (?:is|stands|lives|sits|can be found|is found|is stored) (?:in|under|at) (?:the )?"
    rf"(?:fields? |columns? |key )?(?:called |named )?(?P<field>{FIELD})(?: (?:field|column|key)\b)?",
    rf"\b(?:the )?text[ _-](?:field|column|key)(?::| =|=| is called| is| called| named)? ?(?P<field>{FIELD})",
    rf"\b(?:use|using|read|take|with) (?:the )?(?P<field>{FIELD}) (?:field|column|key)"
    r"(?: (?:as|for) (?:the )?text)?\b",
)
_TEXT_HOLDER = rf"(?:the )?\b(?P<field>{FIELD}) (?:field|column|key) (?:holds|contains|has|is) (?:the )?text\b"
_SAVE = (
    rf"\b(?:save|write|store|export|output|put) (?:it|them|that|the (?:result|dataset|data|output|corpus)|everything)"
    rf"?\s?(?:all )?(?:in|to|into|at|under|as) (?P<path>{PATH})"
)
_DESCRIBED = (
    (
        rf"\b(?:(?:the|these|this|my|our|all|some|of|a|an) )+(?:[a-z][\w-]* ){{1,3}}(?:in|from|at|under|of"
        rf"|located in|stored in) (?={PATH})"
    ),
    (
        r"(?:the )?\b(?:folders?|director(?:y|ies)|files?|dumps?|datasets?|data|corpus|source) (?=(?:at |in "
        rf"|from )?{PATH})"
    ),
)


def read_text_field(scan: Scan, draft: Draft) -> None:
    """Which field holds the text."""
    for pattern in (*_TEXT_FIELD, _TEXT_HOLDER):
        for match in scan.find(pattern):
            name = scan.field(match)
            draft.claim("text_field", name, match.start(), scan.take(match))


def read_output_path(scan: Scan, draft: Draft) -> None:
    """A place to write to: the run publishes under a name, writing files out is a command of its own."""
    for match in scan.find(_SAVE):
        path = scan.path(match.group("path"))
        words = scan.take(match)
        draft.leave(match.start(), words, "write it out afterwards with `corpusmith data export`")
        stem, _, suffix = path.rstrip("/").rsplit("/", 1)[-1].partition(".")
        if stem:
            draft.claim("name", stem, match.start(), words)
        if suffix in ("jsonl", "parquet"):
            draft.claim("output.files", suffix, match.start(), words)


def read_name(scan: Scan, draft: Draft) -> None:
    """What the result is called."""
    for pattern in _NAMING:
        for match in scan.find(pattern):
            name = scan.field(match)
            draft.claim("name", name, match.start(), scan.take(match))


def read_evaluation_sets(scan: Scan, draft: Draft) -> None:
    """Evaluation sets the data must not hold. A benchmark's name before a file only describes the file."""
    for pattern in _DECONTAMINATE:
        for match in scan.find(pattern, negated=True):
            sets = match.group("sets")
            words = scan.take(match)
            for found in re.finditer(rf"{PATH}|{BENCHMARKS}(?! (?:\w+ ){{0,2}}‹)", sets):
                name = found.group() if "‹" not in found.group() else scan.path(found.group())
                draft.claim("decontaminate_against", name, match.start() + found.start(), words)
            draft.gate(scan, "contamination_rate", "<=", 0.0, match.start(), words)


def read_sources(scan: Scan, draft: Draft) -> None:
    """Every path that no other rule has used, and the words that only say what is there."""
    for match in scan.find(r"\b(?:data ?sets?|corpus|corpora|corpuses)\b(?: of\b)?"):
        scan.take(match)
    for pattern in _DESCRIBED:
        for match in scan.find(pattern, negated=True):
            scan.take(match, counts=False)
    for match in scan.find(PATH):
        path = scan.path(match.group())
        draft.claim("sources", path, match.start(), scan.take(match, counts=False))
