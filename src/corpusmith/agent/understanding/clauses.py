"""Wishes that this version does not grant: crawling, translating, images, uploads; serving where no model is made.

Recognised, so that the person reads why; each ends among what was not understood. The purposes a dataset is for
("for fine-tuning") are no wishes and are read over.
"""

from __future__ import annotations

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.model_words import HUGGING_FACE, NAME
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import DONT, PATH, ROW_NOUN

_STOP = (
    rf"(?:and|then|but|so|using|as|with|afterwards|(?:only )?(?:if|when|once|unless|after|provided)|{PATH}|from {PATH}"
    rf"|on {PATH}|on \d|\d+ (?:\S+ ){{0,4}}{ROW_NOUN}|(?:clean|dedup)\w*)(?![\w-])"
)
PLAIN_TAIL = rf"(?:\s+(?!{_STOP})(?:[^\s,;.!?\x00]|[.](?=\w))+)*"
"""The rest of a clause: up to punctuation, the next verb's `and`, a condition, or what a rule has taken."""
TAIL = rf"{PLAIN_TAIL}(?:\s+(?:only )?(?:if|when|once|unless|provided)\b[^,;.\x00]*)?"
_NO_NOUN = "".join(rf"(?<!\b{word} )" for word in ("a", "the", "this", "that", "my", "our", "web"))
"""Not after a word that makes a noun of the next: "this crawl" is data."""
_IT = r"(?:it|them|this|these|that|those|the (?:result|data|dataset|corpus|documents|articles|texts|model))"

_UNSUPPORTED: tuple[tuple[str, str], ...] = (
    (
        rf"\b(?:deploy|serve|host|put {_IT} behind an? (?:api|endpoint)|ship {_IT} to production)\b{TAIL}",
        "no model was asked for",
    ),
    (
        (
            rf"\b(?:{_NO_NOUN}(?:crawl|scrape|spider)\b|(?:download|search|browse|fetch)(?: \w+){{0,3}} (?:the )?(?:web"
            rf"|internet)\b){TAIL}"
        ),
        "crawling the web is not in this version",
    ),
    (
        rf"\b(?:translat(?:e|ed|ing)|back-?translate)\b{TAIL}",
        "translation is not in this version",
    ),
    (
        rf"\b(?:upload|(?:push|publish) {_IT} (?:to|on) (?:the )?(?:hugging ?face|hf|hub|github|s3|kaggle))\b{TAIL}",
        "only a Hugging Face hub is published to, as owner/name",
    ),
    (
        r"(?:\b(?!and\b|then\b|but\b)[\w'-]+ ){0,5}\b(?:images?|pictures?|photos?|videos?|audio|captions?"
        r"|thumbnails?)\b"
        rf"{TAIL}",
        "only text is handled",
    ),
    (
        rf"\b(?:summari[sz]e|paraphrase|rewrite|annotate|classify|label) (?:{_IT}|each|every|all|the)\b{TAIL}",
        "rewriting and labelling by a model are not in this version",
    ),
)

