"""A server of models that are no models, over a real registry: in this process, or as one of its own.

python plain_server.py WORKSPACE MODEL [pause_s] [drain_s] [open_s]     prints its url, then serves
"""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
from pathlib import Path
from typing import Any

from hand_made_models import make_evaluation, make_model, plain_digest
from served_doubles import PlainModel

from corpusmith.models.serving.following import RegistryWish, served_of
from corpusmith.models.serving.server import ModelServer, ServeOptions, ServeParts, run_server
from corpusmith.models.serving.sockets import listen
from corpusmith.store.api_keys import ApiKeys
from corpusmith.store.endpoints import Endpoints
from corpusmith.store.model_records import ModelVersion
from corpusmith.store.registry import ModelRegistry
from corpusmith.store.workspace import Workspace


class Shop:
    """A workspace whose registry holds `news`; versions are promoted by evaluations made by hand."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace.open(root)
        database, artifacts = self.workspace.database, self.workspace.artifacts
        self.registry = ModelRegistry(database, artifacts, plain_digest, "tester", "r-1")
        self.endpoints, self.keys = Endpoints(database, "tester"), ApiKeys(database)

    def version(self, weights: str) -> ModelVersion:
        return self.registry.register("news", make_model(self.registry.artifacts, weights))

    def evaluation(self, version: ModelVersion, metrics: Any = None) -> str:
        champion = self.registry.aliases("news").champion
        against = None if champion is None else self.registry.resolve(f"news@{champion}").artifact
        return make_evaluation(self.registry.artifacts, version.artifact, metrics, champion=against)

    def promote(self, version: ModelVersion) -> None:
        champion = self.registry.aliases("news").champion
        done = self.registry.promote(version, self.evaluation(version), expected=champion, why="test")
        assert done.promoted or done.already

    def promoted(self, weights: str) -> ModelVersion:
        version = self.version(weights)
        self.promote(version)
        return version

    def server(
        self, model: str = "news", port: int = 0, access: Any = None, options: ServeOptions | None = None,
        pause_s: float = 0.0, open_s: float = 0.0, broken: tuple[str, ...] = (), log: Any = None,
        name: str | None = None,
    ) -> ModelServer:  # fmt: skip
        served = served_of(model, self.registry, self.registry.artifacts)
        endpoint = name or served.endpoint
        self.endpoints.declare(endpoint, served.model)

        async def open_version(ref: str) -> PlainModel:
            await asyncio.sleep(open_s)
            if ref in broken:
                raise RuntimeError("no memory")
            return PlainModel(ref, log, pause_s=pause_s)

        parts = ServeParts(
            served.name, endpoint, RegistryWish(self.registry, self.endpoints, endpoint, served),
            open_version, self.endpoints, self.keys, self.workspace.root / "serving" / endpoint,
        )  # fmt: skip
        return ModelServer(listen("127.0.0.1", port), parts, options or ServeOptions(), access or io.StringIO())


def main() -> None:
    """As `corpusmith serve`, for `models.serving.launch`; the double's behaviour comes after `--`."""
    parser = argparse.ArgumentParser()
    for name in ("model", "--name", "--host", "--backend", "--index", "--workspace", "--log-file"):
        parser.add_argument(name)
    parser.add_argument("--port", type=int, default=0)
    for name in ("--pause", "--open", "--drain"):
        parser.add_argument(name, type=float, default=30.0 if name == "--drain" else 0.0)
    parser.add_argument("--broken", action="append", default=[])
    words = sys.argv[1:]
    own = words.index("serve") if "serve" in words else len(words)
    said = parser.parse_args([*words[own + 1 :], *words[:own]])
    shop = Shop(Path(said.workspace))
    options = ServeOptions(drain_s=said.drain, poll_s=0.05)
    server = shop.server(
        said.model, port=said.port, access=sys.stderr, options=options, pause_s=said.pause, open_s=said.open,
        broken=tuple(said.broken), name=said.name,
    )  # fmt: skip
    run_server(server, lambda: print(server.url, flush=True))
    shop.workspace.close()


if __name__ == "__main__":
    main()
