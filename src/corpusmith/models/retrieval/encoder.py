"""An encoder in a folder, run here by transformers alone: pooling as its sentence-transformers files say.

Read: `modules.json`, `<pooling>/config.json`, `sentence_bert_config.json`, `config_sentence_transformers.json`. Without
them the mean of the tokens is taken, and the length that the model's positions allow. Of a text longer than that the
beginning is read: the mean over all its pieces finds less (docs/measured/retrieval.md), and the rest is found by its
words. Only safetensors are opened, and no code that came with the model is run.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from corpusmith.core.errors import PreconditionError, SourceError
from corpusmith.models.retrieval.embedding import EmbedderIdentity, Vectors, unit
from corpusmith.models.retrieval.extra import need_encoder_libraries

BATCH = 32
READING = b"the beginning"
"""How a long text is read; in the digest, as vectors read in another way are others."""
_POOLINGS = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "lasttoken")
_DONE_HERE = ("Transformer", "Pooling", "Normalize")


class FolderEncoder:
    """An encoder in `folder`.

    Args:
        folder: With config, tokenizer and safetensors.
        name: What to call it.
        location: Where it was asked for: the folder, or a hub name.

    Raises:
        SourceError: The folder is none of an encoder.
        PreconditionError: torch or transformers is missing, or it has modules that are not run here.
    """

    def __init__(self, folder: Path, name: str = "", location: str = "") -> None:
        need_encoder_libraries()
        files = encoder_files(folder)
        self._pooling, prompts = _pooling(folder), _read(folder / "config_sentence_transformers.json").get("prompts")
        known = prompts if isinstance(prompts, dict) else {}
        self._query = str(known.get("query", ""))
        self._passage = str(known.get("document", known.get("passage", "")))
        self._tokenizer, self._model, self._most = _open(folder)
        self._using = threading.Lock()  # a fast tokenizer must not be called by two threads at once
        self._identity = EmbedderIdentity(
            kind="encoder",
            name=name or folder.name,
            digest=encoder_digest(folder, files),
            dimension=int(self._model.config.hidden_size),
            most_tokens=self._most,
            location=location or str(folder),
        )

    @property
    def identity(self) -> EmbedderIdentity:
        """Who it is: the digest covers weights, tokenizer and pooling."""
        return self._identity

    def passages(self, texts: Sequence[str]) -> Vectors:
        """Texts, n, to float32[n, dimension]; of a long one the beginning is read."""
        return self._encode([self._passage + text for text in texts])

    def queries(self, texts: Sequence[str]) -> Vectors:
        """Questions, likewise."""
        return self._encode([self._query + text for text in texts])

    def _encode(self, texts: Sequence[str]) -> Vectors:
        out = np.zeros((len(texts), self._identity.dimension), np.float32)
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        for start in range(0, len(order), BATCH):
            at = order[start : start + BATCH]
            out[at] = self._forward([texts[place] for place in at])
        return unit(out)

    def _forward(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        import torch

        with self._using:
            given = self._tokenizer(
                list(texts), padding=True, truncation=True, max_length=self._most, return_tensors="pt"
            )
        here = {name: tensor.to(self._model.device) for name, tensor in given.items()}
        with torch.inference_mode():
            states = self._model(**here).last_hidden_state.float()
            pooled: npt.NDArray[np.float32] = _pooled(states, here["attention_mask"], self._pooling).cpu().numpy()
        return pooled


def encoder_files(folder: Path) -> list[Path]:
    """The files that make an encoder, in order.

    Raises:
        SourceError: One that is needed is missing.
    """
    weights = sorted(folder.glob("*.safetensors"))
    needed = [folder / "config.json", folder / "tokenizer.json"]
    missing = [path.name for path in needed if not path.is_file()]
    if missing or not weights:
        lacks = ", ".join(missing or ["*.safetensors"])
        raise SourceError(f"{folder.name} is no encoder: {lacks} missing", hint="Give a folder with an encoder model.")
    pooling = sorted(folder.glob("*_Pooling/config.json"))
    more = [folder / name for name in ("modules.json", "sentence_bert_config.json") if (folder / name).is_file()]
    more += [path for path in [folder / "config_sentence_transformers.json"] if path.is_file()]
    return sorted([*needed, *weights, *pooling, *more])


def encoder_digest(folder: Path, files: Sequence[Path] | None = None) -> str:
    """A digest of everything that an encoder's vectors follow from."""
    digest = xxhash.xxh3_128(READING)
    for path in encoder_files(folder) if files is None else files:
        digest.update(f"{path.relative_to(folder).as_posix()}:{path.stat().st_size}\n".encode())
        with path.open("rb") as handle:
            while block := handle.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def _open(folder: Path) -> tuple[Any, Any, int]:
    import torch
    from transformers import AutoModel, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        model = AutoModel.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
    except (OSError, ValueError, KeyError) as error:
        raise SourceError(
            f"{folder.name} cannot be opened: {error}", hint="Give an encoder transformers knows."
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    said = _read(folder / "sentence_bert_config.json").get("max_seq_length")
    positions = getattr(model.config, "max_position_embeddings", 512) or 512
    most = min(int(said or positions), int(positions), int(min(tokenizer.model_max_length, 1 << 20)))
    return tokenizer, model.to(device).eval(), most


def _pooling(folder: Path) -> str:
    modules = _read(folder / "modules.json")
    strange = (
        [str(m.get("type")) for m in modules if str(m.get("type")).rpartition(".")[2] not in _DONE_HERE]
        if modules
        else []
    )
    if strange:
        raise PreconditionError(
            f"{folder.name} has modules that are not run here: {', '.join(strange)}",
            hint="Serve it behind an OpenAI-compatible address and give endpoint:MODEL.",
        )
    said: Any = next((_read(path) for path in sorted(folder.glob("*_Pooling/config.json"))), {})
    chosen = [name for name in _POOLINGS if said.get(f"pooling_mode_{name}")]
    if said and len(chosen) != 1:
        raise PreconditionError(
            f"{folder.name} pools in a way that is not done here: {', '.join(chosen) or 'unknown'}",
            hint=f"Done here, one at a time: {', '.join(_POOLINGS)}.",
        )
    return chosen[0] if chosen else "mean_tokens"


def _pooled(states: Any, mask: Any, pooling: str) -> Any:
    """float[n, tokens, d] to float[n, d]."""
    import torch

    weights = mask.unsqueeze(-1).to(states.dtype)
    if pooling == "cls_token":
        return states[torch.arange(len(states)), mask.argmax(dim=1)]
    if pooling == "lasttoken":
        last = mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)
        return states[torch.arange(len(states)), last]
    if pooling == "max_tokens":
        return states.masked_fill(weights == 0, -torch.inf).max(dim=1).values
    total, count = (states * weights).sum(dim=1), weights.sum(dim=1).clamp(min=1e-9)
    return total / (count.sqrt() if pooling == "mean_sqrt_len_tokens" else count)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SourceError(f"{path.name} cannot be read: {error}", hint="Give a whole model folder.") from error
