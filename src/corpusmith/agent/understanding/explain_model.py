"""What a brief says about models, in plain lines: base, method, weights, judging, promotion, publishing."""

from __future__ import annotations

from corpusmith.core.brief import Brief, DeployWish, IndexWish, PlaceWish, TrainingWish
from corpusmith.core.rows import Shape

_METHODS = {
    "sft": "supervised fine-tuning, with loss on the answers only",
    "dpo": "DPO on preference pairs",
    "pretrain": "continued pre-training on text",
}
_BY_SHAPE = {Shape.INSTRUCTION: "sft", Shape.PREFERENCE: "dpo", Shape.TEXT: "pretrain"}
_WEIGHTS = {
    "lora": "a LoRA adapter",
    "dora": "a DoRA adapter",
    "qlora": "a LoRA adapter on a base in 4 bits (QLoRA)",
    "prompt": "a learned prompt",
    "none": "all of them",
}


def model_lines(brief: Brief) -> list[str]:
    """One line per thing that will be done with models; none where no model has a part in it."""
    lines = [f"approach: {brief.approach}"] if brief.approach else []
    if brief.training is not None:
        lines += _training(brief, brief.training)
    if brief.training is None and brief.approach == "prompting":
        lines.append(f"prompted: {brief.prompted}")
    if brief.training is not None or brief.approach == "prompting":
        lines.append(f"judged: {_judging(brief)}")
    if brief.training is not None:
        champion = (
            "becomes the champion when every must gate about it holds"
            if brief.promote
            else "none, it stays a candidate"
        )
        lines.append(f"promotion: {champion}")
    if brief.answers_for:
        lines.append(f"answers: every row of {brief.answers_for}, by the model that was made")
    lines += _index(brief.index) if brief.index is not None else []
    lines += _deploy(brief.deploy) if brief.deploy is not None else []
    if brief.ablation:
        lines.append("ablation: models trained on the raw and on the curated data, compared on held-out text")
    both = ((brief.publish_to, "model" if brief.training else "dataset"), (brief.publish_data_to, "dataset"))
    lines += [f"published: the {what} to {to}, after an approval" for to, what in both if to]
    return lines


def _index(wish: IndexWish) -> list[str]:
    size = f"at most {wish.chunk_chars:,} characters" if wish.chunk_chars else "sized by the kind of document"
    overlap = f", {wish.overlap_chars:,} of them shared" if wish.overlap_chars else ""
    model = wish.embedder.partition(":")[2] or "the corpus's own words (LSA)"
    dense = "BM25" if wish.embedder == "none" else f"BM25 and embeddings of {model}, fused"
    kept = f"in Qdrant at {wish.store}" if wish.store else "in the workspace"
    lines = [f"index: passages {size}{overlap}, found by {dense}, kept {kept}"]
    return [*lines, *([f"filters: {', '.join(wish.filters)}"] if wish.filters else [])]


def _deploy(wish: DeployWish) -> list[str]:
    where = "Ray Serve" if wish.backend == "ray" else "this machine"
    parts = [f"on {where}" + (f", port {wish.port}" if wish.port else "")]
    if wish.replicas:
        least, most = wish.replicas
        parts.append(f"{least} replicas" if least == most else f"{least} to {most} replicas, by load")
    parts += [f"first to {wish.canary:.0%} of the callers"] if wish.canary else []
    return [f"deployed: {', '.join(parts)}, once it is the champion, after an approval"]


def _training(brief: Brief, wish: TrainingWish) -> list[str]:
    several = f"bases: {', '.join(wish.bases)}; the best one is taken"
    lines = [several if len(wish.bases) > 1 else f"base: {wish.bases[0]}"]
    if wish.from_champion:
        lines = ["base: the champion, whose weights training goes on from"]
    if wish.method == "auto":
        likely = _METHODS[_BY_SHAPE[brief.output.shape]]
        told = brief.output.shape is not Shape.TEXT
        lines.append(f"method: {likely}" if told else f"method: {likely}; where the rows turn out as pairs, on those")
    else:
        lines.append(f"method: {_METHODS[wish.method]}")
    lines.append(f"weights: {'those of the provider' if wish.hosted else _WEIGHTS[wish.adapter]}")
    lines += [f"settings: {text}" for text in (_settings(wish),) if text]
    if wish.trials > 1:
        lines.append(f"search: up to {wish.trials} settings, compared on the validation split")
    if wish.replay_rows:
        lines.append(f"replay: {wish.replay_rows:,} rows of {wish.replay_from}, against forgetting")
    where = "at the provider, over its fine-tuning API" if wish.hosted else _place(wish.place)
    return [*lines, *([f"trained: {where}"] if where else [])]


def _settings(wish: TrainingWish) -> str:
    said = (
        (wish.rank, "rank {}"),
        (wish.alpha, "alpha {}"),
        (wish.epochs, "{:g} epochs"),
        (wish.max_steps, "{:,} steps"),
        (wish.learning_rate, "learning rate {:g}"),
        (wish.dpo_beta, "beta {:g}"),
        (wish.sequence_length, "sequences of {:,} tokens"),
    )
    return ", ".join(words.format(value) for value, words in said if value is not None)


def _place(place: PlaceWish) -> str:
    parts = [{"ray": "on Ray", "process": "in this process"}.get(place.backend, "")]
    parts.append(f"{place.workers} worker{'s' if place.workers > 1 else ''}" if place.workers else "")
    parts.append({"gpu": "on a GPU or not at all", "cpu": "on the CPU"}.get(place.device, ""))
    parts.append("weights sharded" if place.fsdp else "")
    parts.append(f"tracked by {', '.join(place.report_to)}" if place.report_to else "")
    return ", ".join(part for part in parts if part)


def _judging(brief: Brief) -> str:
    wish = brief.evaluation
    where = f"on {wish.on}" if wish.on else "on the test split" if brief.splits.train < 1 else "on nothing held out"
    rivals = "its base, few-shot prompting" if brief.training else "plain baselines"
    if brief.training and wish.task in ("label", "number"):
        rivals += ", plain baselines"
    parts = [where, f"against {rivals}"]
    parts += [f"answers graded as {wish.task}s"] if wish.task in ("label", "number") else []
    parts += ["also by an LLM judge"] if wish.judge else []
    parts += [f"forgetting on {wish.general}"] if wish.general else []
    return ", ".join(parts)
