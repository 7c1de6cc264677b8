"""Documents made searchable: an index, its passages, its embeddings, its store, what it filters on, how well it finds.

put them into a vector index · load it into Qdrant at http://localhost:6333 · chunks of 800 characters
"""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import Draft, bound_op, share
from corpusmith.agent.understanding.model_words import HUB
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.words import ABOVE, AT_MOST, BELOW, BOUND, DONT, FIELD, NUMBER, PATH, PERCENT
from corpusmith.core.brief import Deliverable, IndexWish

_IT = (
    r"(?:it|them|this|these|that|those|everything|(?:the |my |our )?(?:result|data|dataset|corpus|documents|docs"
    r"|articles|posts|texts|pages))"
)
_KIND = r"(?:(?:searchable|semantic|hybrid|full[- ]text|keyword|vector|search|retrieval|rag|embeddings?|bm25|qdrant) ?)"
STORE = rf"(?:{_KIND}+(?:index|indices|stores?|databases?|db|collection)|index|qdrant|knowledge base)"
_VERB = r"(?:and |then )*"
_A = r"(?:an? |the |my |our |some )?"
_ASKED = (
    rf"\b{_VERB}(?:put|load|store|insert|push|write|ingest) {_IT} (?:in|into|to) {_A}{STORE}\b",
    rf"\b{_VERB}(?:put|load|store|insert|push|write|ingest) (?={PATH})",
    rf"\b{_VERB}(?:build|make|create|produce|want|need|give|get|set up)(?: me| us)? (?:an? |the )?{STORE}\b"
    rf"(?: (?:of|from|for|over|out of|with|on)(?= {PATH}| *\x00)| (?:of|from|for|over|out of) {_IT})?",
    rf"\b(?:and |together )*(?:with|plus|and) an? {STORE}\b(?: (?:of|over|from|for|on) (?:{_IT}\b|(?={PATH})))?",
    rf"\b{_VERB}(?:make|making) (?:{_IT}(?= searchable)|(?={PATH} searchable))",
    rf"\b{_VERB}index (?:{_IT}\b|(?={PATH}))",
    rf"\binto {_A}{STORE}\b",
)
_DECLINED = (
    rf"\b{DONT} (?:build|make|create|need|want) (?:an? |any )?{STORE}\b",
    rf"\b(?:no|without(?: an?)?) {STORE}\b",
    rf"\b{DONT} index (?:{_IT}\b|anything\b)",
)
_OTHER = (
    rf"\b{_VERB}(?:put|load|store|insert|push|write) {_IT} (?:in|into|to) {_A}(?:chroma(?:db)?|pinecone|weaviate|milvus"
    rf"|faiss|pgvector|elastic ?search|open ?search|lancedb)\b"
)
_CHARS = r"(?:characters?|chars?)"
_CHUNKS = (
    rf"(?:(?:split|cut|chunked|in|into|with|using|as) )*(?:chunks|passages|pieces) of (?:at most |about |up to )?"
    rf"(?P<n>{NUMBER}) {_CHARS}|(?:(?:split|cut|chunked|in|into|with|using) )*(?P<m>{NUMBER})[- ]{_CHARS} (?:chunks"
    r"|passages|pieces)"
)
_OVERLAP = rf"(?:,? ?(?:and )?with )?(?:an? )?overlap(?:ping)?(?: of| by)? (?P<n>{NUMBER})(?: {_CHARS})?"
_HOSTED = r"text-embedding-[\w-]+\w"
_EMBEDDER = rf"(?:(?P<path>{PATH})|(?P<hosted>{_HOSTED})|(?P<hub>{HUB}))"
_EMBEDDED = (
    rf"\b(?:and |then )*(?:embed(?:ded|ding)?(?: {_IT})?|(?:with |using )?embeddings|vectors) (?:with|by|from|using|of)"
    rf"(?: the model)? {_EMBEDDER}",
    rf"\b(?:with|using|by) (?:(?P<hosted>{_HOSTED})|(?P<path>{PATH})) embeddings",
)
_SPARSE = (
    r"\b(?:and |but |with |using |by )*(?:(?:without|no) (?:any )?(?:embeddings?|dense vectors?)|(?:only )?(?:bm25"
    r"|sparse|keywords?)(?: (?:search|vectors?|retrieval))? only|only (?:bm25|sparse vectors?|keywords?)|bm25)\b"
)
_FILTERS = (
    rf"\b(?:and |with )*(?:filter(?:able|ed|ing|s)?|search(?:able)?|faceted)(?: (?:it|them))? (?:by|on|for)(?: the)? "
    rf"(?P<list>{FIELD}(?:(?:, and |, | and | or )(?:the )?{FIELD})*)"
)
_METRICS = {"recall_at_10": r"recall", "ndcg_at_10": r"ndcg", "mrr": r"(?:mrr|mean reciprocal rank)"}


