"""Throughput and latency of our server on a CPU, beside `transformers serve`, on the same model, in one run.

    python benchmarks/serve.py [--shape small] [--tokens 64] [--threads 1] [--rounds 3] [--concurrency 1 8 64]

A model with random weights is made on the spot (nothing is downloaded). Every server is a process of its own with as
many threads; one client asks each of them the same: streamed chat, greedy, the same prompts, the same number of
tokens (the weights of the token that ends an answer are zero, so none ends early). No prompt is asked twice: a server
that keeps what it has read (transformers' continuous batches do) would not read it again. Rounds take turns, and a
server that is not asked is stopped (SIGSTOP), so that what else the machine does meets all of them alike.

    ours            `corpusmith.models.serving`: the engine of continuous batches behind the API
    transformers    `transformers serve`, as it is by default: one request after another
    transformers CB `transformers serve --continuous-batching`, its cache for 64 rows of 512 tokens

The table gives medians over the rounds: requests and tokens per second, time to the first token and to the last one
(50th and 95th percentile), and tokens per second of the server's own processor time, which other work on the machine
hardly touches. Needs httpx, psutil and the extra `serve`; `transformers serve` also needs openai.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "src"))

import httpx
import psutil

SENTENCE = (
    "the river runs to sea and a baker sells bread in market while seven ships lay at harbour when storm came over "
    "hills so people of town went home early that evening with rolls cakes lamps"
)
WORDS = SENTENCE.split()
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SHAPES = {
    # layers, hidden, inner, heads, key-value heads, vocabulary
    "tiny": (4, 128, 384, 4, 2, 2048),
    "small": (8, 512, 1536, 8, 4, 8192),
}


def made_tokenizer() -> Any:
    """A byte-level BPE with a chat template."""
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=512, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator([SENTENCE], trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|end|>", pad_token="<|pad|>")
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def made_model(config: Any, folder: Path, dtype: str = "float32") -> None:
    """A model with random weights that never ends by itself and speaks ASCII alone: its text shows every token."""
    import torch
    import transformers

    tokenizer = made_tokenizer()
    config.eos_token_id, config.pad_token_id, config.bos_token_id = (
        tokenizer.eos_token_id, tokenizer.pad_token_id, None,
    )  # fmt: skip
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    with torch.no_grad():
        head = model.get_output_embeddings().weight
        words = {n: token.replace("Ġ", "") for token, n in tokenizer.get_vocab().items() if n >= 5}
        plain = [n for n, word in words.items() if word.isascii() and word.isalnum()]
        silent = torch.ones(len(head), dtype=torch.bool)
        silent[plain] = False
        head[silent.to(head.device)] = 0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def llama(shape: str) -> Any:
    """A Llama configuration by the name of its shape."""
    import transformers

    layers, hidden, inner, heads, groups, vocabulary = SHAPES[shape]
    return transformers.LlamaConfig(
        vocab_size=vocabulary, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=groups, max_position_embeddings=2048, tie_word_embeddings=False,
    )  # fmt: skip


def made_prompts(count: int, first: int = 0) -> list[str]:
    """Questions of 8 to 60 words, each another one; from the `first`-th on."""
    return [
        " ".join([f"{n}:", *(WORDS[(n * 7 + i * (n % 5 + 1)) % len(WORDS)] for i in range(8 + n * 13 % 53))])
        for n in range(first, first + count)
    ]


# -- servers -----------------------------------------------------------------------------------------------------------


@dataclass
class Server:
    """A server process."""

    name: str
    command: list[str]
    model: str
    url: str
    log: Path
    ready: str
    environment: dict[str, str] = field(default_factory=dict)
    process: Any = None

    def start(self, wait_s: float) -> bool:
        """Start it and wait until it answers; whether it does."""
        with self.log.open("w") as log:
            self.process = psutil.Popen(
                self.command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **self.environment}
            )
        ends = time.monotonic() + wait_s
        while time.monotonic() < ends and self.process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(self.url + self.ready, timeout=5).status_code == 200:
                    return True
            time.sleep(0.2)
        return False

    def stop(self) -> None:
        """End it."""
        if self.process is None:
            return
        with contextlib.suppress(psutil.Error):
            self.signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(10)
        with contextlib.suppress(psutil.Error):
            self.process.kill()

    def signal(self, number: int) -> None:
        """Pause or go on."""
        for one in [self.process, *self.process.children(recursive=True)]:
            one.send_signal(number)

    def cpu_s(self) -> float:
        """Processor time so far."""
        times = [one.cpu_times() for one in [self.process, *self.process.children(recursive=True)]]
        return sum(one.user + one.system for one in times)

    def last_words(self) -> str:
        """The end of its log."""
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def our_server(folder: Path, logs: Path, engine: str = "plain", name: str = "ours") -> Server:
    """This file, serving."""
    port = free_port()
    command = [sys.executable, __file__, "--serve", str(folder), "--port", str(port), "--engine", engine]
    log = logs / f"{name}.log".replace(" ", "-")
    return Server(name, command, "bench", f"http://127.0.0.1:{port}", log, "/healthz")


def transformers_server(folder: Path, logs: Path, python: str, continuous: bool) -> Server:
    """`transformers serve`."""
    port, name = free_port(), "transformers CB" if continuous else "transformers"
    code = "import sys; from transformers.cli.transformers import main; sys.argv[0] = 'transformers'; main()"
    command = [python, "-c", code, "serve", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    if continuous:  # a cache of 64 rows of 512 tokens; by default it takes most of the memory
        command += ["--continuous-batching", "--cb-block-size", "32", "--cb-num-blocks", "1024"]
        command += ["--cb-max-batch-tokens", "1024"]
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    log = logs / f"{name}.log".replace(" ", "-")
    return Server(name, command, str(folder), f"http://127.0.0.1:{port}", log, "/health", offline)


def serve(folder: Path, port: int, engine: str) -> None:
    """Serve a folder as `corpusmith serve` does, without a registry."""
    import uvicorn

    from corpusmith.models.serving.api.app import create_app
    from corpusmith.models.serving.plain import FixedFleet, OpenGate

    class Nobody:
        def record(self, asked: Any) -> None:
            """Forget it."""

    async def run() -> None:
        if engine == "vllm":
            from corpusmith.models.loading import open_tokenizer
            from corpusmith.models.serving.vllm_backend import VllmModel, start_engine
            from corpusmith.models.serving.vllm_compat import compat

            running = await asyncio.to_thread(start_engine, folder, compat(None), 2048, 0.3)
            served: Any = VllmModel(running, open_tokenizer(folder), "bench", 2048)
        else:
            from corpusmith.models.serving.engine import Engine

            served = Engine(opened(folder), "bench")
        app = create_app(FixedFleet({"bench": served}), OpenGate(), Nobody())
        config = uvicorn.Config(
            app, host="127.0.0.1", port=port, http="httptools", loop="none", ws="none", lifespan="off",
            log_level="warning", access_log=False, backlog=2048,
        )  # fmt: skip
        await uvicorn.Server(config).serve()

    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.install()
    asyncio.run(run())


def opened(folder: Path) -> Any:
    """A folder, open in the precision of its file."""
    import transformers

    from corpusmith.models.evaluation.opened import made_ready
    from corpusmith.models.loading import best_device, open_tokenizer

    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="auto", local_files_only=True)
    return made_ready(model.to(best_device("auto")).eval(), open_tokenizer(folder))


# -- the client --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Round:
    """What one round measured: seconds to the first and last token of each request, of all, of the processor."""

    first: list[float]
    last: list[float]
    wall_s: float
    cpu_s: float
    tokens: int
    texts: dict[str, str]


async def ask(client: httpx.AsyncClient, server: Server, prompt: str, tokens: int) -> tuple[float, float, str]:
    """One streamed chat: seconds to the first and to the last token, and the text."""
    body = {
        "model": server.model, "messages": [{"role": "user", "content": prompt}], "max_tokens": tokens,
        "temperature": 0, "stream": True,
    }  # fmt: skip
    start, first, said = time.perf_counter(), 0.0, []
    async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        if answer.status_code != 200:
            raise RuntimeError(f"{server.name}: {answer.status_code} {(await answer.aread())[:300]!r}")
        async for line in answer.aiter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            chunk = json.loads(line[6:])
            if "choices" not in chunk:
                raise RuntimeError(f"{server.name}: {line[:300]}")
            text = "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])
            if text:
                first = first or time.perf_counter() - start
                said.append(text)
    return first, time.perf_counter() - start, "".join(said)


async def drive(server: Server, prompts: Sequence[str], concurrency: int, tokens: int, timeout_s: float = 600) -> Round:
    """Ask all prompts, `concurrency` at a time."""
    waiting, found = iter(prompts), list[tuple[str, tuple[float, float, str]]]()
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)

    async def worker(client: httpx.AsyncClient) -> None:
        for prompt in waiting:
            found.append((prompt, await ask(client, server, prompt, tokens)))

    async with httpx.AsyncClient(base_url=server.url, timeout=timeout_s, limits=limits) as client:
        cpu, start = server.cpu_s(), time.perf_counter()
        await asyncio.gather(*(worker(client) for _ in range(concurrency)))
        wall = time.perf_counter() - start
    return Round(
        [one[0] for _, one in found], [one[1] for _, one in found], wall, server.cpu_s() - cpu, tokens * len(found),
        {prompt: one[2] for prompt, one in found},
    )  # fmt: skip


def percentile(values: Sequence[float], share: float) -> float:
    """Of the values, the smallest that is not below `share` of them."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


