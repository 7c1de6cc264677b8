from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_tokenizers import CHATML, byte_tokenizer

from corpusmith.core.errors import PreconditionError
from corpusmith.models import preflight
from corpusmith.models.chat_format import ChatFormat
from corpusmith.models.examples import Example, Tally, encode_chats, encode_pairs, fit
from corpusmith.models.packing import pack
from corpusmith.models.preflight import estimate_memory, require_training, run_preflight, show
from corpusmith.models.prepared import write_packed, write_pairs
from corpusmith.models.training.spec import Schedule, TrainSpec

FORM = ChatFormat(byte_tokenizer(CHATML))


def tiny_model(vocabulary: int = 400, context: int = 128, tied: bool = False) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=context, tie_word_embeddings=tied,
        )
    )  # fmt: skip


def examples() -> list[Example]:
    tally = Tally()
    rows = [(str(n), [("user", f"Say {n}"), ("assistant", f"It is {n}.")]) for n in range(4)]
    return [fit(row, encoded, 64, tally) for row, encoded in encode_chats(rows, FORM, tally)]


def spec_in(folder: Path, found: list[Example], **changes: Any) -> TrainSpec:
    write_packed(folder / "data.parquet", found, pack([len(e.ids) for e in found], 64))
    given = {"method": "sft", "model": "tiny", "data": str(folder / "data.parquet"), "output": str(folder / "out"),
             "sequence_length": 64, "rows_per_step": 1, "schedule": Schedule(batch_tokens=64, epochs=2)}  # fmt: skip
    return TrainSpec(**{**given, **changes})


def test_it_shows_estimates_and_leaves_no_gradient(tmp_path: Path) -> None:
    model, spec = tiny_model(), spec_in(tmp_path, examples())
    weights = [p.detach().clone() for p in model.parameters()]
    found = run_preflight(spec, model, FORM.tokenizer, usd_per_gpu_hour=2.0)
    assert "⟦It is" in found.text()
    assert found.tokens == sum(len(e.ids) for e in examples())
    assert found.loss_tokens == sum(int(e.loss.sum()) for e in examples())
    assert 5 < found.loss < 8  # ln 400 = 6.0
    assert found.steps == 2 * found.rows
    assert found.usd == pytest.approx(found.seconds / 3600 * 2.0)
    assert all(p.grad is None for p in model.parameters())
    assert all((a == b).all() for a, b in zip(weights, model.parameters(), strict=True))


def test_packed_neighbours_do_not_reach_each_other(tmp_path: Path) -> None:
    found = examples()
    both = spec_in(tmp_path, found[:2])
    mean = run_preflight(both, tiny_model(), FORM.tokenizer).loss
    alone = [run_preflight(spec_in(tmp_path, [one]), tiny_model(), FORM.tokenizer).loss for one in found[:2]]
    counts = [int(one.loss.sum()) for one in found[:2]]
    assert mean == pytest.approx(sum(a * n for a, n in zip(alone, counts, strict=True)) / sum(counts), abs=1e-5)


def test_pairs_are_tried_as_prompt_and_chosen(tmp_path: Path) -> None:
    [pair] = encode_pairs([("a", "q", "good", "bad")], FORM, Tally())
    spec = spec_in(tmp_path, examples(), method="dpo")
    write_pairs(Path(spec.data), [pair])
    found = run_preflight(spec, tiny_model(), FORM.tokenizer)
    assert found.examples[0].endswith("⟦good<|im_end|>⟧")


def test_what_bears_loss_is_bracketed() -> None:
    ids = FORM.tokenizer("abc")["input_ids"]
    assert show(FORM.tokenizer, ids, [-100, *ids[1:]]).startswith("a⟦")


def test_no_loss_is_refused(tmp_path: Path) -> None:
    mute = [Example(e.row_id, e.ids, e.loss & False) for e in examples()]
    with pytest.raises(PreconditionError, match="training data bears loss"):
        run_preflight(spec_in(tmp_path, mute), tiny_model(), FORM.tokenizer)


def test_ids_over_the_embeddings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="only 50 embeddings"):
        run_preflight(spec_in(tmp_path, examples()), tiny_model(vocabulary=50), FORM.tokenizer)


def test_a_length_over_the_context_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="over the model's context of 32"):
        run_preflight(spec_in(tmp_path, examples()), tiny_model(context=32), FORM.tokenizer)


def test_nan_weights_are_refused(tmp_path: Path) -> None:
    model = tiny_model()
    next(model.parameters()).data.fill_(float("nan"))
    with pytest.raises(PreconditionError, match="loss is nan"):
        run_preflight(spec_in(tmp_path, examples()), model, FORM.tokenizer)


def test_too_little_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "free_memory", lambda _device: 1000)
    with pytest.raises(PreconditionError, match="are free"):
        run_preflight(spec_in(tmp_path, examples()), tiny_model(), FORM.tokenizer)


def test_no_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="no example is left"):
        run_preflight(spec_in(tmp_path, []), tiny_model(), FORM.tokenizer)


def test_qlora_without_cuda_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(PreconditionError, match="CUDA"):
        require_training("sft", "qlora")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.importlib.util, "find_spec", lambda name: None if name == "peft" else name)
    with pytest.raises(PreconditionError, match="extra `train`: peft"):
        require_training("sft", "lora")


def test_memory_by_hand() -> None:
    found = estimate_memory(parameters=100, trainable=10, bytes_each=2, tokens=5, hidden=4, layers=3, vocabulary=7,
                            loss_tokens=2, recompute=False)  # fmt: skip
    assert found.total == 200 + 20 + 80 + 3 * 17 * 4 * 5 * 2 + 2 * 7 * 8


@pytest.mark.parametrize(("tied", "working"), [(True, 0), (False, 1)])
def test_flops_count_the_head_once_and_not_the_lookup(tmp_path: Path, tied: bool, working: int) -> None:
    model = tiny_model(tied=tied)
    found = run_preflight(spec_in(tmp_path, examples()), model, FORM.tokenizer)
    n = found.parameters - working * 400 * 32
    assert found.flops_per_token == 6 * n + 6 * 2 * 32 * 64


def test_sharded_weights_are_estimated_without_any(tmp_path: Path) -> None:
    from corpusmith.models.training.readiness import make_ready

    tiny_model().save_pretrained(tmp_path / "model")
    FORM.tokenizer.save_pretrained(tmp_path / "model")
    spec = spec_in(tmp_path, examples(), model=str(tmp_path / "model"))
    _, whole = make_ready(spec)
    _, half = make_ready(spec.model_copy(update={"fsdp": True}), workers=2)
    assert whole.loss is not None
    assert (half.loss, half.seconds, half.usd) == (None, None, None)
    assert (half.parameters, half.trainable) == (whole.parameters, whole.trainable)
    assert half.memory.weights == pytest.approx(whole.memory.weights / 2, rel=1e-3)
    assert "the weights are sharded" in half.text()
