"""`tiny`: a small Llama-shaped model, pre-trained on the spot, so that the whole loop runs with no download.

Rotary positions, RMSNorm, SwiGLU, grouped heads and tied embeddings, as transformers' Llama has them; whatever trains,
serves or merges a Llama works on it. The recipe's defaults pre-train in about a minute on two cores. The same texts,
recipe and seed give the same digest on one machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from corpusmith.core.errors import PreconditionError
from corpusmith.core.tools import Cancel
from corpusmith.models.chat_format import ChatFormat
from corpusmith.models.examples import Tally, encode_documents, windows
from corpusmith.models.packing import pack, shuffled
from corpusmith.models.prepared import write_packed
from corpusmith.models.tiny_tokenizer import SMALLEST, learn_tokenizer
from corpusmith.models.training.extra import need_training_libraries
from corpusmith.models.training.run import train
from corpusmith.models.training.spec import AdapterSettings, Schedule, TrainOutcome, TrainSpec

CHECKPOINT_EVERY = 100
"""Optimizer steps: about twenty seconds of work."""


class TinyRecipe(BaseModel):
    """Shape and pre-training of `tiny`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    vocabulary: int = Field(2048, ge=SMALLEST, le=1 << 16, description="most tokens of the tokenizer")
    layers: int = Field(4, ge=1, le=64)
    width: int = Field(128, ge=8, le=4096, description="hidden size")
    inner: int = Field(352, ge=8, description="width of the feed-forward layers")
    heads: int = Field(4, ge=1)
    key_heads: int = Field(2, ge=1, description="heads of keys and values")
    context: int = Field(1024, ge=16, description="most tokens the model is made for")
    window: int = Field(256, ge=16, description="tokens in one row of the pre-training")
    rows_per_step: int = Field(16, ge=1)
    epochs: float = Field(2.0, gt=0, description="passes over the texts")
    learning_rate: float = Field(4e-3, gt=0)
    weight_decay: float = Field(0.1, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> TinyRecipe:
        if self.width % (2 * self.heads) or self.heads % self.key_heads or self.window > self.context:
            raise ValueError("width must divide by 2 * heads, heads by key_heads, and window be at most context")
        return self


def write_untrained(folder: Path, tokenizer: Any, recipe: TinyRecipe, seed: int) -> None:
    """Write a model with random weights and its tokenizer as a transformers folder."""
    torch: Any = import_module("torch")
    transformers: Any = import_module("transformers")
    transformers.utils.logging.disable_progress_bar()
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=recipe.inner,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.key_heads,
        max_position_embeddings=recipe.context,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_documents(path: Path, texts: Sequence[str], tokenizer: Any, window: int, seed: int) -> int:
    """Prepare texts for `pretrain`: BOS, text, EOS, cut in windows, packed and shuffled; returns the number of rows."""
    form = ChatFormat(tokenizer)
    numbered = ((str(number), text) for number, text in enumerate(texts))
    pieces = [piece for one in encode_documents(numbered, form, Tally()) for piece in windows(one, window)]
    rows = shuffled(pack([len(piece.ids) for piece in pieces], window), seed)
    write_packed(path, pieces, rows)
    return len(rows)


def pretrain_tiny(
    texts: Sequence[str],
    output: Path,
    recipe: TinyRecipe,
    seed: int = 0,
    *,
    emit: Callable[[str], None] = lambda _: None,
    cancel: Cancel | None = None,
) -> TrainOutcome:
    """Learn a tokenizer and a model from the texts; the finished model is in `TrainOutcome.final`.

    Args:
        texts: Documents.
        output: Folder to work in, absolute.
        recipe: Shape and schedule.
        seed: Of the weights and of the order.
        emit: Takes progress lines.
        cancel: Asked after each optimizer step.

    Raises:
        PreconditionError: The extra `train` is missing, or there is no text.
    """
    need_training_libraries("datasets")
    if not any(text.strip() for text in texts):
        raise PreconditionError("there is no text to pre-train on", hint="Give documents with text.")
    start, data = output / "start", output / "documents.parquet"
    start.mkdir(parents=True, exist_ok=True)
    tokenizer = learn_tokenizer(texts, recipe.vocabulary, recipe.context)
    write_untrained(start, tokenizer, recipe, seed)
    write_documents(data, texts, tokenizer, recipe.window, seed)
    spec = TrainSpec(
        method="pretrain",
        model=str(start),
        data=str(data),
        output=str(output / "training"),
        adapter=AdapterSettings(kind="none"),
        schedule=Schedule(
            learning_rate=recipe.learning_rate,
            epochs=recipe.epochs,
            batch_tokens=recipe.window * recipe.rows_per_step,
            weight_decay=recipe.weight_decay,
        ),
        sequence_length=recipe.window,
        rows_per_step=recipe.rows_per_step,
        seed=seed,
        checkpoint_every=CHECKPOINT_EVERY,
        dtype="float32",
        run_name="tiny",
    )
    return train(spec, emit=emit, cancel=cancel)
