"""The engine beside transformers' own `generate`, one prompt at a time: adapters, learned prompts, several families."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from corpusmith.core.errors import ParameterError
from corpusmith.models.evaluation.likelihood import score_documents
from corpusmith.models.serving.contract import Refused, Sampling

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

PROMPTS = [[5 + (7 * n + k * k) % 300 for k in range(3 + (n * 11) % 40)] for n in range(9)]
MOST = [3, 30, 12, 1, 25, 8, 40, 17, 5]
SHAPE = {
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def llama(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder)


def adapted(folder: Path, **more: Any) -> Any:
    import peft

    config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear", init_lora_weights=False, **more)
    return peft.get_peft_model(llama(folder), config)


def prompt_tuned(folder: Path) -> Any:
    import peft

    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
    return peft.get_peft_model(llama(folder), config)


def gpt2(folder: Path) -> Any:
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=320, n_embd=32, n_layer=2, n_head=4, n_positions=256)
    )


def sliding(folder: Path) -> Any:
    more = {
        "sliding_window": 8,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "layer_types": ["sliding_attention", "full_attention"],
    }
    return transformers.Gemma3ForCausalLM(transformers.Gemma3TextConfig(**SHAPE, **more))


def stateful(folder: Path) -> Any:
    return transformers.MambaForCausalLM(
        transformers.MambaConfig(vocab_size=320, hidden_size=32, num_hidden_layers=2, state_size=4)
    )


def alibi(folder: Path) -> Any:
    return transformers.BloomForCausalLM(transformers.BloomConfig(vocab_size=320, hidden_size=32, n_layer=2, n_head=4))


MODELS: dict[str, tuple[Callable[[Path], Any], bool]] = {
    "llama": (llama, True),
    "lora": (adapted, True),
    "dora": (lambda folder: adapted(folder, use_dora=True), True),
    "prompt tuning": (prompt_tuned, True),
    "gpt2": (gpt2, True),
    "sliding": (sliding, True),
    "alibi": (alibi, True),
    "state space": (stateful, False),
}


def engine_of(model: Any, folder: Path, **limits: Any) -> Any:
    from corpusmith.models.evaluation.opened import made_ready
    from corpusmith.models.loading import open_tokenizer
    from corpusmith.models.serving.engine import Engine, EngineLimits

    opened = made_ready(model.eval(), open_tokenizer(folder))
    return opened, Engine(opened, "m@1", EngineLimits(**limits))


def by_hand(opened: Any, ids: Sequence[int], most: int) -> list[int]:
    """The likeliest token of a whole forward pass, again and again."""
    out = list(ids)
    for _ in range(most):
        with torch.no_grad():
            out.append(int(opened.model(input_ids=torch.tensor([out]), use_cache=False).logits[0, -1].argmax()))
        if out[-1] in opened.ends:
            break
    return out[len(ids) :]


async def answer(engine: Any, ids: Sequence[int], sampling: Sampling) -> list[int]:
    return [token.id async for piece in engine.generate(ids, sampling) for token in piece.tokens]


@pytest.mark.parametrize("name", MODELS)
def test_answers_in_a_changing_batch_are_those_of_each_alone(tiny_folder: Path, name: str) -> None:
    make, pooled = MODELS[name]
    torch.manual_seed(3)
    opened, engine = engine_of(make(tiny_folder), tiny_folder, rows=4, prefill_tokens=25)
    assert engine._batch.pooled is pooled

    async def all_of_them() -> list[list[int]]:
        async def one(n: int) -> list[int]:
            await asyncio.sleep(0.002 * n)
            return await answer(engine, PROMPTS[n], Sampling(MOST[n], temperature=0))

        try:
            return list(await asyncio.gather(*(one(n) for n in range(len(PROMPTS)))))
        finally:
            await engine.close()

    found = asyncio.run(all_of_them())
    assert found == [by_hand(opened, ids, most) for ids, most in zip(PROMPTS, MOST, strict=True)]


def test_generate_says_the_same(served: Any, alone: Any) -> None:
    async def all_of_them() -> list[list[int]]:
        return list(await asyncio.gather(*(answer(served.engine, ids, Sampling(20, temperature=0)) for ids in PROMPTS)))

    assert asyncio.run(all_of_them()) == [alone(ids, 20) for ids in PROMPTS]


def test_a_seeded_draw_does_not_depend_on_the_batch(served: Any) -> None:
    sampling = Sampling(25, temperature=1.3, top_p=0.9, seed=11)

    async def together() -> list[list[int]]:
        rng = random.Random(0)
        others = [answer(served.engine, ids, Sampling(rng.randint(1, 30), seed=n)) for n, ids in enumerate(PROMPTS)]
        found = await asyncio.gather(answer(served.engine, PROMPTS[2], sampling), *others)
        return [found[0]]

    async def apart() -> list[int]:
        return await answer(served.engine, PROMPTS[2], sampling)

    assert asyncio.run(together()) == [asyncio.run(apart())]


@pytest.mark.parametrize("name", ["llama", "dora", "prompt tuning", "state space"])
def test_scores_are_those_of_the_evaluation(tiny_folder: Path, name: str) -> None:
    torch.manual_seed(4)
    opened, engine = engine_of(MODELS[name][0](tiny_folder), tiny_folder)
    texts = ["The river rises in the hills.", "Add.", "Überall ist ein Bäcker."]
    ids = [[*opened.form.encode_text(text), opened.form.tokenizer.eos_token_id] for text in texts]

    async def scores() -> list[Any]:
        try:
            return list(await asyncio.gather(*(engine.score(one, 2) for one in ids)))
        finally:
            await engine.close()

    found = asyncio.run(scores())
    here = score_documents(opened, [(str(n), text) for n, text in enumerate(texts)])
    sums = [-sum(token.logprob for token in row if token.logprob is not None) for row in found]
    assert sums == pytest.approx(here.nll.tolist(), abs=1e-4)
    assert (found[0][0].logprob is None) == (not opened.virtual)
    assert all(len(token.top) == 2 for row in found for token in row[1:])


def test_who_hangs_up_leaves_at_the_next_token(served: Any) -> None:
    engine = served.engine
    never = dict.fromkeys(served.opened.ends, -100.0)

    async def hang_up() -> tuple[tuple[int, int], tuple[int, int]]:
        streams = [engine.generate(ids, Sampling(200, seed=1, logit_bias=never)) for ids in PROMPTS]
        await asyncio.gather(*(anext(stream) for stream in streams))
        before = engine.load
        for stream in streams:
            await stream.aclose()
        for _ in range(500):
            if engine.load == (0, 0):
                break
            await asyncio.sleep(0.01)
        return before, engine.load

    before, after = asyncio.run(hang_up())
    assert before[0] > 0
    assert after == (0, 0)


def test_who_hangs_up_while_waiting_gives_up_the_place(tiny_folder: Path) -> None:
    _, engine = engine_of(llama(tiny_folder), tiny_folder, rows=1, waiting=3)
    never = Sampling(200, temperature=0, logit_bias={1: -100.0})

    async def scene() -> int:
        first = engine.generate(PROMPTS[1], never)
        await anext(first)
        for _ in range(5):
            waiting = [asyncio.create_task(answer(engine, PROMPTS[1], never)) for _ in range(3)]
            await asyncio.sleep(0.01)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            for _ in range(1000):
                if engine.load[1] == 0:
                    break
                await asyncio.sleep(0.005)
        waits = engine.load[1]
        await first.aclose()
        await engine.close()
        return int(waits)

    assert asyncio.run(scene()) == 0


class Gated:
    """Forward passes wait until they are let through, one by one; what each read is noted."""

    def __init__(self, forward: Any) -> None:
        self.forward, self.read = forward, list[tuple[int, int]]()
        self.opened, self.causal = forward.opened, forward.causal

    def __call__(self, prompts: Any, **more: Any) -> Any:
        self.read.append((len(prompts), max(map(len, prompts))))
        return self.forward(prompts, **more)

    def read_on(self, ids: Any, cache: Any) -> Any:
        self.read.append((1, len(ids)))
        return self.forward.read_on(ids, cache)

    def step(self, tokens: Any, rows: Any) -> Any:
        self.read.append((len(tokens), 1))
        return self.forward.step(tokens, rows)


def test_a_long_prompt_is_read_between_the_tokens_of_others(tiny_folder: Path) -> None:
    opened, engine = engine_of(llama(tiny_folder), tiny_folder, prefill_tokens=30)
    noted = engine._forward = engine._batch.forward = Gated(engine._forward)
    never = Sampling(40, temperature=0, logit_bias={1: -100.0, **dict.fromkeys(opened.ends, -100.0)})
    long = [5 + (11 * n) % 300 for n in range(130)]

    async def scene() -> tuple[list[int], list[int]]:
        first = engine.generate(PROMPTS[1], never)
        await anext(first)
        late = asyncio.create_task(answer(engine, long, Sampling(4, temperature=0)))
        await asyncio.sleep(0)
        short = asyncio.create_task(answer(engine, PROMPTS[0], Sampling(4, temperature=0)))
        async for _ in first:
            pass
        try:
            return await late, await short
        finally:
            await engine.close()

    late, short = asyncio.run(scene())
    assert late == by_hand(opened, long, 4)
    assert short == by_hand(opened, PROMPTS[0], 4)
    parts = [n for n, (rows, size) in enumerate(noted.read) if rows == 1 and size in (15, 30)]
    assert sum(noted.read[n][1] for n in parts) in range(105, 131)  # all but the rest
    assert all(noted.read[n + 1][1] == 1 for n in parts)  # after each part everybody's next token


def test_who_hangs_up_while_a_long_prompt_is_read_leaves(tiny_folder: Path) -> None:
    _, engine = engine_of(llama(tiny_folder), tiny_folder, prefill_tokens=1)

    async def scene() -> tuple[int, int]:
        task = asyncio.create_task(answer(engine, [5] * 200, Sampling(1, temperature=0)))
        while engine._long is None:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await engine.close()
        load: tuple[int, int] = engine.load
        return load

    assert asyncio.run(scene()) == (0, 0)
    assert engine._long is None


def test_past_the_queue_requests_are_refused(tiny_folder: Path) -> None:
    _, engine = engine_of(llama(tiny_folder), tiny_folder, rows=1, waiting=2)

    async def crowd() -> list[Any]:
        tasks = [asyncio.create_task(answer(engine, PROMPTS[1], Sampling(60, temperature=0))) for _ in range(30)]
        try:
            return list(await asyncio.gather(*tasks, return_exceptions=True))
        finally:
            await engine.close()

    found = asyncio.run(crowd())
    refused = [one for one in found if isinstance(one, Refused)]
    answered = [one for one in found if isinstance(one, list)]
    assert len(refused) + len(answered) == 30
    assert refused
    assert 2 <= len(answered) < 30
    assert (refused[0].status, refused[0].code, refused[0].retry_after_s) == (503, "overloaded", 1)
    with pytest.raises(Refused):  # it is closed now
        asyncio.run(answer(engine, PROMPTS[1], Sampling(1)))


def test_a_failing_model_fails_who_asked_and_nobody_later(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, forward = served.engine, served.engine._forward
    run = type(forward)._run

    def fails(self: Any, given: Any, *rest: Any) -> Any:
        if "input_ids" in given and given["input_ids"].shape[1] == 1:
            raise RuntimeError("no memory")
        return run(self, given, *rest)

    monkeypatch.setattr(type(forward), "_run", fails)
    with pytest.raises(RuntimeError, match="no memory"):
        asyncio.run(answer(engine, PROMPTS[1], Sampling(5, temperature=0)))
    monkeypatch.setattr(type(forward), "_run", run)
    assert len(asyncio.run(answer(engine, PROMPTS[1], Sampling(5, temperature=0)))) == 5

    with monkeypatch.context() as broken:
        broken.setattr("corpusmith.models.serving.engine.choose", lambda logits, rows: [])
        with pytest.raises(RuntimeError, match="the model failed"):
            asyncio.run(answer(engine, PROMPTS[1], Sampling(5, temperature=0)))
    assert len(asyncio.run(answer(engine, PROMPTS[1], Sampling(5, temperature=0)))) == 5

    def numberless(self: Any, *rest: Any) -> Any:
        return run(self, *rest) * float("nan")

    monkeypatch.setattr(type(forward), "_run", numberless)
    with pytest.raises(ArithmeticError):
        asyncio.run(answer(engine, PROMPTS[1], Sampling(5, temperature=0)))


@pytest.mark.parametrize("ids", [[], [320], [-1], [5] * 257], ids=["empty", "unknown", "negative", "long"])
def test_prompts_that_cannot_be(served: Any, ids: list[int]) -> None:
    with pytest.raises(ParameterError):
        asyncio.run(answer(served.engine, ids, Sampling(1)))
    with pytest.raises(ParameterError):
        asyncio.run(served.engine.score(ids, 1))


def test_a_closed_stream_that_was_never_begun_holds_nothing(served: Any) -> None:
    async def never() -> None:
        async with aclosing(served.engine.generate(PROMPTS[0], Sampling(5))):
            pass

    asyncio.run(never())
    assert served.engine.load == (0, 0)
