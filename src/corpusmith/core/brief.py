"""The brief: a request understood, as data. Written by a planner, shown to the person, obeyed by the loop.

Nothing of the request is silently dropped: what no rule understood stands in `not_understood`, what was filled in
without being asked stands in `assumed`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from corpusmith.core.gates import Gate
from corpusmith.core.rows import Shape


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Deliverable(StrEnum):
    """What the person gets."""

    DATASET = "dataset"
    INDEX = "index"
    MODEL = "model"
    ENDPOINT = "endpoint"


class Request(_Frozen):
    """What the person wrote, plus sources and limits given beside it."""

    text: str
    sources: tuple[str, ...] = ()
    seed: int | None = None
    max_minutes: float | None = None
    max_cost_usd: float | None = None


class Size(_Frozen):
    """How much: at most `rows` rows and `tokens` tokens; `exact` when fewer is a failure of the request."""

    rows: int | None = Field(None, ge=1)
    tokens: int | None = Field(None, ge=1)
    exact: bool = False


class Splits(_Frozen):
    """Shares of train / validation / test; they sum to 1. By group, so that near-duplicates never straddle them."""

    train: float = Field(1.0, ge=0, le=1)
    validation: float = Field(0.0, ge=0, le=1)
    test: float = Field(0.0, ge=0, le=1)


class OutputFormat(_Frozen):
    """How rows and files look at the end."""

    files: Literal["parquet", "jsonl", "hf"] = "parquet"
    shape: Shape = Shape.TEXT
    template: Literal["text", "windows", "alpaca", "sharegpt", "messages", "preference"] = "text"
    window_tokens: int | None = Field(None, ge=8, description="window length for template 'windows'")


class DedupWish(_Frozen):
    """Whether and how strictly copies go."""

    exact: bool = True
    near: bool = True
    jaccard: float = Field(0.8, gt=0, le=1)
    containment: float | None = Field(None, gt=0, le=1, description="set when cross-posts or quotes are asked for")


class NumberRange(_Frozen):
    """Keep rows whose number at the dotted path `field` lies in [low, high]."""

    field: str
    low: float | None = None
    high: float | None = None


class LengthRange(_Frozen):
    """Keep rows whose length lies in [low, high], counted in `unit`."""

    unit: Literal["chars", "words", "tokens"] = "words"
    low: int | None = None
    high: int | None = None


class Balance(_Frozen):
    """How rows are drawn when not all are kept, or evened out after the split."""

    method: Literal["random", "stratified", "undersample", "oversample", "weighted", "token_budget", "number_slots"]
    field: str | None = Field(None, description="dotted path of the category, weight or number")
    weights: dict[str, float] = Field(default_factory=dict, description="weight per category value")
    default_weight: float = 1.0
    cap: int | None = Field(None, description="most rows per slot or category")
    keep_above: float | None = Field(None, description="number_slots: slots above this value are kept whole")


Approach = Literal["prompting", "retrieval", "fine-tuning"]


class PlaceWish(_Frozen):
    """Where a training is to run, as far as anything was said; the rest is a setting (`models.training.place`)."""

    backend: Literal["auto", "process", "ray"] = "auto"
    workers: int | None = Field(None, ge=1, description="training processes; one card each where there are cards")
    device: Literal["auto", "cpu", "gpu"] = Field("auto", description="gpu = refuse to train without one")
    fsdp: bool = Field(False, description="shard the weights over the workers")
    report_to: tuple[str, ...] = Field((), description="trackers: comet_ml, mlflow, wandb, tensorboard")


class TrainingWish(_Frozen):
    """The model to train on the data; None where nothing was said and the analysis or the method's default decides."""

    method: Literal["auto", "sft", "dpo", "pretrain"] = Field(
        "auto", description="auto = by the rows: pairs sft, preference pairs dpo, text pretrain"
    )
    adapter: Literal["lora", "dora", "qlora", "prompt", "none"] = "lora"
    bases: tuple[str, ...] = Field(
        ("tiny",), description="tiny, hub ids, folders or hosted models; the best one is taken"
    )
    from_champion: bool = Field(False, description="go on from the weights of the model's champion")
    hosted: bool = Field(False, description="fine-tune at a provider of the OpenAI fine-tuning API")
    rank: int | None = Field(None, ge=1)
    alpha: int | None = Field(None, ge=1, description="LoRA scale is alpha / rank")
    epochs: float | None = Field(None, gt=0)
    max_steps: int | None = Field(None, ge=1)
    learning_rate: float | None = Field(None, gt=0)
    dpo_beta: float | None = Field(None, gt=0)
    sequence_length: int | None = Field(None, ge=8, description="tokens")
    trials: int = Field(1, ge=1, le=64, description="settings tried at most, compared on the validation split")
    replay_rows: int = Field(0, ge=0, description="general rows mixed in against forgetting")
    replay_from: str | None = None
    place: PlaceWish = PlaceWish()


