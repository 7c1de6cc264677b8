"""How rows and files look at the end: file format, template, windows, instruction and preference pairs."""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import EXAMPLE, Draft
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import NUMBER, PATH
from corpusmith.core.brief import OutputFormat
from corpusmith.core.errors import RequestError
from corpusmith.core.rows import Shape

_FILES = {
    "parquet": r"parquet",
    "jsonl": r"(?:json-?l|json[- ]lines|nd-?json|json)",
    "hf": r"(?:hugging ?-?face(?:'s)?|hf|dataset ?dict|arrow)",
}
_AS = (
    r"(?:(?:saved |stored |written |exported |output |export it |export them |formatted )?(?:as|in|into"
    r"|to) (?:an? |the )?)?"
)
_TRAIL = r"(?:(?:[ -](?:files?|formats?|datasets? ?dict|datasetdict|datasets?|output))*)"
_TEMPLATES = {
    "alpaca": r"alpaca(?:[- ]style)?",
    "sharegpt": r"share ?-?gpt(?:[- ]style)?",
    "messages": r"(?:chat ?ml|(?:(?:openai|chat)[- ])?messages|chat (?=format|template|dataset|data|examples))",
    "preference": r"(?:dpo|preference(?= (?:pairs?|data|dataset|examples?|format|rows))|chosen/rejected)",
    "text": r"plain[- ]text",
}
_TEMPLATE_TRAIL = r"(?:[ -](?:format|template|style|pairs?|data|dataset|examples?|rows|training|records))*"
_WINDOWS = (
    r"\b(?:(?:in|as|into|to) )?(?:causal |fixed |packed |context |(?:pre-?)?training )*"
    r"(?:windows|chunks|blocks|sequences) of "
    rf"(?P<a>{NUMBER}) tokens\b|\b(?:(?:in|as|into|to) )?(?P<b>{NUMBER})[- ]token (?:causal )?(?:windows"
    r"|chunks|blocks|sequences)\b"
    r"|\b(?:(?:with|in|a|an|of|and) )*(?:max(?:imum)? )?(?:context |causal )?"
    r"(?:window|sequence|context|block|chunk)s?[ -]?"
    rf"(?:size|length)(?: of| =|=|:)? ?(?P<c>{NUMBER})(?: tokens)?\b"
)
_INSTRUCTION = (
    r"(?:instruction(?:[- ](?:tuning|following|response|answer))?|instruct|question(?:s)? ?(?:/|-|and|&)? ?answers?"
    r"|q ?(?:&|/|and|\+) ?as?|qa|sft|(?:prompt|instruction)[/-](?:response|answer))"
)
_PAIRS = (
    rf"\b(?P<own>(?:these|this|my|our|the|existing|those) (?:\w+ ){{0,2}}?)?{_INSTRUCTION}[ -]"
    r"(?P<noun>examples?|pairs?|data ?sets?|sets?|data|samples?|records|rows|corpus)\b"
)
_MAKES = re.compile(
    r"\b(?:turn|make|generate|create|build|write|produce|derive|synthesi[sz]e|into|from|out of|need|want|give|get)\b"
)
_DOCUMENTS = re.compile(
    r"\b(?:turn|convert|transform|make|rewrite)\b[^.;]*\b(?:articles?|documents?|docs|pages|posts|books"
    r"|essays|manuals|texts?)\b"
    rf"[^.;]*\b(?:into|to|as)\b|\bturn {PATH} into\b"
)


def read_files(scan: Scan, draft: Draft) -> None:
    """The file format; `not Parquet` only confirms another choice."""
    for files, pattern in _FILES.items():
        for match in scan.find(
            rf"\b(?:not|no|instead of|rather than) (?:as |in )?(?:{pattern})\b{_TRAIL}", negated=True
        ):
            if files != "parquet" or any(
                re.search(rf"\b{other}\b", scan.full) for other in (_FILES["jsonl"], _FILES["hf"])
            ):
                scan.take(match)
    for files, pattern in _FILES.items():
        for match in scan.find(rf"\b{_AS}{pattern}\b{_TRAIL}"):
            draft.claim("output.files", files, match.start(), scan.take(match))
    for match in scan.find(
        r"\b(?:as|in|into|to) (?:an? )?(?:csv|tsv|excel|xlsx|xml|tfrecords?|webdataset)\b(?: files?)?"
    ):
        draft.leave(match.start(), scan.take(match, counts=False), "files are Parquet, JSONL or Hugging Face")


def read_windows(scan: Scan, draft: Draft) -> None:
    """Causal windows of N tokens; before sizes are read, for N is none."""
    for match in scan.find(_WINDOWS):
        tokens = round(float(match.group("a") or match.group("b") or match.group("c")))
        at, words = match.start(), scan.take(match)
        if tokens < 8:
            raise RequestError(f"'{words}' is impossible: a window has at least 8 tokens", hint=EXAMPLE, tokens=tokens)
        draft.claim("output.template", "windows", at, words)
        draft.claim("output.window_tokens", tokens, at, words)


def read_template(scan: Scan, draft: Draft) -> None:
    """The template of a row, and whether instruction pairs are to be made out of documents."""
    for match in scan.find(r"\b(?:pre-?training|causal|language modell?ing) (?:text|corpus|data|format)\b"):
        scan.take(match)
    own = False
    for match in scan.find(_PAIRS):
        own = own or bool(match.group("own")) or not _MAKES.search(scan.full)
        draft.claim("output.instruction", True, match.start(), scan.take(match))
    for template, pattern in _TEMPLATES.items():
        for match in scan.find(rf"\b{_AS}(?:for )?{pattern}\b{_TEMPLATE_TRAIL}"):
            draft.claim("output.template", template, match.start(), scan.take(match))
    instruct = draft.last("output.template") in ("alpaca", "sharegpt", "messages")
    asked = draft.has("output.instruction")
    if not own and (asked or (instruct and _DOCUMENTS.search(scan.full))):
        field = "output.instruction" if asked else "output.template"
        draft.claim("generate_instructions", True, draft.claims[field][0].at, draft.words(field))


def output_of(draft: Draft) -> OutputFormat:
    """The output format claimed."""
    template = draft.last("output.template", "alpaca" if draft.has("output.instruction") else "text")
    if not draft.has("output.template") and draft.has("output.instruction"):
        draft.notes.append("template: alpaca (instruction, input, output)")
    shape = {"alpaca": Shape.INSTRUCTION, "sharegpt": Shape.INSTRUCTION, "messages": Shape.INSTRUCTION}.get(template)
    if template == "preference":
        shape = Shape.PREFERENCE
    return OutputFormat(
        files=draft.last("output.files", "parquet"),
        shape=shape or Shape.TEXT,
        template=template,
        window_tokens=draft.last("output.window_tokens") if template == "windows" else None,
    )