_MODEL = rf"(?:(?:\w+ )?(?:models?|llms?|loras?)|{NAME})"
_TRAINED = r"(?:fine[- ]?tuning|training|pre-?training|sft|dpo)"
_FIT = rf"\b(?:fit|ready|suitable|good enough|usable) for (?:\w+ )?{_TRAINED}(?![\w/-])"
_PURPOSE = (
    rf"(?<!%\s)(?<!%)\b(?:(?:meant|suitable|ready|intended|to be used) )?for (?:\w+ )?{_TRAINED}(?: (?:and (?:testing"
    rf"|evaluation)|(?:(?:of|on) )?(?:(?:an? |my |our |the )?{_MODEL})))?(?![\w/-])",
    r"\bfor (?:an? |my |our |the |any )?(?:(?!and\b|then\b|fine[- ]?tun|train(?:ing)?\b)[a-z-]+ ){0,2}(?:models?"
    r"|llms?)\b(?! (?:that|which|who|to|fine[- ]?tuned|trained|from|on|out)\b)",
    rf"(?<=[\w›])(?<!want)(?<!need)(?<!like) to (?:fine[- ]?tune|train|pre-?train) (?:an? |my |our |the )?{_MODEL}"
    r" (?:on|with)(?= *(?:[.,;!?]|$|and\b))",
    r"\b(?:so (?:that )?(?:i|we|they|you)(?:'ll| can| could| will| may)?|(?:i|we|they)(?:'ll| will| can| could))"
    rf"(?: \w+)? (?:fine[- ]?tune|train|pre-?train)(?: (?:an? |my |our |the )?{_MODEL})?(?: (?:on|with) (?:it|them"
    rf"|that|this))?"
    r"(?: (?:later|afterwards|myself|ourselves|themselves|by hand|elsewhere))*\b",
    r"\b(?:(?:it|this|they|that|which) )?(?:(?:will|is|are|to|going|shall) )*(?:be )?used (?:to|for"
    r"|in) (?:fine[- ]?tun(?:e|ing)|train(?:ing)?)"
    rf"(?: (?:an? |my |our |the )?{_MODEL})?(?![\w/-])",
    r"\bbefore (?:fine[- ]?tuning|training|i train|we train)(?= *(?:[.,;!?]|$))",
    r"\b(?:ready (?:to|for) (?:fine[- ]?tune|fine[- ]?tuning|train(?:ing)?)|(?:fine[- ]?tun(?:e|ing)"
    r"|train(?:ing)?)-ready)\b",
)
_ROWS_FOR = (
    rf"\b(?:fine[- ]?tuning|training|pre-?training) (?:data|corpus|dataset|set|text|documents|examples"
    rf"|rows)(?: for (?:an? |my |our |the )?{_MODEL})?(?![\w/-])"
)
_NOT_TRAINED = (
    rf"\b(?:{DONT}|instead of|rather than) (?:any |the |a )?(?:(?:fine[- ]?)?tun(?:e|ing)|train(?:ing)?)\b(?! (?:on "
    rf"(?!it\b|them\b|this\b|anything\b)"
    r"|[/-]|set|split|data))(?: (?:on )?(?:it|them|anything|(?:an?|any|the|my|our) (?:\w+ )?(?:models?|llms?|loras?"
    r"|adapters?)))?",
    r"\b(?:fine[- ]?tune|train) nothing\b",
    r"\bno (?:fine[- ]?tuning|training)\b(?! (?:set|split|data))",
)
_DECLINED = (
    rf"\b{DONT} (?:deploy(?:ing|ment)?|serv(?:e|ing)|upload(?:ing)?|push(?:ing)?|publish(?:ing)?|crawl(?:ing)?"
    r"|translat(?:e|ing|ion))\b(?: (?:it|them|anything|a model|any model|the model|the dataset|the web))?"
    rf"(?: (?:to|on) {HUGGING_FACE})?(?! unless)",
    r"\b(?:deploy|serve|translate|crawl|upload|publish) nothing\b",
    r"\bno (?:deployment|serving|translation|crawling|upload)\b",
)


def read_declined(scan: Scan, draft: Draft) -> None:
    """What the person does not want (do not train, do not deploy), and what the data is for."""
    for pattern in _NOT_TRAINED:
        for match in scan.find(pattern, negated=True):
            draft.claim("training", False, match.start(), scan.take(match, counts=False))
    for match in scan.find(_FIT):
        scan.take(match)  # to make data fit for training is a wish of its own: what the house's rules are for
    for pattern in (*_DECLINED, *_PURPOSE):
        for match in scan.find(pattern, negated=True):
            scan.take(match, counts=False)


def declines_training(text: str) -> bool:
    """Whether a sentence says somewhere that nothing is to be trained."""
    scan, draft = Scan(text), Draft()
    read_declined(scan, draft)
    return draft.has("training")


def read_rows_for(scan: Scan, _: Draft) -> None:
    """`training data for a small model`: a name for the rows; after the splits, for a training set is one."""
    for match in scan.find(_ROWS_FOR, negated=True):
        scan.take(match, counts=False)


def read_unsupported(scan: Scan, draft: Draft) -> None:
    """Clauses that this version cannot do."""
    for pattern, reason in _UNSUPPORTED:
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