class EvaluationWish(_Frozen):
    """How the model is judged beyond the defaults of its task."""

    task: Literal["auto", "text", "answers", "label", "number"] = "auto"
    on: str | None = Field(None, description="path of a set to judge on; None = the test split")
    judge: bool = Field(False, description="also by an LLM judge; never the only gate")
    general: str | None = Field(None, description="path of a general set for the check on forgetting")


class IndexWish(_Frozen):
    """How the documents are made searchable, as far as anything was said."""

    kind: Literal["auto", "post", "code", "article"] = Field("auto", description="auto = by each document")
    chunk_chars: int | None = Field(None, ge=50, description="most characters of a passage; None = by kind")
    overlap_chars: int | None = Field(None, ge=0)
    embedder: str = Field("none", description="none = words alone; lsa; encoder:FOLDER or HUB/NAME; endpoint:MODEL")
    store: str | None = Field(None, description="URL of a Qdrant server; None = embedded")
    filters: tuple[str, ...] = Field((), description="fields to filter on; empty = those that are found")


class DeployWish(_Frozen):
    """Where and how the champion is served."""

    endpoint: str | None = Field(None, description="name of the endpoint; None = that of the model")
    port: int | None = Field(None, ge=1, le=65535, description="None = the endpoint's own, or a free one")
    backend: Literal["uvicorn", "ray"] = "uvicorn"
    replicas: tuple[int, int] | None = Field(None, description="fewest and most, on Ray Serve")
    canary: float | None = Field(None, gt=0, lt=1, description="share of the callers that gets the candidate first")


class Budgets(_Frozen):
    """Limits that fail closed. None = no limit."""

    minutes: float | None = None
    cost_usd: float | None = None
    tokens: int | None = None
    iterations: int = 24


class Brief(_Frozen):
    """The request understood. Defaults are the house's; each default that matters is repeated in `assumed`."""

    request: str
    deliverable: Deliverable = Deliverable.DATASET
    sources: tuple[str, ...] = ()
    text_field: str | None = Field(None, description="dotted path of the text, when the person named it")
    languages: tuple[str, ...] = Field((), description="ISO 639-1 codes to keep; empty = all")
    size: Size = Size()
    splits: Splits = Splits()
    output: OutputFormat = OutputFormat()
    dedup: DedupWish = DedupWish()
    remove_pii: bool = False
    pii_kinds: tuple[str, ...] = Field((), description="kinds to mask; empty = all known kinds")
    decontaminate_against: tuple[str, ...] = Field((), description="paths or names of evaluation sets")
    grounded_in: tuple[str, ...] = Field((), description="documents that answers are to come from")
    quality: Literal["none", "standard", "strict"] = "standard"
    lowercase: bool = False
    remove_stopwords: bool = False
    length: tuple[LengthRange, ...] = ()
    numbers: tuple[NumberRange, ...] = ()
    balance: Balance | None = None
    generate_instructions: bool = Field(False, description="make instruction pairs out of documents")
    approach: Approach | None = Field(None, description="how a wanted model is made: prompted, retrieval, or trained")
    training: TrainingWish | None = None
    prompted: str = Field("tiny", description="the model that is prompted where nothing is trained, named as a base is")
    evaluation: EvaluationWish = EvaluationWish()
    answers_for: str | None = Field(None, description="path of rows that the model is to answer once it was judged")
    ablation: bool = Field(False, description="prove on models that the curation helps")
    index: IndexWish | None = Field(None, description="make the documents searchable")
    promote: bool = Field(False, description="make the model champion when every gate of it holds")
    deploy: DeployWish | None = Field(None, description="serve the champion, with the index where there is one")
    publish_to: str | None = Field(None, description="hf://owner/name for the model, or the dataset where none is made")
    publish_data_to: str | None = Field(None, description="hf://owner/name for the dataset beside a model")
    gates: tuple[Gate, ...] = ()
    retention_floor: float = Field(0.05, ge=0, le=1, description="a step that leaves less of its input is undone")
    source_floor: float = Field(0.0, ge=0, le=1, description="a step that leaves less of any one source is undone")
    budgets: Budgets = Budgets()
    seed: int = 0
    name: str = Field("dataset", description="name the result is published under")
    not_understood: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
