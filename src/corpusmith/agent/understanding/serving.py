"""Where and how a model is served: port, name, canary, Ray Serve, replicas. Read before the verbs that deploy.

deploy it as support-bot on port 9000 · with a 10% canary · on Ray Serve with 1 to 4 replicas
"""

from __future__ import annotations

import re

from corpusmith.agent.understanding.draft import EXAMPLE, Draft, share
from corpusmith.agent.understanding.model_words import MODEL_IT, WHAT, wants_model
from corpusmith.agent.understanding.scan import BLANK, Scan
from corpusmith.agent.understanding.words import NUMBER, PERCENT
from corpusmith.core.brief import Deliverable, DeployWish
from corpusmith.core.errors import RequestError

SERVE = (
    rf"(?:deploy|serve|host)\b|ship {MODEL_IT}|roll {MODEL_IT} out|roll out {MODEL_IT}|put {MODEL_IT} (?:live|(?:in"
    rf"|into) production|behind an? (?:api|endpoint))|go(?:es)? live"
)
SERVE_TAIL = (
    rf"(?:[ ,]*{BLANK}+)*(?: (?:(?:and |then )*(?:behind|as|over|through|via|with|at) an? (?:openai[- ]compatible )?"
    rf"(?:rest |http |web )?(?:api|endpoint|service|server|url|{WHAT})|(?:to|in|into) production|locally|here|live"
    rf"|on (?:this|my) (?:machine|laptop)))*(?:[ ,]*{BLANK}+)*"
)
"""What may follow such a verb and says nothing new; what rules have read before stands between as blanks."""
_TRAFFIC = r"(?:(?:the|my|our|all) )?(?:traffic|requests|users|callers|clients)"
_CANARY = (
    rf"\b(?:,? ?and )?(?:with|as|behind|using|after|through|start with) (?:an? )?(?P<n>{PERCENT}) canary(?: (?:release"
    rf"|rollout|share))?",
    rf"\b(?:,? ?and )?(?:with|as|behind|using|after|through|start with) (?:an? )?canary(?: (?:release|rollout|share))?"
    rf"(?: (?:of|to|on|for|with) (?P<n>{PERCENT})(?: of {_TRAFFIC})?)?",
    rf"\b(?:first )?(?:to|on|for|with) (?P<n>{PERCENT}) of {_TRAFFIC}(?: first)?",
)
CANARY = 0.1
"""Share where a canary is asked for and none is said."""
_RAY = r"\b(?:on|with|by|using|via|over) (?:a |the )?ray serve(?: cluster)?\b"
_SCALED = (
    r"\b(?:and |with |that )*(?:auto-?scal(?:e[sd]?|ing)|scal(?:e[sd]?|ing) (?:it )?(?:by|with|to) (?:the )?load)\b"
)
_REPLICAS = (
    rf"\b(?:and |with |between |from |of |to |on )*(?P<a>{NUMBER})(?: ?(?:to|and|-|\.\.) ?(?P<b>{NUMBER}))?"
    r" (?:replicas?|copies|instances)\b"
)
_PORT = r"\b(?:and )?(?:(?:on|at|with|under|using) )?(?:tcp )?port (?P<n>\d+)\b"
_CALLED = rf"(?P<verb>\b(?:{SERVE})(?: {MODEL_IT})?)(?P<as> (?:as|under the name|named|called) (?!an? |the )[`'\"]?"
_CALLED += r"(?P<name>[a-z_][\w.-]*\w)[`'\"]?)"
_ELSEWHERE = (
    r"\b(?:on|to|in|with|using|via) (?:(?:amazon|aws|google|azure|the|a|hugging ?face) ?)*(?:sage ?maker|aws|gcp|azure"
    r"|vertex(?: ai)?|kubernetes|k8s|modal|replicate|together|heroku|cloud run|inference endpoints?|the cloud)\b"
)


def read_serving(scan: Scan, draft: Draft) -> None:
    """The details of a deployment; nothing where no model is made or nothing is served.

    Raises:
        RequestError: A port, a canary or a number of replicas that cannot be.
    """
    if not wants_model(draft) or not re.search(rf"\b(?:{SERVE})", scan.norm):
        return
    for match in scan.find(_CALLED):
        at = match.start("as")
        draft.claim("deploy.endpoint", scan.original(*match.span("name")), at, scan.take_span(*match.span("as")))
    for match in scan.find(_PORT):
        port = int(match.group("n"))
        words = scan.take(match)
        if not 1 <= port <= 65535:
            raise RequestError(f"'{words}' is impossible: a port is a number from 1 to 65535", hint=EXAMPLE)
        draft.claim("deploy.port", port, match.start(), words)
    for pattern in _CANARY:
        for match in scan.find(pattern):
            at, words = match.start(), scan.take(match)
            part = share(match.group("n")) if match.group("n") else CANARY
            if not 0 < part < 1:
                raise RequestError(f"'{words}' is impossible: a canary is a share between 0% and 100%", hint=EXAMPLE)
            draft.claim("deploy.canary", part, at, words)
    _read_scale(scan, draft)
    for match in scan.find(_ELSEWHERE):
        reason = "it is served on this machine or on a Ray cluster"
        draft.leave(match.start(), scan.take(match, counts=False), reason)


def _read_scale(scan: Scan, draft: Draft) -> None:
    for pattern in (_RAY, _SCALED):
        for match in scan.find(pattern):
            draft.claim("deploy.backend", "ray", match.start(), scan.take(match))
    for match in scan.find(_REPLICAS):
        least = int(float(match.group("a")))
        most = int(float(match.group("b") or match.group("a")))
        words = scan.take(match)
        if not 0 < least <= most:
            raise RequestError(f"'{words}' is impossible: replicas go from a few to more", hint=EXAMPLE)
        draft.claim("deploy.replicas", (least, most), match.start(), words)
        if most > 1:
            draft.claim("deploy.backend", "ray", match.start(), words)


def settle_serving(_: Scan, draft: Draft) -> None:
    """A deployment where no model is trained has nothing to serve; runs after everything about models was read."""
    if draft.last("training", False):
        return
    for claim in draft.claims.pop("deploy", []):
        if claim.value:
            reason = "an endpoint serves a model that was trained and judged; an index is asked with `corpusmith ask`"
            draft.leave(claim.at, claim.words, reason)
    kept = [claim for claim in draft.claims.get("deliverable", []) if claim.value is not Deliverable.ENDPOINT]
    draft.claims["deliverable"] = kept


def deploy_of(draft: Draft) -> DeployWish | None:
    """The deployment asked for, or None."""
    if not draft.last("deploy", False):
        return None
    said = {name: draft.last(f"deploy.{name}") for name in DeployWish.model_fields if draft.has(f"deploy.{name}")}
    return DeployWish(**said)
