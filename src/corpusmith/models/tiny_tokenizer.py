"""The tokenizer of `tiny`: byte-level BPE learned from the given texts, with every control token that training needs.

    <|pad|> <|bos|> <|eos|>           distinct; BOS opens and EOS closes a text
    <|start|>                         opens a turn: `<|start|>role`, a newline, what was said, EOS, a newline

All 256 bytes are in the vocabulary, so any text survives encoding and decoding. The same texts, the same tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

PAD, BOS, EOS, START = "<|pad|>", "<|bos|>", "<|eos|>", "<|start|>"
SMALLEST = 256 + 4
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "<|start|>{{ message['role'] }}\n{{ message['content'] }}{{ eos_token }}\n"
    "{% endfor %}{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)


def learn_tokenizer(texts: Iterable[str], vocabulary: int, context: int) -> Any:
    """A fast tokenizer of transformers.

    Args:
        texts: What to learn the merges from.
        vocabulary: Most tokens, control tokens and bytes included; fewer when the texts have fewer pairs.
        context: Most tokens the model takes.
    """
    tokenizers: Any = import_module("tokenizers")
    transformers: Any = import_module("transformers")
    raw = tokenizers.Tokenizer(tokenizers.models.BPE())
    raw.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=[PAD, BOS, EOS, START],
        initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    raw.train_from_iterator(texts, trainer)
    raw.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, raw.token_to_id(BOS))]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        additional_special_tokens=[START],
        model_max_length=context,
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )
