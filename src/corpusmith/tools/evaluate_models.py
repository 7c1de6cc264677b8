"""The models that are compared: which they are, and what each of them says of the same rows.

One model is in memory at a time. Few-shot prompting is the base with other prompts, measured while the base is open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from corpusmith.core.errors import PreconditionError
from corpusmith.core.model_manifest import ModelManifest
from corpusmith.core.tools import Dataset, StepContext
from corpusmith.models.evaluation.few_shot import with_shots
from corpusmith.models.evaluation.generation import Answers, generate
from corpusmith.models.evaluation.likelihood import Likelihood, score_conversations, score_documents
from corpusmith.models.evaluation.opened import OpenedModel, open_artifact
from corpusmith.models.loading import manifest_of, place_of
from corpusmith.tools.evaluate_rows import JudgedRows

Role = Literal["candidate", "base", "few_shot", "champion"]
ANSWER_SLACK = 16
"""Tokens that an answer may be longer than twice the longest reference before it is cut off."""


@dataclass(frozen=True)
class Contestant:
    """One model on the rows.

    Attributes:
        role: What it is here.
        name: How people call it.
        digest: Of its weights.
        parameters: All of them.
        context: Most tokens of a sequence as it was measured.
        context_length: Most tokens it was made for, where its manifest says.
        likelihood: Of the references or documents.
        answers: None for documents.
        general: Likelihood of the general rows, where there are any.
        shots: Examples in each prompt.
    """

    role: Role
    name: str
    digest: str
    parameters: int
    context: int
    context_length: int | None
    likelihood: Likelihood
    answers: Answers | None = None
    general: Likelihood | None = None
    shots: int = 0


@dataclass(frozen=True)
class Asking:
    """What every model is asked.

    Attributes:
        rows: The rows.
        pool: Conversations that few-shot examples are drawn from.
        general: Rows for the check on forgetting, or None.
        shots: Few-shot examples in a prompt, 0 = no such contestant.
        max_new_tokens: Most tokens of an answer.
        context: Most tokens of a sequence; None = the model's own, at most 2,048.
    """

    rows: JudgedRows
    pool: Sequence[tuple[str, list[tuple[str, str]]]]
    general: JudgedRows | None
    shots: int
    max_new_tokens: int
    context: int | None


def check_models(inputs: Mapping[str, Dataset]) -> None:
    """Refuse models that cannot be opened, or that do not belong together; reads manifests only.

    Raises:
        PreconditionError: One is hosted, an adapter lacks its base, or the base is not the one it was made from.
    """
    for role, below in (("model", "base"), ("base", ""), ("champion", "champion_base")):
        if role not in inputs:
            continue
        manifest = manifest_of(inputs[role])
        if manifest.kind == "hosted":
            raise PreconditionError(
                f"evaluate: the {role} {manifest.name} is a model at its provider, and no likelihood can be had of it",
                hint="Ask it with the provider's own tools; only models with weights here are evaluated.",
            )
        place_of(inputs[role], inputs.get(below) or _shared_base(role, manifest, inputs))
        if role == "model" and "base" in inputs:
            _check_base(manifest, inputs["base"])


def _check_base(manifest: ModelManifest, base: Dataset) -> None:
    found = manifest_of(base).digest
    if manifest.base_digest not in (None, found):
        raise PreconditionError(
            f"{manifest.name} was made from another base than {base.id}",
            hint=f"Give the artifact {manifest.base} in the role `base`.",
            wanted=manifest.base_digest,
            found=found,
        )


def _shared_base(role: str, manifest: ModelManifest, inputs: Mapping[str, Dataset]) -> Dataset | None:
    """The candidate's base for a champion that was made from it too."""
    base = inputs.get("base")
    shared = role == "champion" and base is not None and manifest_of(base).digest == manifest.base_digest
    return base if shared else None


def contestants(asking: Asking, ctx: StepContext) -> Iterator[Contestant]:
    """Open every model in turn and measure it: base, few-shot, candidate, champion."""
    inputs = ctx.inputs
    lonely = "base" not in inputs
    if not lonely:
        yield from _measured("base", inputs["base"], None, asking, ctx, few_shot=True)
    yield from _measured("candidate", inputs["model"], inputs.get("base"), asking, ctx, few_shot=lonely)
    if "champion" in inputs:
        champion = inputs["champion"]
        base = inputs.get("champion_base") or _shared_base("champion", manifest_of(champion), inputs)
        yield from _measured("champion", champion, base, asking, ctx, few_shot=False)


def _measured(
    role: Role, artifact: Dataset, base: Dataset | None, asking: Asking, ctx: StepContext, *, few_shot: bool
) -> Iterator[Contestant]:
    from corpusmith.models.training.memory import release

    manifest = manifest_of(artifact)
    ctx.emit(f"evaluate: opening the {role} {manifest.name}")
    opened = open_artifact(artifact, base, context=asking.context, access=ctx.services.get("hub"))
    rows = asking.rows
    told = _telling(ctx, role)
    found = Contestant(
        role=role,
        name=manifest.name,
        digest=manifest.digest,
        parameters=opened.parameters,
        context=opened.context,
        context_length=manifest.context_length,
        likelihood=_likelihood(opened, rows, told, ctx),
        answers=_answers(opened, rows, asking, told, ctx),
        general=None if asking.general is None else _likelihood(opened, asking.general, told, ctx),
    )
    yield found
    if few_shot and asking.shots and rows.kind == "chats" and asking.pool:
        yield _few_shot(opened, found, asking, ctx)
    del opened
    release()


def _few_shot(opened: OpenedModel, plain: Contestant, asking: Asking, ctx: StepContext) -> Contestant:
    shown, shots = with_shots(asking.rows.conversations, asking.pool, asking.shots, ctx.seed)
    rows = replace(asking.rows, chats=tuple(list(turns) for _, turns in shown))
    told = _telling(ctx, "few_shot")
    return replace(
        plain,
        role="few_shot",
        name=f"{plain.name}, {shots} examples in the prompt",
        likelihood=_likelihood(opened, rows, told, ctx, shots),
        answers=_answers(opened, rows, asking, told, ctx),
        general=None,
        shots=shots,
    )


def _likelihood(
    opened: OpenedModel, rows: JudgedRows, told: Callable[[str], None], ctx: StepContext, shots: int = 0
) -> Likelihood:
    if rows.kind == "documents":
        return score_documents(opened, rows.documents, emit=told, cancel=ctx.cancel)
    return score_conversations(opened, rows.conversations, shots=shots, emit=told, cancel=ctx.cancel)


def _answers(
    opened: OpenedModel, rows: JudgedRows, asking: Asking, told: Callable[[str], None], ctx: StepContext
) -> Answers | None:
    """Greedy answers, cut off where they are far longer than any reference: a base that never ends costs no more."""
    if rows.kind == "documents":
        return None
    longest = max((len(opened.form.encode_text(text)) for text in rows.references), default=0)
    room = min(asking.max_new_tokens, 2 * longest + ANSWER_SLACK)
    return generate(opened, rows.questions, max_new_tokens=room, emit=told, cancel=ctx.cancel)


def _telling(ctx: StepContext, role: Role) -> Callable[[str], None]:
    return lambda text: ctx.emit(f"evaluate: {role}: {text}")