HEAD = (
    "| concurrency | server | requests/s | tokens/s | to first token, s: p50 | p95 | to last, s: p50 | p95 "
    "| tokens per processor second |\n|---|---|---|---|---|---|---|---|---|"
)


def row(concurrency: int, server: str, rounds: Sequence[Round]) -> str:
    """A line of the table: medians over the rounds."""

    def middle(of: Any) -> float:
        return statistics.median(of(one) for one in rounds)

    return (
        f"| {concurrency} | {server} | {middle(lambda r: len(r.last) / r.wall_s):.2f} "
        f"| {middle(lambda r: r.tokens / r.wall_s):,.0f} "
        f"| {middle(lambda r: percentile(r.first, 0.5)):.3f} | {middle(lambda r: percentile(r.first, 0.95)):.3f} "
        f"| {middle(lambda r: percentile(r.last, 0.5)):.2f} | {middle(lambda r: percentile(r.last, 0.95)):.2f} "
        f"| {middle(lambda r: r.tokens / max(r.cpu_s, 1e-6)):,.0f} |"
    )


def compare(servers: Sequence[Server], args: argparse.Namespace) -> None:
    """Start the servers, let them take turns, print the table."""
    alive = []
    try:
        for server in servers:
            why = "it did not start"
            try:
                if server.start(args.start_s):
                    asyncio.run(drive(server, made_prompts(2), 1, args.tokens, args.start_s))
                    server.signal(signal.SIGSTOP)
                    alive.append(server)
                    continue
            except (httpx.HTTPError, RuntimeError) as error:
                why = f"it does not answer ({type(error).__name__}: {error})"
            print(f"{server.name} is left out: {why}; its log ends: {server.last_words()}\n", flush=True)
            server.stop()
        print(HEAD, flush=True)
        asked = 2
        for concurrency in args.concurrency:
            rounds: dict[str, list[Round]] = {server.name: [] for server in alive}
            for number in range(args.rounds):
                prompts = made_prompts(max(args.least, concurrency * 3 // 2), asked)
                asked += len(prompts)
                for server in alive[number % len(alive) :] + alive[: number % len(alive)]:
                    server.signal(signal.SIGCONT)
                    rounds[server.name].append(
                        asyncio.run(drive(server, prompts, concurrency, args.tokens, args.timeout_s))
                    )
                    server.signal(signal.SIGSTOP)
            for server in alive:
                print(row(concurrency, server.name, rounds[server.name]), flush=True)
            first = rounds[alive[0].name]
            for server in alive[1:]:
                pairs = list(zip(first, rounds[server.name], strict=True))
                faster = statistics.median(b.wall_s / a.wall_s for a, b in pairs)
                same = sum(a.texts[prompt] == b.texts[prompt] for a, b in pairs for prompt in a.texts)
                print(
                    f"{alive[0].name} / {server.name} at {concurrency}: {faster:.2f} times the throughput; "
                    f"{same} of {len(pairs) * len(prompts)} answers the same", file=sys.stderr, flush=True,
                )  # fmt: skip
    finally:
        for server in servers:
            server.stop()


@contextlib.contextmanager
def work_folder(kept: Path | None) -> Iterator[Path]:
    """Where the model and the logs are."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def common(parser: argparse.ArgumentParser) -> None:
    """The arguments that both benchmarks of serving have."""
    parser.add_argument("--tokens", type=int, default=64, help="of each answer")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--least", type=int, default=8, help="fewest requests of a round; else 1.5 times the concurrency"
    )
    parser.add_argument("--threads", type=int, default=1, help="of every server, on a CPU")
    parser.add_argument("--start-s", type=float, default=180, help="most seconds that a server may take to start")
    parser.add_argument("--folder", type=Path, default=None, help="keep the model and the logs here")
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has `transformers serve`")
    parser.add_argument("--peers", nargs="*", choices=["plain", "CB"], default=["plain", "CB"])
    parser.add_argument("--timeout-s", type=float, default=600, help="of one request")
    parser.add_argument("--serve", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--engine", default="plain", help=argparse.SUPPRESS)


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=list(SHAPES), default="small")
    common(parser)
    args = parser.parse_args()
    if args.serve is not None:
        serve(args.serve, args.port, args.engine)
        return
    os.environ |= {"OMP_NUM_THREADS": str(args.threads), "TOKENIZERS_PARALLELISM": "false"}
    import torch
    import transformers

    torch.set_num_threads(args.threads)
    with work_folder(args.folder) as folder:
        made_model(llama(args.shape), folder / "model")
        servers = [our_server(folder / "model", folder)]
        servers += [transformers_server(folder / "model", folder, args.peer_python, one == "CB") for one in args.peers]
        print(
            f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; torch {torch.__version__}, "
            f"transformers {transformers.__version__}; {args.shape} {SHAPES[args.shape]}, {args.tokens} tokens, "
            f"{args.threads} threads, {args.rounds} rounds\n"
        )
        compare(servers, args)


if __name__ == "__main__":
    main()
