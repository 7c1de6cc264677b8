"""From a sentence to a brief: the rules in their order, then defaults, gates, and what was not understood."""

from __future__ import annotations

from collections.abc import Callable

from corpusmith.agent.understanding.ablation import read_ablation
from corpusmith.agent.understanding.amounts import read_size, read_splits
from corpusmith.agent.understanding.answering import read_answering
from corpusmith.agent.understanding.approach import approach_of, deliverable_of, read_approach, read_choice
from corpusmith.agent.understanding.balance import balance_of, read_balance
from corpusmith.agent.understanding.bases import read_bases
from corpusmith.agent.understanding.champion import read_champion, read_start
from corpusmith.agent.understanding.clauses import read_declined, read_rows_for, read_unsupported
from corpusmith.agent.understanding.copies import dedup_mode, read_copies
from corpusmith.agent.understanding.defaults import assumptions, default_gates
from corpusmith.agent.understanding.draft import EXAMPLE, Draft, Leftover
from corpusmith.agent.understanding.grounding import read_grounding
from corpusmith.agent.understanding.hyperparameters import read_hyperparameters
from corpusmith.agent.understanding.indexing import index_of, read_index
from corpusmith.agent.understanding.judging import evaluation_of, read_judging
from corpusmith.agent.understanding.languages import languages_kept, read_languages
from corpusmith.agent.understanding.leftovers import content_words, leftovers
from corpusmith.agent.understanding.limits import budgets_of, read_limits, read_seed, seed_of
from corpusmith.agent.understanding.machines import read_machines
from corpusmith.agent.understanding.model_wish import settle_shape, training_assumptions, training_of
from corpusmith.agent.understanding.output import output_of, read_files, read_template, read_windows
from corpusmith.agent.understanding.places import (
    read_evaluation_sets,
    read_name,
    read_output_path,
    read_sources,
    read_text_field,
)
from corpusmith.agent.understanding.privacy import kinds_to_mask, read_privacy
from corpusmith.agent.understanding.prompted import read_prompted
from corpusmith.agent.understanding.publishing import read_publishing, settle_publishing
from corpusmith.agent.understanding.quality import read_quality, read_text_form
from corpusmith.agent.understanding.ranges import lengths, read_lengths, read_numbers
from corpusmith.agent.understanding.release import read_release
from corpusmith.agent.understanding.rivals import read_rivals, read_scores
from corpusmith.agent.understanding.scan import Scan
from corpusmith.agent.understanding.serving import deploy_of, read_serving, settle_serving
from corpusmith.agent.understanding.targets import read_floors, read_targets
from corpusmith.agent.understanding.training import read_kept_out, read_training
from corpusmith.core.brief import Brief, DedupWish, EvaluationWish, Request, Size, Splits
from corpusmith.core.errors import RequestError
from corpusmith.core.gates import Gate
from corpusmith.core.metrics import METRICS

RULES: tuple[Callable[[Scan, Draft], None], ...] = (
    read_text_field,
    read_output_path,
    read_publishing,
    read_name,
    read_ablation,
    read_choice,
    read_kept_out,
    read_declined,
    read_champion,
    read_training,
    read_start,
    read_approach,
    read_prompted,
    read_answering,
    read_rivals,
    read_hyperparameters,
    read_judging,
    read_scores,
    read_index,
    read_serving,
    read_machines,
    read_bases,
    read_release,
    read_evaluation_sets,
    read_grounding,
    read_splits,
    read_rows_for,
    read_unsupported,
    read_seed,
    read_floors,
    read_targets,
    read_balance,
    read_windows,
    read_lengths,
    read_numbers,
    read_limits,
    read_size,
    read_template,
    settle_shape,
    settle_publishing,
    settle_serving,
    read_languages,
    read_privacy,
    read_copies,
    read_text_form,
    read_quality,
    read_files,
    read_sources,
)
"""The rules, special before general: each takes the words it uses, later ones see only what is left."""


def understand(request: Request) -> Brief:
    """Read a request by rules alone. Pure and deterministic; no model, no file, no network.

    Args:
        request: The sentence, and sources, seed and limits given beside it.

    Returns:
        The brief. What was filled in stands in `assumed`, what was not understood in `not_understood`, both in words.

    Raises:
        RequestError: Nothing of the sentence was understood, or it asks for what cannot be (a share over 100%).
    """
    scan, draft = Scan(request.text), Draft()
    if not request.text.strip():
        raise RequestError("the request is empty", hint=EXAMPLE)
    for rule in RULES:
        rule(scan, draft)
    languages = languages_kept(draft)
    left = sorted([*draft.leftovers, *leftovers(scan)], key=lambda item: item.at)
    _refuse_foreign(scan, left)
    brief = _brief(request, draft, languages)
    explicit = _explicit_gates(draft, brief)
    if brief.training is None:
        explicit = [gate for gate in explicit if METRICS[gate.metric].scope != "model"]
    if brief.index is None:
        explicit = [gate for gate in explicit if METRICS[gate.metric].scope != "index"]
    told = {gate.metric for gate in explicit}
    gates = [*explicit, *(gate for gate in default_gates(brief, draft) if gate.metric not in told)]
    for metric, named, missing in (
        ("contamination_rate", brief.decontaminate_against, "name the evaluation sets"),
        ("ungrounded_rate", brief.grounded_in, "name the documents that answers come from"),
    ):
        if metric in told and not named:
            gates = [gate for gate in gates if gate.metric != metric]
            wish = next(wish for wish in draft.wishes if wish.gate.metric == metric)
            left = sorted([*left, Leftover(wish.at, wish.gate.why, missing)], key=lambda item: item.at)
    read_as = [f"'{written}' was read as '{read}'" for written, read in scan.spelling]
    return brief.model_copy(
        update={
            "gates": tuple(gates),
            "not_understood": tuple(str(item) for item in left),
            "assumed": tuple(
                dict.fromkeys([*read_as, *draft.notes, *assumptions(brief, draft), *training_assumptions(brief, draft)])
            ),
        }
    )


