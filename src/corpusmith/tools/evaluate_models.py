"""The models that are compared: which they are, and what each of them says of the same rows.

One model is in memory at a time. Few-shot prompting is the base with other prompts, measured while the base is open. A
model at a provider is asked there: it has answers and no likelihood, and each of them costs money.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from corpusmith.core.errors import PreconditionError
from corpusmith.core.model_manifest import ModelManifest
from corpusmith.core.tools import Dataset, StepContext
from corpusmith.models.evaluation.few_shot import with_shots
from corpusmith.models.evaluation.generation import Answers, generate
from corpusmith.models.evaluation.likelihood import Likelihood, score_conversations, score_documents
from corpusmith.models.evaluation.opened import OpenedModel, open_artifact
from corpusmith.models.hosted.access import HostedAccess
from corpusmith.models.hosted.answers import generate as ask_provider
from corpusmith.models.loading import manifest_of, place_of
from corpusmith.tools.evaluate_kept import Contestant, Role, keep, kept
from corpusmith.tools.evaluate_rows import JudgedRows

ROLES = ("model", "base", "champion")
ANSWER_SLACK = 16
"""Tokens that an answer may be longer than twice the longest reference before it is cut off."""


@dataclass(frozen=True)
class Asking:
    """What every model is asked.

    Attributes:
        rows: The rows.
        asked: Ids of those that are answered.
        pool: Conversations that few-shot examples are drawn from.
        general: Rows for the check on forgetting, or None.
        shots: Few-shot examples in a prompt, 0 = no such contestant.
        max_new_tokens: Most tokens of an answer.
        context: Most tokens of a sequence; None = the model's own, at most 2,048.
    """

    rows: JudgedRows
    asked: frozenset[str]
    pool: Sequence[tuple[str, list[tuple[str, str]]]]
    general: JudgedRows | None
    shots: int
    max_new_tokens: int
    context: int | None


def check_models(inputs: Mapping[str, Dataset]) -> None:
    """Refuse models that cannot be opened, or that do not belong together; reads manifests only.

    Raises:
        PreconditionError: An adapter lacks its base, or the base is not the one it was made from.
    """
    for role, below in (("model", "base"), ("base", ""), ("champion", "champion_base")):
        if role not in inputs:
            continue
        manifest = manifest_of(inputs[role])
        if manifest.kind == "hosted":
            continue
        place_of(inputs[role], inputs.get(below) or _shared_base(role, manifest, inputs))
        if role == "model" and "base" in inputs:
            _check_base(manifest, inputs["base"])


def hosted_in(inputs: Mapping[str, Dataset]) -> list[str]:
    """Roles whose model is at its provider."""
    return [role for role in ROLES if role in inputs and manifest_of(inputs[role]).kind == "hosted"]


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
    manifest, rows = manifest_of(artifact), asking.rows
    hosted = manifest.kind == "hosted"
    prompts = bool(not hosted and few_shot and asking.shots and rows.kind == "chats" and asking.pool)
    known, shown = kept(ctx.writer, role), kept(ctx.writer, "few_shot") if prompts else None
    if known is not None and (shown is not None or not prompts):
        ctx.emit(f"evaluate: the {role} {manifest.name} was measured before")
        yield from filter(None, (known, shown))
        return
    if hosted:
        yield keep(ctx.writer, _hosted(role, manifest, asking, ctx))
        return
    ctx.emit(f"evaluate: opening the {role} {manifest.name}")
    opened = open_artifact(artifact, base, context=asking.context, access=ctx.services.get("hub"))
    told = _telling(ctx, role)
    found = known or Contestant(
        role=role,
        name=manifest.name,
        digest=manifest.digest,
        parameters=opened.parameters,
        context=opened.context,
        context_length=manifest.context_length,
        likelihood=_likelihood(opened, rows, told, ctx),
        answers=_answers(opened, rows, asking, told, ctx),
        rejected=_rejected(opened, rows, told, ctx),
        general=None if asking.general is None else _likelihood(opened, asking.general, told, ctx),
    )
    yield keep(ctx.writer, found)
    if prompts:
        yield keep(ctx.writer, _few_shot(opened, found, asking, ctx))
    del opened
    release_memory()


def _hosted(role: Role, manifest: ModelManifest, asking: Asking, ctx: StepContext) -> Contestant:
    """A model at its provider, asked there.

    Raises:
        PreconditionError: No access to a provider is at hand.
        ModelFailure: The provider refuses the key or the model, or does not answer.
    """
    access = ctx.services.get("openai")
    if not isinstance(access, HostedAccess) or manifest.location is None:
        raise PreconditionError(
            f"evaluate: the {role} {manifest.name} is a model at its provider, and no access to one is at hand",
            hint="Set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own.",
        )

    def spent(given: int, made: int) -> None:
        if ctx.budget is not None:
            ctx.budget.debit("tokens", given + made, f"evaluate {manifest.name}")

    answers = ask_provider(
        manifest.location,
        [(row_id, turns) for row_id, turns in asking.rows.questions if row_id in asking.asked],
        access,
        max_tokens=asking.max_new_tokens,
        emit=_telling(ctx, role),
        cancel=ctx.cancel,
        on_usage=spent,
    )
    return Contestant(
        role, manifest.name, manifest.digest, manifest.parameters, None, manifest.context_length, None, answers
    )


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
        rejected=_rejected(opened, rows, told, ctx, shots),
        general=None,
        shots=shots,
    )


def _likelihood(
    opened: OpenedModel, rows: JudgedRows, told: Callable[[str], None], ctx: StepContext, shots: int = 0
) -> Likelihood:
    if rows.kind == "documents":
        return score_documents(opened, rows.documents, emit=told, cancel=ctx.cancel)
    return score_conversations(opened, rows.conversations, shots=shots, emit=told, cancel=ctx.cancel)


def _rejected(
    opened: OpenedModel, rows: JudgedRows, told: Callable[[str], None], ctx: StepContext, shots: int = 0
) -> Likelihood | None:
    if not rows.rejected:
        return None
    return score_conversations(opened, rows.worse, shots=shots, emit=told, cancel=ctx.cancel)


def _answers(
    opened: OpenedModel, rows: JudgedRows, asking: Asking, told: Callable[[str], None], ctx: StepContext
) -> Answers | None:
    """Greedy answers, cut off where they are far longer than any reference: a base that never ends costs no more."""
    if not asking.asked:
        return None
    questions = [(row_id, turns) for row_id, turns in rows.questions if row_id in asking.asked]
    longest = max((len(opened.form.encode_text(text)) for text in rows.references), default=0)
    room = min(asking.max_new_tokens, 2 * longest + ANSWER_SLACK)
    return generate(opened, questions, max_new_tokens=room, emit=told, cancel=ctx.cancel)


def _telling(ctx: StepContext, role: Role) -> Callable[[str], None]:
    return lambda text: ctx.emit(f"evaluate: {role}: {text}")


def release_memory() -> None:
    """Give the memory of a model that nothing points at any more back to the next one."""
    from corpusmith.models.training.memory import release

    release()
