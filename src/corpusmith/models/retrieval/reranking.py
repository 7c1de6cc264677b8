"""A cross-encoder in a folder: reads question and passage together, and says how well they fit. Safetensors only."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corpusmith.core.errors import SourceError
from corpusmith.models.retrieval.encoder import encoder_files
from corpusmith.models.retrieval.extra import need_encoder_libraries

BATCH = 16


class CrossEncoder:
    """A sequence classifier with one label in `folder`.

    Raises:
        SourceError: The folder holds none.
        PreconditionError: torch or transformers is missing.
    """

    def __init__(self, folder: Path) -> None:
        need_encoder_libraries()
        encoder_files(folder)
        self._tokenizer, self._model = _open(folder)
        self._using = threading.Lock()  # a fast tokenizer must not be called by two threads at once
        if int(self._model.config.num_labels) != 1:
            raise SourceError(
                f"{folder.name} is no cross-encoder: it has several labels", hint="Give one with one label."
            )

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """How well each passage fits the question; higher is better."""
        import torch

        out: list[float] = []
        most = min(512, int(getattr(self._model.config, "max_position_embeddings", 512) or 512))
        for start in range(0, len(passages), BATCH):
            batch = list(passages[start : start + BATCH])
            with self._using:
                given = self._tokenizer(
                    [question] * len(batch), batch, padding=True, truncation="longest_first", max_length=most,
                    return_tensors="pt",
                )  # fmt: skip
            with torch.inference_mode():
                out += self._model(**given).logits[:, 0].float().tolist()
        return out


def _open(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError, KeyError) as error:
        raise SourceError(f"{folder.name} cannot be opened: {error}", hint="Give a cross-encoder's folder.") from error
    return tokenizer, model.eval()
