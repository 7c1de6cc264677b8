"""The parts of a server whose models are no models, made in each process that Ray starts."""

from __future__ import annotations

import asyncio
from pathlib import Path

from plain_server import Shop
from served_doubles import PlainModel

from corpusmith.models.serving.following import RegistryWish, served_of
from corpusmith.models.serving.server import ServeParts


def make(root: Path, pause_s: float, broken: bool = False) -> ServeParts:
    shop = Shop(root)
    served = served_of("news", shop.registry, shop.registry.artifacts)
    shop.endpoints.declare(served.endpoint, served.model)

    async def open_version(ref: str) -> PlainModel:
        await asyncio.sleep(0)
        if broken:
            raise RuntimeError("no memory")
        return PlainModel(ref, pause_s=pause_s)

    return ServeParts(
        served.name, served.endpoint, RegistryWish(shop.registry, shop.endpoints, served.endpoint, served),
        open_version, shop.endpoints, shop.keys, root / "serving" / served.endpoint,
    )  # fmt: skip
