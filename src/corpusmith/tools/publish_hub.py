"""publish_hub: puts a formatted dataset or a model into a repository of a Hugging Face hub. It needs an approval.

It compares with the world first: a repository that already holds this very artifact, in this form, is left as it is;
one that holds what we did not publish is never overwritten, nor is a public one when a private one was asked for. What
is published replaces what was there in one commit, on top of the commit that was looked at.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.core.tools import Dataset, Effect, StepContext, Tool, ToolParams, ToolResult
from corpusmith.models.export import Form, export_model, form_of
from corpusmith.models.hub_publish import STAMP, HubAccess, HubRepo, RepoKind, RepoState, repo_of
from corpusmith.models.loading import manifest_of, place_of
from corpusmith.ops.model_card import render_model_card
from corpusmith.tools.model_facts import card_of, version_of
from corpusmith.tools.promote import registry_of


class PublishHubParams(ToolParams):
    """Where to, and how."""

    to: str = Field(description="hf://owner/name; made when it is not there")
    private: bool = Field(True, description="whether only its owner sees it")
    form: Form = Field("merged", description="models: merged = whole weights, adapter = the adapter alone")


class PublishHubResult(ToolResult):
    """What is there now."""

    url: str
    kind: RepoKind
    commit: str
    files: int
    already_there: bool
    private: bool


@dataclass(frozen=True)
class _Wanted:
    """What the repository is to hold."""

    artifact: str
    kind: RepoKind
    form: str

    @property
    def stamp(self) -> dict[str, str]:
        return {"artifact": self.artifact, "form": self.form}


def check(params: PublishHubParams, inputs: Mapping[str, Dataset]) -> None:
    """Refuse what is no target, what is both or neither of data and model, and what has no such form.

    Raises:
        ParameterError: One of these.
        PreconditionError: The model has no files, or lacks its base.
    """
    repo_of(params.to)
    if ("data" in inputs) == ("model" in inputs):
        raise ParameterError("publish_hub takes a dataset or a model", hint="Give --data REF or --data model=REF.")
    if "data" in inputs:
        inputs["data"].file("export")
        return
    form_of(manifest_of(inputs["model"]), params.form)
    place_of(inputs["model"], inputs.get("base"))


def run(params: PublishHubParams, ctx: StepContext) -> PublishHubResult:
    """Compare, build the folder, commit it."""
    wanted = _wanted(params, ctx)
    access = ctx.services.get("hub") or HubAccess()
    repo = HubRepo(access, repo_of(params.to), wanted.kind)
    there = repo.state(ctx.scratch)
    if there is not None:
        _refuse(params, repo, there)
        if there.stamp == wanted.stamp:
            return _result(repo, there.commit, len(there.files), there.private, already=True)
    ctx.cancel.check()
    folder = _folder(params, ctx, wanted)
    (folder / STAMP).write_text(json.dumps(wanted.stamp), encoding="utf-8")
    files = sum(1 for path in folder.rglob("*") if path.is_file())
    ctx.emit(f"{files} files to {repo.url}")
    if there is None:
        repo.create(params.private)
        there = repo.state(ctx.scratch)
        if there is not None:  # somebody else may have been quicker
            _refuse(params, repo, there)
    ctx.cancel.check()
    commit = repo.replace(folder, f"corpusmith {wanted.kind} {wanted.artifact}", there.commit if there else None)
    return _result(repo, commit, files, params.private if there is None else there.private, already=False)


def _wanted(params: PublishHubParams, ctx: StepContext) -> _Wanted:
    if "data" in ctx.inputs:
        return _Wanted(ctx.inputs["data"].id, "dataset", "export")
    return _Wanted(ctx.inputs["model"].id, "model", form_of(manifest_of(ctx.inputs["model"]), params.form))


def _refuse(params: PublishHubParams, repo: HubRepo, there: RepoState) -> None:
    if there.stamp is None and not there.empty:
        raise PreconditionError(
            f"{repo.url} holds something that was not published from here",
            hint="Name a repository that does not exist.",
        )
    if params.private and not there.private:
        raise PreconditionError(
            f"{repo.url} is public, and a private one was asked for",
            hint="Say private: false, or name another repository.",
        )


def _folder(params: PublishHubParams, ctx: StepContext, wanted: _Wanted) -> Path:
    """The folder to publish, in the step's scratch."""
    folder = ctx.scratch / "upload"
    shutil.rmtree(folder, ignore_errors=True)
    if wanted.kind == "dataset":
        shutil.copytree(ctx.inputs["data"].file("export"), folder)
        return folder
    registry = registry_of(ctx.services)
    place = place_of(ctx.inputs["model"], ctx.inputs.get("base"))
    form = form_of(place.manifest, params.form)
    card = card_of(registry, wanted.artifact, form, version_of(registry, wanted.artifact))
    return export_model(place, folder, params.form, render_model_card(card)).path


def _result(repo: HubRepo, commit: str, files: int, private: bool, *, already: bool) -> PublishHubResult:
    return PublishHubResult(
        url=repo.url, kind=repo.kind, commit=commit, files=files, already_there=already, private=private
    )


TOOL = Tool(
    name="publish_hub",
    version=1,
    kind="effect",
    params=PublishHubParams,
    run=run,
    summary="Publish a formatted dataset or a model to a repository of a Hugging Face hub.",
    inputs=("data?", "model?", "base?"),
    effects=frozenset({Effect.PUBLISH, Effect.READ_WEB}),
    makes="report",
    check=check,
)
