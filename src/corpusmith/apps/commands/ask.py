"""`corpusmith ask`: one question to an index, with or without a model; or a text written from it.

Without a model the passages are the answer. With one they are put into its prompt, and it answers here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpusmith import sources
from corpusmith.apps.boundary import boundary
from corpusmith.apps.commands.models import find, open_registry
from corpusmith.apps.output import say, show, show_json
from corpusmith.core.errors import ParameterError
from corpusmith.core.settings import load_settings
from corpusmith.models.hosted.access import HostedAccess
from corpusmith.models.hub_publish import HubAccess
from corpusmith.models.retrieval.grounder import GrounderOptions, open_grounder
from corpusmith.models.retrieval.opening import IndexAccess
from corpusmith.models.retrieval.search import Mode
from corpusmith.models.retrieval.writing import Material, compose_messages, local_path, material
from corpusmith.models.serving.contract import Grounding

if TYPE_CHECKING:
    from corpusmith.models.evaluation.opened import OpenedModel
    from corpusmith.store.registry import ModelRegistry
    from corpusmith.store.workspace import Workspace

SHOWN_CHARS = 600
NOT_FOUND = "Not found in the index."
_MODES: Mapping[str, Mode] = {"sparse": "sparse", "dense": "dense", "hybrid": "hybrid"}


@dataclass(frozen=True)
class Asking:
    """How a question is asked.

    Attributes:
        model: Model that answers; None = the passages are the answer.
        write: Whether a text is to be written instead.
        add: Files to write from.
        k: Passages at most.
        filters: `field=value`, each.
        mode: What is searched; None = by the index.
        store: Qdrant server that holds the index.
        encoder: Folder of the index's encoder, where it has moved.
        reranker: Folder of a cross-encoder.
        max_tokens: Tokens of the answer at most.
    """

    model: str | None
    write: bool
    add: Sequence[str]
    k: int
    filters: Sequence[str]
    mode: str | None
    store: str | None
    encoder: Path | None
    reranker: Path | None
    max_tokens: int


def ask(index: str, question: str, asking: Asking, workspace: Path | None, as_json: bool) -> None:
    """`corpusmith ask`."""
    with boundary(as_json, workspace):
        if not question.strip():
            raise ParameterError("the question is empty", hint='corpusmith ask INDEX "your question"')
        if asking.add and not asking.write:
            raise ParameterError("--add is for writing", hint="Add --write, or leave --add out.")
        if asking.mode not in (None, *_MODES):
            raise ParameterError(f"no mode {asking.mode!r}", hint="There are: sparse, dense, hybrid.")
        filters = _filters(asking.filters)
        files = [read_material(link) for link in asking.add]
        settings = load_settings(workspace)
        opened, registry = open_registry(workspace)
        model = None if asking.model is None else _open_model(opened, registry, asking.model)
        openai = HostedAccess(base_url=settings.model_base_url, api_key=settings.openai_api_key)
        access = IndexAccess(
            store_url=asking.store,
            store_key=settings.qdrant_api_key,
            openai=openai,
            encoder=asking.encoder,
            reranker=asking.reranker,
        )
        tokens = () if model is None else tuple(model.form.tokenizer.all_special_tokens)
        options = GrounderOptions(mode=_MODES.get(asking.mode or ""), tokens=tokens)
        with closing(open_grounder(opened.resolve(index), access, options)) as grounder:
            turns = [{"role": "user", "content": question}]
            if asking.write:
                found = compose_messages(grounder, turns, files=files, k=asking.k, filters=filters)
            else:
                found = grounder.ground(turns, k=asking.k, filters=filters)
        answer = None if model is None else _answer(model, found, asking)
        opened.close()
        if as_json:
            show_json({"status": 0, "answer": answer, **_facts(found, asking.write and model is None)})
        else:
            _tell(found, answer, asking.write and model is None)


def read_material(link: str) -> Material:
    """A file that a person adds, read as `ingest` reads files.

    Raises:
        ParameterError: It is a link to the web.
        SourceError: It is missing or holds no text.
    """
    path = local_path(link)
    reader = sources.open_sources([str(path)])
    with closing(reader.batches()) as tables:
        texts = [text for table in tables for text in table.column("text").to_pylist() if text]
    return material(path.name, "\n\n".join(texts))


def _filters(given: Sequence[str]) -> dict[str, Any]:
    out: dict[str, list[str]] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise ParameterError(f"the filter {one!r} is none", hint="Write --filter author='Ann Lee'.")
        out.setdefault(name.strip(), []).append(value.strip())
    return {name: values[0] if len(values) == 1 else values for name, values in out.items()}


def _open_model(opened: Workspace, registry: ModelRegistry, ref: str) -> OpenedModel:
    from corpusmith.models.evaluation.opened import open_artifact
    from corpusmith.models.training.extra import need_training_libraries
    from corpusmith.store.model_evidence import manifest_of

    need_training_libraries()
    artifact = opened.artifacts.open(find(opened, registry, ref).artifact)
    manifest = manifest_of(artifact)
    base = opened.artifacts.open(manifest.base) if manifest.kind == "adapter" and manifest.base else None
    settings = load_settings()
    hub = HubAccess(endpoint=settings.hub_endpoint, token=settings.hub_token)
    return open_artifact(artifact, base, context=8192, access=hub)


def _answer(model: OpenedModel, found: Grounding, asking: Asking) -> str:
    from corpusmith.models.evaluation.generation import generate

    if not found.found and not asking.write:
        return NOT_FOUND
    turns = [(turn["role"], turn["content"]) for turn in found.messages]
    answers = generate(model, [("question", turns)], max_new_tokens=asking.max_tokens)
    if answers.refused:
        raise ParameterError(f"the model cannot be asked: {answers.refused['question']}", hint="Name another model.")
    return answers.texts[0]


def _facts(found: Grounding, with_messages: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "found": found.found, "citations": found.citations, "filters": found.filters, "notes": list(found.notes),
    }  # fmt: skip
    return facts | ({"messages": found.messages} if with_messages else {})


def _tell(found: Grounding, answer: str | None, with_messages: bool) -> None:
    for name, value in found.filters.items():
        say(f"only {name} = {', '.join(value) if isinstance(value, list) else value}")
    for note in found.notes:
        say(f"note: {note}")
    if with_messages:
        show(found.messages[-1]["content"])
        return
    if answer is not None:
        show(answer)
        show()
    elif not found.found:
        show(NOT_FOUND)
    for citation in found.citations:
        where = citation["url"] or citation["source"]
        show(f"[{citation['n']}] {citation['title']}  {citation['row_id']}  {where}")
        if answer is None:
            text = " ".join(citation["text"].split())
            show(f"    {text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + ' …'}")
            show()
