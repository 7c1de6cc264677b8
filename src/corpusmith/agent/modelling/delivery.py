"""What goes live: the index of the documents, measured by questions of its own, and the champion behind an endpoint.

An index is a step like any other, and its figures go onto the run's scorecard. An endpoint comes last: only what the
registry promoted is served, after an approval, and the tool undoes what does not come up healthy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from corpusmith.agent.modelling import calls
from corpusmith.agent.modelling.handover import failed_musts, model_floors, registry_in, registry_name, say, told
from corpusmith.agent.modelling.work import ModelWork, Trial
from corpusmith.agent.session import Session
from corpusmith.agent.state import LoopState
from corpusmith.core.brief import Brief, DeployWish, IndexWish
from corpusmith.core.errors import BudgetExceeded, UsageError, WorkspaceError
from corpusmith.core.gates import Metric
from corpusmith.core.metrics import METRICS
from corpusmith.store.model_records import ModelVersion

Figures = dict[str, Metric]
_FINDS = {"sparse": "their words", "dense": "their meaning", "hybrid": "their words and meaning"}
CANARY_WATCH_S = 60.0
"""How long both sides of a canary are compared before the model may be promoted."""
FOUND_FIELDS = ("author", "platform", "date")
"""Fields that the tool finds by itself."""


def build_index(
    session: Session, brief: Brief, state: LoopState, work: ModelWork, wish: IndexWish
) -> tuple[ModelWork, Figures]:
    """Index the documents as they are before pairs are made of them."""
    say(session, "index", "index: the documents, cut into passages that can be searched")
    try:
        index = session.step("index", index_params(wish, brief.name), {"data": documents(session, state)}).artifact
    except (WorkspaceError, BudgetExceeded):
        raise
    except UsageError as error:
        say(session, "no index", f"no index: {told(error)}")
        return work.with_problem(f"no index: {told(error)}"), {}
    line = index_line(index.record.result)
    say(session, "indexed", line)
    found = {name: m for name, m in calls.scorecard_of(index).metrics.items() if METRICS[name].scope == "index"}
    return work.model_copy(update={"index": index.id, "index_line": line}), found


def index_line(result: Mapping[str, Any]) -> str:
    """What an index holds and how well it finds, in a sentence."""
    holds = f"{result['chunks']:,} passages of {result['documents']:,} documents, found by {_FINDS[result['mode']]}"
    recall = result["metrics"].get("recall_at_10")
    if recall is None:
        return f"{holds}; not measured, for the documents ask no question of their own"
    return f"{holds}; recall@10 is {recall:.3f} on {result['questions']:,} questions that the documents ask themselves"


def index_params(wish: IndexWish, name: str) -> dict[str, Any]:
    """The parameters of the tool `index` that the wish says something of.

    Args:
        wish: What was asked for.
        name: Of the dataset; what a server calls the index.
    """
    size, overlap = wish.chunk_chars, wish.overlap_chars
    params: dict[str, Any] = {"kind": wish.kind, "embedder": wish.embedder, "least_recall": 0.0}  # the gates say it
    if size is not None:
        params |= {"post_size": size, "code_size": size, "article_size": max(100, size), "article_least": size // 2}
    if size is not None or overlap is not None:
        shared = {"post": (25, 250), "code": (100, 1500)}
        params |= {
            f"{kind}_overlap": min(usual if overlap is None else overlap, (size or most) // 2)
            for kind, (usual, most) in shared.items()
        }
    if wish.store is not None:
        params |= {"store": wish.store, "alias": re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-_")[:64] or "corpusmith"}
    if wish.filters:
        params["fields"] = {name: name for name in wish.filters if name not in FOUND_FIELDS}
    return params


def try_canary(session: Session, brief: Brief, work: ModelWork, chosen: Trial, version: ModelVersion) -> ModelWork:
    """Give the candidate a share of the callers beside the champion, and compare; without a champion, say so."""
    registry, wish = registry_in(session), brief.deploy
    if registry is None or wish is None or wish.canary is None or not work.evaluation:
        return work
    champion = registry.aliases(version.name).champion
    if champion is None or champion == version.version:
        say(session, "no canary", "no canary: there is no champion yet that the model could be compared with")
        return work
    registry.judge(version, work.evaluation, model_floors(brief))
    params = deploy_params(brief, version.version) | {"canary_share": wish.canary, "watch_s": CANARY_WATCH_S}
    result = session.step("deploy", params, _roles(work, chosen)).artifact.record.result
    if result["deployed"]:
        say(session, "canary", f"the canary held: {version.ref} answered {wish.canary:.0%} of the callers")
        return work
    say(session, "canary", f"the canary failed: {result['failed']}")
    return work.model_copy(update={"promoted": False, "refused": (f"its canary failed: {result['failed']}",)})


def deploy(session: Session, brief: Brief, state: LoopState, work: ModelWork) -> ModelWork:
    """Serve the champion, and nothing else: a model that was not promoted stays where no caller is."""
    registry, chosen = registry_in(session), work.chosen
    if brief.deploy is None or chosen is None or registry is None:
        return work
    if work.promoted is not True:
        line = f"not deployed: {work.version or 'the model'} was not promoted"
        say(session, "not deployed", line)
        return work.with_problem(line).model_copy(update={"deployed": False})
    unfit = failed_musts([gate for gate in brief.gates if METRICS[gate.metric].scope == "index"], state)
    if unfit:
        say(session, "not deployed", f"not deployed: {unfit[0]}")
        return work.with_problem(f"not deployed: {unfit[0]}").model_copy(update={"deployed": False})
    try:
        version = registry.resolve(work.version)
        result = session.step(
            "deploy", deploy_params(brief, version.version), _roles(work, chosen)
        ).artifact.record.result
    except (WorkspaceError, BudgetExceeded):
        raise
    except UsageError as error:
        say(session, "not deployed", f"not deployed: {told(error)}")
        return work.with_problem(f"not deployed: {told(error)}").model_copy(update={"deployed": False})
    if not result["deployed"]:
        undone = "".join(f"; {line}" for line in result["undone"])
        say(session, "not deployed", f"not deployed: {result['failed']}{undone}")
        back = registry.aliases(version.name).champion != version.version
        work = work.with_problem(f"not deployed: {result['failed']}{undone}")
        return work.model_copy(update={"deployed": False} | ({"promoted": False} if back else {}))
    url = f"{result['urls'][0]}/v1"
    say(session, "deployed", f"{work.version} answers at {url}")
    return work.model_copy(update={"deployed": True, "endpoint": url, "endpoint_name": result["endpoint"]})


def deploy_params(brief: Brief, version: int) -> dict[str, Any]:
    """The parameters of the tool `deploy` that the wish says something of."""
    wish = brief.deploy or DeployWish()
    params: dict[str, Any] = {"name": registry_name(brief), "version": version, "backend": wish.backend}
    params |= {"endpoint": wish.endpoint} if wish.endpoint else {}
    params |= {"port": wish.port or 0}
    return params | ({"replicas": wish.replicas} if wish.replicas else {})


def _roles(work: ModelWork, chosen: Trial) -> dict[str, str]:
    return {"model": chosen.model} | ({"index": work.index} if work.index else {})


def documents(session: Session, state: LoopState) -> str:
    """The curated rows as they can be compared with the raw ones: before pairs were made out of them."""
    artifacts = session.runner.workspace.artifacts
    shape, data = artifacts.open(state["raw"]).shape, artifacts.open(state["data"])
    while data.shape is not shape and "data" in data.record.inputs:
        data = artifacts.open(data.record.inputs["data"])
    return data.id
