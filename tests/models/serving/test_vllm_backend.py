"""The vLLM backend over a double of its engine: what it is asked, and how its answers are passed on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from corpusmith.core.errors import ParameterError, PreconditionError
from corpusmith.models.serving.contract import Piece, Refused, Sampling, ServedModel
from corpusmith.models.serving.extra import need_vllm
from corpusmith.models.serving.vllm_backend import VllmModel, VllmOpener, sampling_arguments


@dataclass
class Chance:
    logprob: float


@dataclass
class FakeEngine:
    """Gives back `answer`, a token a time; tells what it was asked and what was aborted."""

    answer: list[int]
    asked: list[tuple[Any, Any, str, Any]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    down: bool = False

    async def generate(
        self, prompt: Any, params: Any, request_id: str, *, lora_request: Any = None
    ) -> AsyncGenerator[Any, None]:
        self.asked.append((prompt, params, request_id, lora_request))
        try:
            if params.output_kind == "FINAL_ONLY":
                ids = prompt["prompt_token_ids"]
                known = [None, *({token: Chance(-1.5), 9: Chance(-0.5)} for token in ids[1:])]
                yield SimpleNamespace(prompt_logprobs=known, outputs=[])
                return
            for n, token in enumerate(self.answer[: params.max_tokens], 1):
                await asyncio.sleep(0)
                over = n == min(len(self.answer), params.max_tokens)
                reason = None if not over else "length" if n == params.max_tokens else "stop"
                chances = None if params.logprobs is None else [{token: Chance(-2.0), 7: Chance(-0.25)}]
                yield SimpleNamespace(
                    outputs=[SimpleNamespace(token_ids=[token], logprobs=chances, finish_reason=reason)]
                )
        finally:
            self.ended.append(request_id)

    def shutdown(self) -> None:
        self.down = True


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much of vLLM as is imported."""
    kinds, lora = ModuleType("vllm.sampling_params"), ModuleType("vllm.lora.request")
    kinds.SamplingParams = SimpleNamespace  # type: ignore[attr-defined]
    kinds.StructuredOutputsParams = lambda **given: given  # type: ignore[attr-defined]
    kinds.RequestOutputKind = SimpleNamespace(DELTA="DELTA", FINAL_ONLY="FINAL_ONLY")  # type: ignore[attr-defined]
    lora.LoRARequest = lambda *given: given  # type: ignore[attr-defined]
    names = {"vllm": ModuleType("vllm"), "vllm.lora": ModuleType("vllm.lora")}
    for name, module in (names | {"vllm.sampling_params": kinds, "vllm.lora.request": lora}).items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def model(vllm: None, opened: Any) -> VllmModel:
    tokenizer = opened.form.tokenizer
    return VllmModel(FakeEngine(tokenizer("The river runs.")["input_ids"]), tokenizer, "m@1", 64)


def engine_of(model: VllmModel) -> FakeEngine:
    engine: FakeEngine = model._engine
    return engine


async def answer(model: ServedModel, sampling: Sampling) -> list[Piece]:
    return [piece async for piece in model.generate([5, 6], sampling)]


def test_an_answer_is_spelled_here(model: VllmModel, opened: Any) -> None:
    engine = engine_of(model)
    engine.answer.append(opened.form.tokenizer.eos_token_id)
    pieces = asyncio.run(answer(model, Sampling(max_tokens=40, temperature=0.0)))
    assert "".join(piece.text for piece in pieces) == "The river runs."
    assert [token.id for piece in pieces for token in piece.tokens] == engine.answer
    assert [piece.finish for piece in pieces][-2:] == [None, "stop"]
    (prompt, params, _, lora), *_ = engine.asked
    assert (prompt, params.max_tokens, params.temperature, lora) == ({"prompt_token_ids": [5, 6]}, 40, 0.0, None)


def test_a_stop_text_ends_the_request_in_the_engine_too(model: VllmModel) -> None:
    pieces = asyncio.run(answer(model, Sampling(max_tokens=40, stop=("river",))))
    assert "".join(piece.text for piece in pieces) == "The "
    assert pieces[-1].finish == "stop"
    assert engine_of(model).ended == [engine_of(model).asked[0][2]]
    assert model.load == (0, 0)


def test_length_logprobs_and_json(model: VllmModel) -> None:
    pieces = asyncio.run(answer(model, Sampling(max_tokens=2, top_logprobs=1, json_only=True)))
    assert pieces[-1].finish == "length"
    token = pieces[0].tokens[0]
    assert token.logprob == -2.0
    assert [(one.id, one.logprob) for one in token.top] == [(7, -0.25)]
    assert engine_of(model).asked[0][1].structured_outputs == {"json_object": True}


def test_a_prompt_is_scored(model: VllmModel) -> None:
    told = asyncio.run(model.score([3, 4, 5], 1))
    assert [token.logprob for token in told] == [None, -1.5, -1.5]
    assert [[one.id for one in token.top] for token in told] == [[], [9], [9]]


def test_who_hangs_up_leaves_the_engine(model: VllmModel) -> None:
    async def run() -> None:
        pieces = model.generate([5], Sampling(max_tokens=40))
        await anext(pieces)
        assert model.load == (1, 0)
        await pieces.aclose()

    asyncio.run(run())
    assert len(engine_of(model).ended) == 1
    assert model.load == (0, 0)


def test_what_is_too_long_unknown_or_empty_is_refused_before_the_engine(model: VllmModel) -> None:
    for ids, most in (([], 1), ([1] * 60, 10), ([10**6], 1)):
        with pytest.raises(ParameterError):
            asyncio.run(anext(model.generate(ids, Sampling(max_tokens=most))))
    with pytest.raises(ParameterError):
        asyncio.run(model.embed([[1]]))
    assert engine_of(model).asked == []


def test_closing_waits_for_answers_and_takes_no_more(model: VllmModel) -> None:
    async def run() -> None:
        pieces = model.generate([5], Sampling(max_tokens=3))
        await anext(pieces)
        closing = asyncio.create_task(model.close())
        await asyncio.sleep(0)
        with pytest.raises(Refused):
            await anext(model.generate([5], Sampling(max_tokens=3)))
        assert not engine_of(model).down
        assert [piece.finish async for piece in pieces][-1] == "length"
        await closing

    asyncio.run(run())
    assert engine_of(model).down


def test_a_lora_adapter_goes_with_each_request(vllm: None, opened: Any, tmp_path: Path) -> None:
    model = VllmModel(FakeEngine([5]), opened.form.tokenizer, "m@2", 64, tmp_path)
    asyncio.run(answer(model, Sampling(max_tokens=1)))
    assert engine_of(model).asked[0][3] == ("m@2", 1, str(tmp_path))


def test_the_words_of_vllm() -> None:
    asked = Sampling(max_tokens=3, temperature=0.5, top_p=0.0, seed=-1, logit_bias={4: 2.0}, presence_penalty=1.0)
    found = sampling_arguments(asked, 1)
    assert (found["top_p"], found["logit_bias"], found["presence_penalty"]) == (1e-6, {4: 2.0}, 1.0)
    assert 0 <= found["seed"] < 2**63
    assert sampling_arguments(Sampling(max_tokens=1), 1)["logit_bias"] is None


def test_without_vllm_it_is_said() -> None:
    with pytest.raises(PreconditionError, match="vLLM is asked for"):
        need_vllm()
    with pytest.raises(PreconditionError):
        asyncio.run(VllmOpener(None, Path())("m@1"))  # type: ignore[arg-type]