def _refuse_foreign(scan: Scan, left: list[Leftover]) -> None:
    """Refuse a sentence of which nothing, or next to nothing, was understood."""
    unknown = sum(content_words(item.words) for item in left if not item.reason)
    if scan.understood and not (unknown >= 5 and unknown > 3 * scan.understood):
        return
    shown = "; ".join(str(item) for item in left) or scan.text.strip()
    raise RequestError(
        f"the request was not understood: {shown}",
        hint=f"Say in English what the data should be. {EXAMPLE}",
        not_understood=[str(item) for item in left],
    )


def _brief(request: Request, draft: Draft, languages: tuple[str, ...]) -> Brief:
    mode = dedup_mode(draft)
    training, approach = training_of(draft), approach_of(draft)
    judged = training is not None or approach == "prompting"
    train, validation, test = draft.last("splits", (0.8, 0.1, 0.1) if judged else (1.0, 0.0, 0.0))
    remove_pii = draft.last("remove_pii", False)
    copies = DedupWish(
        exact=mode != "none",
        near=mode == "both",
        jaccard=draft.last("dedup.jaccard", DedupWish().jaccard),
        containment=draft.last("dedup.containment") if mode == "both" else None,
    )
    rows = draft.last("size.rows")
    return Brief(
        request=request.text,
        deliverable=deliverable_of(draft),
        sources=tuple(dict.fromkeys([*request.sources, *draft.union("sources")])),
        text_field=draft.last("text_field"),
        languages=languages,
        size=Size(rows=rows, tokens=draft.last("size.tokens"), exact=draft.last("size.exact", False)),
        splits=Splits(train=train, validation=validation, test=test),
        output=output_of(draft),
        dedup=copies,
        remove_pii=remove_pii,
        pii_kinds=kinds_to_mask(draft) if remove_pii else (),
        decontaminate_against=draft.union("decontaminate_against"),
        grounded_in=draft.union("grounded_in"),
        quality=draft.last("quality", "standard"),
        lowercase=draft.last("lowercase", False),
        remove_stopwords=draft.last("remove_stopwords", False),
        length=lengths(draft),
        numbers=draft.union("numbers"),
        balance=balance_of(draft),
        generate_instructions=draft.last("generate_instructions", False),
        approach=approach,
        training=training,
        prompted=draft.last("prompted", "tiny"),
        evaluation=evaluation_of(draft) if judged else EvaluationWish(),
        answers_for=draft.last("answers_for") if judged else None,
        ablation=draft.last("ablation", False),
        index=index_of(draft),
        promote=training is not None and draft.last("promote", False),
        deploy=deploy_of(draft) if training is not None else None,
        publish_to=draft.last("publish_to"),
        publish_data_to=draft.last("publish_data_to"),
        retention_floor=draft.last("retention_floor", Brief(request="").retention_floor),
        source_floor=draft.last("source_floor", 0.0),
        budgets=budgets_of(draft, request),
        seed=seed_of(draft, request),
        name=draft.last("name", "dataset"),
    )


def _explicit_gates(draft: Draft, brief: Brief) -> list[Gate]:
    """The gates asked for; of two alike in metric, direction and severity the last counts.

    Raises:
        RequestError: Two gates on one metric exclude each other.
    """
    overruled = {("dedup", "none"): not brief.dedup.exact, ("remove_pii", False): not brief.remove_pii}
    kept: dict[tuple[str, str, str], Gate] = {}
    for wish in sorted(draft.wishes, key=lambda wish: wish.at):
        if wish.needs and overruled[wish.needs]:
            continue
        key = (wish.gate.metric, wish.gate.op[0], wish.gate.severity.value)
        earlier = kept.get(key)
        if earlier is not None and str(earlier) != str(wish.gate):
            draft.notes.append(f"'{earlier.why}' and '{wish.gate.why}' contradict each other: the last one counts")
        kept[key] = wish.gate
    for (metric, side, severity), gate in kept.items():
        low = kept.get((metric, ">", severity))
        if side == "<" and low is not None and low.target > gate.target:
            raise RequestError(
                f"'{low.why}' and '{gate.why}' cannot both hold: {low} and {gate}",
                hint=f"Drop one of the two. {EXAMPLE}",
                metric=metric,
            )
    return list(kept.values())
