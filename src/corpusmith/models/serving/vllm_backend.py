"""A served model over vLLM's asynchronous engine, behind the same API.

NOT RUN: written after vLLM's sources and documentation (0.2x to 0.3x), without a GPU and without vLLM at hand; the
tests drive it over a double of the engine. `benchmarks/gpu_serve.py` is where it would run first.

vLLM makes tokens, everything else is ours: prompts are encoded as in training and handed over as ids, answers come back
as ids and are spelled and stopped here, so that both engines answer alike. What a model is given as is decided by
`vllm_compat`; one that vLLM cannot serve is served by the plain engine. A version that is switched to is opened beside
the one that answers, so each may take only its share of the GPU's memory.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from corpusmith.core.errors import ParameterError
from corpusmith.models.chat_format import ChatFormat
from corpusmith.models.export import ADAPTER_CONFIG, export_model
from corpusmith.models.loading import checked_folders, open_tokenizer, place_of
from corpusmith.models.serving.contract import Finish, Piece, Refused, Sampling, ServedModel, Token
from corpusmith.models.serving.extra import need_vllm
from corpusmith.models.serving.opening import MOST_CONTEXT, EngineOpener, artifact_of
from corpusmith.models.serving.spelling import Writer
from corpusmith.models.serving.token_side import TokenSide
from corpusmith.models.serving.vllm_compat import Compat, compat
from corpusmith.store.model_evidence import manifest_of

MEMORY_SHARE = 0.3
"""Of the GPU's memory for one version: three may be open while a canary runs."""
MOST_ALTERNATIVES = 20
_WAIT_S = 0.05


@dataclass(frozen=True)
class VllmOpener:
    """Opens versions on vLLM, and with the plain engine those that vLLM cannot serve.

    Attributes:
        plain: Opens the others; also where versions are looked up.
        folder: Where merged weights are kept, by digest.
        memory: Share of the GPU's memory for each version.
    """

    plain: EngineOpener
    folder: Path
    memory: float = MEMORY_SHARE

    async def __call__(self, ref: str) -> ServedModel:
        """Open `name@version` or an artifact, in a thread.

        Raises:
            NotFoundError, PreconditionError, SourceError: As `EngineOpener`; or it cannot be merged.
        """
        return await asyncio.to_thread(self.open, ref)

    def open(self, ref: str) -> ServedModel:
        """Open `name@version` or an artifact."""
        need_vllm()
        artifact = self.plain.artifacts.open(artifact_of(ref, self.plain.registry))
        manifest = manifest_of(artifact)
        base = self.plain.artifacts.open(manifest.base) if manifest.kind == "adapter" and manifest.base else None
        place = place_of(artifact, base)
        folder, adapter = checked_folders(place, self.plain.access)
        found = compat(None if adapter is None else json.loads((adapter / ADAPTER_CONFIG).read_text("utf-8")))
        if found.way == "transformers":
            return self.plain.open(ref)
        tokenizer = open_tokenizer(folder, adapter)
        if found.way == "merge":
            merged = self.folder / manifest.digest.replace(":", "-")[:80]
            if not merged.is_dir():
                self.folder.mkdir(parents=True, exist_ok=True)
                export_model(place, merged, "merged", f"{manifest.name}, merged to be served.\n")
            folder, adapter = merged, None
        context = min(manifest.context_length or MOST_CONTEXT, MOST_CONTEXT)
        engine = start_engine(folder, found, context, self.memory)
        return VllmModel(engine, tokenizer, ref, context, adapter)


def start_engine(folder: Path, found: Compat, context: int, memory: float) -> Any:
    """Start vLLM's engine, in processes of its own; takes a minute or more.

    Args:
        folder: Whole weights: of the model, or of an adapter's base.
        found: How the model is given.
        context: Most tokens of prompt and answer.
        memory: Share of the GPU's memory.
    """
    vllm: Any = import_module("vllm")
    lora = {"enable_lora": True, "max_loras": 1, "max_lora_rank": found.rank} if found.way == "lora" else {}
    arguments = vllm.AsyncEngineArgs(
        model=str(folder), max_model_len=context, gpu_memory_utilization=memory, trust_remote_code=False,
        max_logprobs=MOST_ALTERNATIVES, disable_log_stats=True, **lora,
    )  # fmt: skip
    return vllm.AsyncLLMEngine.from_engine_args(arguments)


