"""Throughput and latency of our server on one GPU: the plain engine, vLLM behind our API, and `transformers serve`.

    python benchmarks/gpu_serve.py [--models qwen2.5-0.5b llama-3.2-1b] [--tokens 256] [--concurrency 1 8 64 256]
    python benchmarks/gpu_serve.py --tiny          # a CPU will do

Random weights in the shapes of the models, bfloat16 on CUDA (nothing is downloaded). Servers, client, rounds and table
are those of `benchmarks/serve.py`: streamed chat, greedy, the same prompts and numbers of tokens for all, in turns. A
server whose library is not here is left out and named. `--models` and `--peers` choose; vLLM is asked through our API
(`models/serving/vllm_backend.py`), so its row is what `corpusmith serve` would give, not what `vllm serve` does.

A paused process keeps its memory: all servers of one model must fit on the GPU together (vLLM takes 30 % of it).
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))

from serve import common, compare, llama, made_model, our_server, serve, transformers_server, work_folder


def qwen() -> Any:
    """Qwen2.5-0.5B's shape."""
    import transformers

    return transformers.Qwen2Config(
        vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
        num_key_value_heads=2, max_position_embeddings=8192, tie_word_embeddings=True,
    )  # fmt: skip


def llama_1b() -> Any:
    """Llama-3.2-1B's shape."""
    import transformers

    return transformers.LlamaConfig(
        vocab_size=128256, hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32,
        num_key_value_heads=8, max_position_embeddings=8192, tie_word_embeddings=True,
    )  # fmt: skip


MODELS = {"qwen2.5-0.5b": qwen, "llama-3.2-1b": llama_1b, "tiny": lambda: llama("tiny")}


def main() -> None:
    """Run and print a table for each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=["qwen2.5-0.5b", "llama-3.2-1b"])
    parser.add_argument("--tiny", action="store_true", help="one small model, for a CPU")
    common(parser)
    parser.set_defaults(tokens=256, concurrency=[1, 8, 64, 256], peers=["CB"])
    args = parser.parse_args()
    if args.serve is not None:
        serve(args.serve, args.port, args.engine)
        return
    os.environ |= {"OMP_NUM_THREADS": str(args.threads), "TOKENIZERS_PARALLELISM": "false"}
    import torch
    import transformers

    cuda = torch.cuda.is_available()
    device = torch.cuda.get_device_name() if cuda else f"cpu ({platform.machine()})"
    print(f"{device}; torch {torch.__version__}, transformers {transformers.__version__}; {args.tokens} tokens\n")
    for name in ["tiny"] if args.tiny else args.models:
        with work_folder(None if args.folder is None else args.folder / name) as folder:
            made_model(MODELS[name](), folder / "model", "bfloat16" if cuda else "float32")
            servers = [our_server(folder / "model", folder, name="ours, plain engine")]
            if find_spec("vllm") is not None and cuda:
                servers.append(our_server(folder / "model", folder, "vllm", "ours, vLLM"))
            else:
                print("ours, vLLM: left out, vLLM or a CUDA device is not here")
            servers += [
                transformers_server(folder / "model", folder, args.peer_python, one == "CB") for one in args.peers
            ]
            print(f"\n{name}\n")
            compare(servers, args)


if __name__ == "__main__":
    main()
