from __future__ import annotations

import pytest
import torch
import transformers

from corpusmith.models.flops import ModelShape, flops_per_token, mfu, peak_flops, shape_of

QWEN = transformers.Qwen2Config(
    vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
    num_key_value_heads=2, tie_word_embeddings=True,
)  # fmt: skip
LLAMA_8B = transformers.LlamaConfig(
    vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
    num_key_value_heads=8, tie_word_embeddings=False,
)  # fmt: skip


@pytest.mark.parametrize(("config", "matmul"), [(QWEN, 0.494e9), (LLAMA_8B, 7.505e9)])
def test_parameters_of_matrix_products(config: transformers.PreTrainedConfig, matmul: float) -> None:
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    shape = shape_of(model, config)
    assert shape.matmul == pytest.approx(matmul, rel=2e-3)
    assert shape.attention_width == config.num_hidden_layers * config.hidden_size


def test_the_formula() -> None:
    shape = ModelShape(matmul=7_505_000_000, adapter=41_900_000, attention_width=32 * 4096)
    assert flops_per_token(shape, 2048, full=False) == pytest.approx(31.9e9, rel=2e-3)
    assert flops_per_token(ModelShape(10, 0, 0), 5, full=True) == 60
    assert flops_per_token(ModelShape(10, 0, 0), 5, full=False) == 40
    assert flops_per_token(ModelShape(10, 0, 0), 5, full=False, preference=True) == 60
    assert flops_per_token(ModelShape(0, 1, 1), 5, full=False) == 6 + 30


def test_peaks_and_mfu() -> None:
    h200 = peak_flops("NVIDIA H200")
    assert h200 is not None
    assert (h200.flops, h200.source) == (790e12, "measured")
    assert peak_flops("NVIDIA H100 80GB HBM3") != peak_flops("NVIDIA H100 PCIe")
    assert peak_flops("cpu") is None
    assert mfu(31.9e9, 9_900, h200) == pytest.approx(0.4, abs=0.001)
    assert mfu(31.9e9, 9_900, h200, devices=2) == pytest.approx(0.2, abs=0.001)
    assert mfu(31.9e9, 9_900, None) is None