class VllmModel(TokenSide):
    """A `contract.ServedModel` over a running engine.

    Args:
        engine: From `start_engine`.
        tokenizer: The model's, with the chat template of its training.
        ref: `name@version`, or the artifact's id.
        context: Most tokens of prompt and answer together.
        adapter: Folder of a plain LoRA adapter.
    """

    def __init__(self, engine: Any, tokenizer: Any, ref: str, context: int, adapter: Path | None = None) -> None:
        super().__init__(ChatFormat(tokenizer), ref, context, len(tokenizer))
        self._engine, self._end = engine, int(tokenizer.eos_token_id)
        self._lora: Any = None
        if adapter is not None:
            self._lora = import_module("vllm.lora.request").LoRARequest(ref, 1, str(adapter))
        self._at_work, self._closing = 0, False

    @property
    def load(self) -> tuple[int, int]:
        """(answers in the making, requests that wait): vLLM says only how many there are together."""
        return self._at_work, 0

    async def generate(self, ids: Sequence[int], sampling: Sampling) -> AsyncGenerator[Piece, None]:
        """As `ServedModel.generate`."""
        self._check_answer(ids, sampling)
        kinds = import_module("vllm.sampling_params")
        arguments = sampling_arguments(sampling, self._end)
        if sampling.json_only:
            arguments["structured_outputs"] = kinds.StructuredOutputsParams(json_object=True)
        asked = kinds.SamplingParams(**arguments, output_kind=kinds.RequestOutputKind.DELTA)
        writer = Writer(self._spelling, sampling.stop)
        async with aclosing(self._outputs(ids, asked)) as outputs:
            async for output in outputs:
                piece = self._piece(output.outputs[0], writer, sampling.top_logprobs)
                yield piece
                if piece.finish:
                    return

    async def score(self, ids: Sequence[int], top: int) -> list[Token]:
        """As `ServedModel.score`; the engine makes one token that nobody sees."""
        self._check(ids, 1)
        kinds = import_module("vllm.sampling_params")
        asked = kinds.SamplingParams(
            max_tokens=1, temperature=0.0, prompt_logprobs=top, detokenize=False,
            output_kind=kinds.RequestOutputKind.FINAL_ONLY,
        )  # fmt: skip
        found: Sequence[Mapping[int, Any] | None] = ()
        async with aclosing(self._outputs(ids, asked)) as outputs:
            async for output in outputs:
                found = output.prompt_logprobs
        return [self._told(token, chances, top) for token, chances in zip(ids, found, strict=True)]

    async def embed(self, prompts: Sequence[Sequence[int]]) -> list[list[float]]:  # noqa: ARG002 - refused
        """Refused: an engine of vLLM that generates makes no vectors.

        Raises:
            ParameterError: Always.
        """
        raise ParameterError(f"{self._ref} is served by vLLM, without vectors", hint="Serve it with the plain engine.")

    async def close(self) -> None:
        """Answer what is there, then end the engine."""
        self._closing = True
        while self._at_work:
            await asyncio.sleep(_WAIT_S)
        await asyncio.to_thread(self._engine.shutdown)

    async def _outputs(self, ids: Sequence[int], asked: Any) -> AsyncGenerator[Any, None]:
        """What the engine gives; closing it aborts the request."""
        if self._closing:
            raise Refused(503, "this version is being closed", "server_error", code="closing", retry_after_s=1)
        self._at_work += 1
        try:
            made = self._engine.generate(
                {"prompt_token_ids": list(ids)}, asked, f"{self._ref}-{uuid.uuid4().hex}", lora_request=self._lora
            )
            async with aclosing(made):
                async for output in made:
                    yield output
        finally:
            self._at_work -= 1

    def _piece(self, output: Any, writer: Writer, top: int | None) -> Piece:
        text, tokens = "", []
        chances = output.logprobs if top is not None else [None] * len(output.token_ids)
        for token, known in zip(output.token_ids, chances, strict=True):
            tokens.append(self._told(int(token), known, top or 0))
            text += "" if token == self._end or writer.stopped else writer.add(int(token))
            if writer.stopped:
                break
        finish: Finish | None = None
        if output.finish_reason is not None:
            finish = "length" if output.finish_reason == "length" else "stop"
        if writer.stopped:
            finish = "stop"
        if finish:
            text += writer.end()
            finish = "stop" if writer.stopped else finish
        return Piece(text, tuple(tokens), finish)

    def _told(self, token: int, chances: Mapping[int, Any] | None, top: int) -> Token:
        plain = self._spelling.token(token)
        if chances is None:
            return plain
        ranked = sorted(chances.items(), key=lambda one: -one[1].logprob)[:top]
        best = (self._spelling.token(int(other)) for other, _ in ranked)
        tops = tuple(Token(a.id, a.text, a.raw, float(b.logprob)) for a, (_, b) in zip(best, ranked, strict=True))
        return Token(plain.id, plain.text, plain.raw, float(chances[token].logprob), tops)


def sampling_arguments(sampling: Sampling, end: int) -> dict[str, Any]:
    """How one answer is drawn, in the words of vLLM's `SamplingParams`; stop texts are looked for here, not there."""
    return {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": max(sampling.top_p, 1e-6),  # vLLM has no 0
        "seed": None if sampling.seed is None else sampling.seed % 2**63,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "logit_bias": dict(sampling.logit_bias) or None,
        "logprobs": sampling.top_logprobs,
        "stop_token_ids": [end],
        "detokenize": False,
    }
