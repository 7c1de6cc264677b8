"""Completions, judged by the official client; the exact requests of `lm_eval --model local-completions`."""

from __future__ import annotations

from typing import Any

import numpy as np
import openai
import pytest

from corpusmith.models.evaluation.likelihood import score_documents

TEXTS = ["The river rises in the hills.", "Überall ist ein Bäcker.", "Seven ships lay in the harbour when"]


def complete(served: Any, **more: Any) -> Any:
    return served.client.completions.create(**{"model": "tiny", "prompt": TEXTS[0], "temperature": 0, **more})


def test_a_prompt_as_text_and_as_ids(served: Any, alone: Any) -> None:
    ids = served.opened.form.tokenizer(TEXTS[0])["input_ids"]
    found = complete(served)
    assert found.object == "text_completion"
    made = alone(ids, 16)
    assert found.choices[0].text == served.opened.form.tokenizer.decode(made, skip_special_tokens=True)
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (len(ids), len(made))
    assert complete(served, prompt=ids).choices[0].text == found.choices[0].text


def test_many_prompts(served: Any) -> None:
    each = [complete(served, prompt=text).choices[0].text for text in TEXTS]
    found = complete(served, prompt=TEXTS)
    assert [c.text for c in found.choices] == each
    assert [c.index for c in found.choices] == [0, 1, 2]
    ids = [served.opened.form.tokenizer(text)["input_ids"] for text in TEXTS]
    assert [c.text for c in complete(served, prompt=ids, n=2).choices] == [text for text in each for _ in range(2)]
    streamed = dict.fromkeys(range(3), "")
    for chunk in complete(served, prompt=TEXTS, stream=True):
        streamed[chunk.choices[0].index] += chunk.choices[0].text
    assert list(streamed.values()) == each


def test_echo(served: Any) -> None:
    plain = complete(served, max_tokens=4).choices[0].text
    found = complete(served, max_tokens=4, echo=True, logprobs=2).choices[0]
    assert found.text == TEXTS[0] + plain
    chances = found.logprobs
    assert chances.token_logprobs[0] is None
    assert chances.top_logprobs[0] is None
    assert all(chance < 0 for chance in chances.token_logprobs[1:])
    for offset, token in zip(chances.text_offset, chances.tokens, strict=True):
        assert token.startswith(("bytes:", "<|")) or found.text[offset:].startswith(token)
    only = complete(served, max_tokens=0, echo=True, logprobs=1)
    assert only.choices[0].text == TEXTS[0]
    assert only.usage.completion_tokens == 0
    text, told = "", []
    for chunk in complete(served, max_tokens=4, echo=True, logprobs=2, stream=True):
        text += chunk.choices[0].text
        told += chunk.choices[0].logprobs.token_logprobs if chunk.choices[0].logprobs else []
    assert text == found.text
    assert told[1:] == pytest.approx(chances.token_logprobs[1:], abs=1e-5)


def lm_eval_likelihoods(served: Any, requests: list[tuple[list[int], list[int]]]) -> list[tuple[float, bool]]:
    """What `lm_eval`'s local-completions asks and how it reads the answer: (log-likelihood, is greedy) of each."""
    prompts = [context + continuation for context, continuation in requests]
    found = served.client.completions.create(
        model="tiny", prompt=prompts, temperature=0, max_tokens=1, logprobs=1, seed=1234, echo=True
    )
    out = []
    for choice, (context, _) in zip(found.choices, requests, strict=True):
        told = choice.logprobs
        chances = told.token_logprobs[len(context) : -1]
        tops = told.top_logprobs[len(context) : -1]
        greedy = all(chance == max(top.values()) for chance, top in zip(chances, tops, strict=True))
        out.append((sum(chances), greedy))
    return out


def test_the_requests_of_lm_eval_give_the_figures_of_in_process_evaluation(served: Any) -> None:
    form = served.opened.form
    documents = [[*form.encode_text(text), form.tokenizer.eos_token_id] for text in TEXTS]
    found = lm_eval_likelihoods(served, [(ids[:1], ids[1:]) for ids in documents])
    here = score_documents(served.opened, [(str(n), text) for n, text in enumerate(TEXTS)])
    assert here.tokens.tolist() == [len(ids) - 1 for ids in documents]
    assert [chance for chance, _ in found] == pytest.approx((-here.nll).tolist(), abs=1e-4)


def test_what_the_model_would_say_itself_is_greedy(served: Any, alone: Any) -> None:
    ids = served.opened.form.encode_text(TEXTS[2])
    own = alone(ids, 5)
    other = [own[0], (own[1] + 1) % 100 + 10]
    assert [greedy for _, greedy in lm_eval_likelihoods(served, [(ids, own), (ids, other)])] == [True, False]


@pytest.mark.parametrize(
    "more",
    [
        {"prompt": ""}, {"prompt": []}, {"prompt": [[]]}, {"prompt": [1, 99_999]}, {"prompt": [-1]},
        {"prompt": ["a", 1]}, {"suffix": "b"}, {"best_of": 3}, {"max_tokens": 300}, {"prompt": ["a"] * 300, "n": 2},
        {"logprobs": 50},
    ],
    ids=str,
)  # fmt: skip
def test_wrong_requests(served: Any, more: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError):
        complete(served, **more)


def test_embeddings(served: Any) -> None:
    found = served.client.embeddings.create(model="tiny", input=TEXTS)  # base64, as the client asks
    vectors = np.array([one.embedding for one in found.data])
    assert vectors.shape == (3, 32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    plain = served.client.embeddings.create(model="tiny", input=TEXTS[1], encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(vectors[1].tolist(), abs=1e-5)
    assert plain.usage.prompt_tokens == len(served.opened.form.tokenizer(TEXTS[1])["input_ids"])
    import torch

    ids = served.opened.form.tokenizer(TEXTS[0])["input_ids"]
    with torch.no_grad():
        states = served.opened.model.base_model(torch.tensor([ids]))[0][0].mean(0)
    assert vectors[0] == pytest.approx((states / states.norm()).tolist(), abs=1e-5)
    for more in ({"input": ""}, {"input": "a " * 400}, {"dimensions": 8}):
        with pytest.raises(openai.BadRequestError):
            served.client.embeddings.create(**{"model": "tiny", "input": "a", **more})


def test_models(served: Any) -> None:
    assert [one.id for one in served.client.models.list()] == ["tiny", "tiny+rag", "bare"]
    assert served.client.models.retrieve("tiny").object == "model"
    assert served.client.models.retrieve("tiny+rag").filters == ["author"]
    import httpx

    found = httpx.get(f"{served.url}/healthz")
    assert (found.status_code, found.json()) == (
        200,
        {"live": True, "ready": True, "models": {"tiny": "tiny@1", "bare": "tiny@1"}},
    )
