"""One server for all tests of the API: a real uvicorn on a free port, a tiny model behind it, the openai client."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest


@contextmanager
def running(app: Any) -> Iterator[str]:
    """Serve an application on loopback; its address."""
    import uvicorn

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        started = threading.Event()
        startup = server.startup

        async def told(*args: Any, **kwargs: Any) -> None:
            await startup(*args, **kwargs)
            started.set()

        server.startup = told  # type: ignore[method-assign]
        thread.start()
        assert started.wait(30)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


class Shelf:
    """Retrieval over three sentences: those that share a long word with the question."""

    fields: ClassVar[list[str]] = ["author"]
    texts: ClassVar[dict[str, str]] = {
        "rows#0": "The river rises in the hills.",
        "rows#1": "Seven ships lay in the harbour.",
        "rows#2": "A baker sells bread in the market.",
    }

    def ground(self, messages: Any, *, k: int = 4, filters: Any = None) -> Any:
        from corpusmith.core.errors import ParameterError, SourceError
        from corpusmith.models.serving.contract import Grounding

        question = messages[-1]["content"]
        if "storm" in question:
            raise SourceError("the store went away")
        if set(filters or {}) - set(self.fields):
            raise ParameterError("the index has no such field", hint="There is: author.")
        words = {word.strip("?.").lower() for word in question.split() if len(word) > 4}
        rows = [row for row, text in self.texts.items() if words & {w.strip(".").lower() for w in text.split()}][:k]
        cited = [
            {"n": n, "row_id": row, "chunk_id": row, "source": "rows", "title": "", "url": "", "score": 1.0,
             "text": self.texts[row]}
            for n, row in enumerate(rows, 1)
        ]  # fmt: skip
        quoted = "\n".join(f"[{one['n']}] {one['text']}" for one in cited)
        asked = [*messages[:-1], {"role": "user", "content": f"{quoted}\n{question}"}]
        return Grounding(asked, cited, dict(filters or {}), found=bool(cited))


@dataclass
class Served:
    """A running server and what stands behind it."""

    url: str
    engine: Any
    opened: Any
    fleet: Any
    recorder: Any
    client: Any = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.connect()

    def connect(self, **more: Any) -> Any:
        import openai

        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=60, **more)


@pytest.fixture(scope="session")
def opened(tiny_folder: Path) -> Any:
    """The tiny model, open."""
    from corpusmith.models.evaluation.opened import open_folder

    return open_folder(tiny_folder, device="cpu")


@pytest.fixture(scope="session")
def served(opened: Any) -> Iterator[Served]:
    """The server that all tests share; the model is called `tiny`, and `bare` where it has no index."""
    pytest.importorskip("fastapi")
    from corpusmith.models.serving.api.app import create_app
    from corpusmith.models.serving.api.limits import Limits
    from corpusmith.models.serving.engine import Engine
    from corpusmith.models.serving.plain import FixedFleet, Listed, OpenGate

    engine = Engine(opened, "tiny@1")
    fleet, recorder = FixedFleet({"tiny": engine, "bare": engine}), Listed()
    app = create_app(fleet, OpenGate(), recorder, {"tiny": Shelf()}, limits=Limits(body_bytes=1_000_000))
    with running(app) as url:
        found = Served(url, engine, opened, fleet, recorder)
        yield found
        found.client.close()
    asyncio.run(engine.close())


@pytest.fixture(scope="session")
def alone(opened: Any) -> Callable[[list[int], int], list[int]]:
    """What transformers' own `generate` answers to a prompt by itself: token ids, the end included."""
    import torch

    def answer(ids: list[int], most: int) -> list[int]:
        with torch.no_grad():
            out = opened.model.generate(
                torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), do_sample=False, max_new_tokens=most
            )
        return [int(token) for token in out[0, len(ids) :]]

    return answer
