"""Wishes that this version does not grant: training, serving, indexing, crawling, translating, images, uploads.

Recognised, so that the person reads why; each ends among what was not understood. Training, serving and indexing also
set the deliverable. The purposes a dataset is for ("for fine-tuning") are no wishes and are read over.
"""

from __future__ import annotations

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import DONT, PATH, ROW_NOUN
from corpusmith.core.brief import Deliverable

_STOP = (
    rf"(?:and|then|but|so|using|as|with|afterwards|(?:only )?(?:if|when|once|unless|after|provided)|{PATH}|from {PATH}"
    rf"|on {PATH}|on \d|\d+ (?:\S+ ){{0,4}}{ROW_NOUN}|(?:clean|dedup)\w*)(?![\w-])"
)
_TAIL = (
    rf"(?:\s+(?!{_STOP})(?:[^\s,;.!?\x00]|[.](?=\w))+)*(?:\s+(?:only )?(?:if|when|once|unless|provided)\b[^,;.\x00]*)?"
)
_IT = r"(?:it|them|this|these|that|those|the (?:result|data|dataset|corpus|documents|articles|texts|model))"

_UNSUPPORTED: tuple[tuple[str, str, Deliverable | None], ...] = (
    (
        rf"\b(?:fine-?tun(?:e|ed)|finetune|(?:start|do|run|begin) (?:fine-?tuning|training)"
        rf"|(?:pre-?)?train(?= (?:a|an|the|my|our|on|it|them|some|lora|llama|gpt)\b))\b{_TAIL}",
        "training is not in this version",
        Deliverable.MODEL,
    ),
    (
        rf"\b(?:deploy|serve|host|put {_IT} behind an? (?:api|endpoint)|ship {_IT} to production)\b{_TAIL}",
        "serving is not in this version",
        Deliverable.ENDPOINT,
    ),
    (
        rf"\b(?:(?:put|load|store|insert|push|write) {_IT} (?:in|into|to) (?:a |an |the |my |our )?"
        r"(?:(?:vector|search|retrieval|rag|embedding) ?(?:index|store|database|db)|index|qdrant|chroma|pinecone)"
        rf"|(?:build|make|create) (?:a |an |the )?(?:vector |search |retrieval |rag )?index|index (?:{_IT}|the)"
        rf"|make {_IT} searchable|embed (?:{_IT}|the))\b{_TAIL}",
        "indexing is not in this version",
        Deliverable.INDEX,
    ),
    (
        (
            rf"\b(?:(?:crawl|scrape|spider)\b|(?:download|search|browse|fetch)(?: \w+){{0,3}} (?:the )?(?:web"
            rf"|internet)\b){_TAIL}"
        ),
        "crawling the web is not in this version",
        None,
    ),
    (
        rf"\b(?:translat(?:e|ed|ing)|back-?translate)\b{_TAIL}",
        "translation is not in this version",
        None,
    ),
    (
        (
            rf"\b(?:upload|(?:push|publish|upload) {_IT} (?:to|on) (?:the )?(?:hugging ?face|hf|hub|github|s3"
            rf"|kaggle))\b{_TAIL}"
        ),
        "publishing to a hub is not in this version",
        None,
    ),
    (
        r"(?:\b(?!and\b|then\b|but\b)[\w'-]+ ){0,5}\b(?:images?|pictures?|photos?|videos?|audio|captions?"
        r"|thumbnails?)\b"
        rf"{_TAIL}",
        "only text is handled",
        None,
    ),
    (
        rf"\b(?:summari[sz]e|paraphrase|rewrite|annotate|classify|label) (?:{_IT}|each|every|all|the)\b{_TAIL}",
        "rewriting and labelling by a model are not in this version",
        None,
    ),
)

_PURPOSE = (
    r"\b(?:(?:meant|suitable|ready|intended|to be used) )?for (?:\w+ )?(?:fine-?tuning|training|pre-?training)"
    r"(?: (?:of )?(?:an? |my |our |the )?(?:\w+ )?(?:models?|llms?|loras?))?\b",
    r"\bto (?:fine-?tune|train|pre-?train) (?:an? |my |our |the )?(?:\w+ )?(?:models?|llms?|loras?) (?:on|with)\b",
    r"\b(?:fine-?tuning|training|pre-?training) (?:data|corpus|dataset|set|text|documents|examples|rows)\b",
)
_DECLINED = (
    rf"\b{DONT} (?:(?:fine-?)?tun(?:e|ing)|fine-?tuning|train(?:ing)?|deploy(?:ing|ment)?|serv(?:e|ing)|upload(?:ing)?"
    r"|crawl(?:ing)?|translat(?:e|ing|ion))\b(?: (?:it|them|anything|a model|any model|the model|the web))?",
    r"\b(?:fine-?tune|train|deploy|serve|translate|crawl|upload) nothing\b",
    r"\bno (?:fine-?tuning|training|deployment|serving|translation|crawling|upload)\b",
)
_RANK = [Deliverable.DATASET, Deliverable.INDEX, Deliverable.MODEL, Deliverable.ENDPOINT]


def read_declined(scan: Scan, _: Draft) -> None:
    """What the person says they do not want and would not get anyway (do not train), and what the data is for."""
    for pattern in (*_DECLINED, *_PURPOSE):
        for match in scan.find(pattern, negated=True):
            scan.take(match, counts=False)


def read_unsupported(scan: Scan, draft: Draft) -> None:
    """Clauses that this version cannot do."""
    wanted = [Deliverable.DATASET]
    for pattern, reason, deliverable in _UNSUPPORTED:
        for match in scan.find(pattern):
            start, end = match.span()
            text = scan.norm[start:end]
            end -= len(text) - len(text.rstrip())
            while (last := scan.norm[start:end].rsplit(" ", 1))[-1] in (
                "on",
                "with",
                "to",
                "from",
                "into",
                "the",
                "for",
            ):
                end = start + len(last[0])
            draft.leave(start, scan.take_span(start, end, counts=False), reason)
            if deliverable:
                wanted.append(deliverable)
    best = max(wanted, key=_RANK.index)
    if best is not Deliverable.DATASET:
        draft.claim("deliverable", best, 0, draft.leftovers[-1].words)
