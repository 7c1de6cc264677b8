"""What was said about a model, as wishes of the brief; what follows from it; what was filled in."""

from __future__ import annotations

from corpusmith.agent.understanding.draft import Draft
from corpusmith.agent.understanding.scan import Scan
from corpusmith.core.brief import Brief, PlaceWish, TrainingWish

DRAWN_SPLITS = "splits: 80% train, 10% validation, 10% test, for a model is judged on rows it was not trained on"
"""What is said of splits that nobody asked for; they give way to those that the data came with."""


def settle_shape(_: Scan, draft: Draft) -> None:
    """The shape of rows that the method needs, where nothing was said about it; runs after the template was read."""
    if not trained(draft):
        if draft.last("approach") == "prompting":
            _prompt_one(draft)
        return
    method, hosted = draft.last("training.method"), draft.last("training.hosted", False)
    pairs, template = draft.has("output.instruction"), draft.has("output.template")
    words = draft.words("training.method") or draft.words("training.hosted")
    if method == "dpo" and not (pairs or template):
        draft.claim("output.template", "preference", 0, words)
    elif method == "sft" or hosted:
        if hosted and not template:
            draft.claim("output.template", "messages", 0, words)
            draft.notes.append("template: messages, as the fine-tuning API takes them")
        if not (pairs or template):
            draft.claim("output.instruction", True, 0, words)
            draft.claim("generate_instructions", True, 0, words)


def _prompt_one(draft: Draft) -> None:
    """The base that was named is the one that is prompted; the first of several, and none at a provider."""
    for claim in draft.claims.get("training.bases", ()):
        if draft.has("training.hosted"):
            draft.leave(claim.at, claim.words, "a model at a provider is not prompted in this version; name a folder")
        elif draft.has("prompted"):
            draft.leave(claim.at, claim.words, "where nothing is trained, one model is prompted: the first named")
        else:
            draft.claim("prompted", claim.value, claim.at, claim.words)


def trained(draft: Draft) -> bool:
    """Whether training is asked for, the last word counting."""
    return bool(draft.last("training", False))


_FIELDS = (
    "method", "adapter", "rank", "alpha", "epochs", "max_steps", "learning_rate", "dpo_beta", "sequence_length",
    "trials",
    "hosted", "from_champion", "replay_rows", "replay_from",
)  # fmt: skip


def training_of(draft: Draft) -> TrainingWish | None:
    """The training asked for, or None."""
    if not trained(draft):
        return None
    said = {name: draft.last(f"training.{name}") for name in _FIELDS if draft.has(f"training.{name}")}
    place = {name: draft.last(f"place.{name}") for name in PlaceWish.model_fields if draft.has(f"place.{name}")}
    if draft.has("place.report_to"):
        place["report_to"] = draft.union("place.report_to")
    bases = draft.union("training.bases") or (("gpt-4o-mini",) if said.get("hosted") else ("tiny",))
    return TrainingWish(**said, bases=bases, place=PlaceWish(**place))


def training_assumptions(brief: Brief, draft: Draft) -> list[str]:
    """One plain sentence for each thing about the model that was filled in."""
    wish, out = brief.training, []
    if wish is not None:
        if not draft.has("training.bases") and not wish.from_champion:
            out.append(_unnamed_base(wish))
        if wish.method == "auto":
            out.append(
                "method: by the rows: pairs are fine-tuned on, preference pairs go to DPO, text is pre-trained on"
            )
        if wish.hosted:
            out.append("hosted training: it uploads the rows and costs money, so it waits for an approval")
        elif not draft.has("training.adapter"):
            out.append("weights: a LoRA adapter")
        if not draft.has("promote"):
            out.append("promotion: the model is registered as a candidate, for promoting it was not asked for")
        if brief.splits.train == 1:
            out.append("splits: none was wanted, so the model cannot be judged on rows it has not seen")
    if brief.approach == "prompting" and not draft.has("prompted"):
        out.append(
            "model: tiny, pre-trained on this machine, for none was named; name a hub id or a folder for another"
        )
    if (wish is not None or brief.approach == "prompting") and not draft.has("splits"):
        out.append(DRAWN_SPLITS)
    return out


def _unnamed_base(wish: TrainingWish) -> str:
    if wish.hosted:
        return "base model: gpt-4o-mini, for none was named"
    return "base model: tiny, pre-trained on this machine, for none was named; name a hub id or a folder for another"