def read_index(scan: Scan, draft: Draft) -> None:
    """The wish for an index and what was said of it; nothing where none is wanted."""
    for pattern in _DECLINED:
        for match in scan.find(pattern, True):
            draft.claim("index", False, match.start(), scan.take(match))
    for match in scan.find(_OTHER):
        words = re.sub(r"^(?:(?:and|then) )+", "", scan.take(match, counts=False))
        draft.leave(match.start(), words, "the vector store here is Qdrant")
    for number, pattern in enumerate(_ASKED):
        for match in scan.find(pattern):
            goal = scan.match_at(rf" ?(?:in|into|to) {_A}{STORE}\b", _path_end(scan, match.end()))
            if number == 1 and goal is None:
                continue  # `load ./docs` alone only names a source
            words = scan.take(match)
            if number == 1 and goal is not None:
                scan.take(goal)
            draft.claim("index", True, match.start(), words)
            draft.claim("deliverable", Deliverable.INDEX, match.start(), words)
    if wants_index(draft):
        _read_details(scan, draft)


def wants_index(draft: Draft) -> bool:
    """Whether an index is asked for, the last word counting."""
    claims = sorted(draft.claims.get("index", ()), key=lambda claim: claim.at)
    return bool(claims and claims[-1].value)


def index_of(draft: Draft) -> IndexWish | None:
    """The index asked for, or None."""
    if not wants_index(draft):
        return None
    names = [name for name in IndexWish.model_fields if name != "filters"]
    said = {name: draft.last(f"index.{name}") for name in names if draft.has(f"index.{name}")}
    return IndexWish(**said, filters=draft.union("index.filters"))


def _path_end(scan: Scan, at: int) -> int:
    match = scan.match_at(rf" ?{PATH}", at)
    return match.end() if match else at


def _read_details(scan: Scan, draft: Draft) -> None:
    for match in scan.find(rf"\b(?:at|on|running at) (?P<url>{PATH})"):
        url = scan.path(match.group("url"))
        if re.match(r"https?://", url):
            draft.claim("index.store", url, match.start(), scan.take(match))
    for match in scan.find(_CHUNKS):
        size = int(float(match.group("n") or match.group("m")))
        draft.claim("index.chunk_chars", size, match.start(), scan.take(match))
    for match in scan.find(_OVERLAP):
        draft.claim("index.overlap_chars", int(float(match.group("n"))), match.start(), scan.take(match))
    for pattern in _EMBEDDED:
        for match in scan.find(pattern):
            draft.claim("index.embedder", _embedder(scan, match), match.start(), scan.take(match))
    for match in scan.find(_SPARSE, True):
        draft.claim("index.embedder", "none", match.start(), scan.take(match))
    for match in scan.find(_FILTERS):
        for field in re.finditer(rf"(?<!\w)(?!(?:and|or|the)\b){FIELD}", match.group("list")):
            begin = match.start("list") + field.start()
            name = scan.original(begin, match.start("list") + field.end()).strip("`'\"")
            draft.claim("index.filters", name, begin, name)
        scan.take(match)
    for match in scan.find(r"\bsearchable\b"):
        scan.take(match)
    _read_gates(scan, draft)


def _embedder(scan: Scan, match: re.Match[str]) -> str:
    groups = {kind: words for kind, words in match.groupdict().items() if words}
    if "path" in groups:
        return f"encoder:{scan.path(groups['path'])}"
    kind = "hosted" if "hosted" in groups else "hub"
    name = scan.original(*match.span(kind))
    return f"endpoint:{name}" if kind == "hosted" else f"encoder:{name}"


def _read_gates(scan: Scan, draft: Draft) -> None:
    for metric, name in _METRICS.items():
        pattern = (
            rf"\b(?:and |with )*(?:an? )?{name}(?:(?: at |@)(?P<k>\d+))?(?: (?:must|should|has to))?(?: be| is| of)* "
            rf"(?P<bound>{BOUND}) (?P<share>{PERCENT}|0?\.\d+|1)"
        )
        for match in scan.find(pattern, True):
            at, depth = match.start(), match.group("k")
            op, target = bound_op(match.group("bound"), AT_MOST, BELOW, ABOVE), share(match.group("share"))
            words = scan.take(match)
            if depth not in (None, "10"):
                draft.leave(at, words, "what an index finds is measured among its first 10 passages")
            else:
                draft.gate(scan, metric, op, target, at, words)
