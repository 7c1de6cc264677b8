"""What a reference means to a server, and real models opened, followed and served; the rest is in `test_server`."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from hand_made_models import make_evaluation, make_model, make_real_model

from corpusmith.core.errors import NotFoundError, PreconditionError
from corpusmith.models.digests import model_digests
from corpusmith.models.serving.contract import ANYONE, Sampling
from corpusmith.models.serving.fleet import FollowingFleet
from corpusmith.models.serving.following import RegistryWish, Served, served_of
from corpusmith.models.serving.opening import EngineOpener, artifact_of
from corpusmith.store.endpoints import Endpoints
from corpusmith.store.model_records import ModelVersion
from corpusmith.store.registry import ModelRegistry
from corpusmith.store.workspace import Workspace


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[ModelRegistry]:
    opened = Workspace.open(tmp_path / "ws")
    yield ModelRegistry(opened.database, opened.artifacts, lambda folder: model_digests(folder).digest, "tester")
    opened.close()


def real(registry: ModelRegistry, folder: Path, to: Path, moved: float) -> ModelVersion:
    """A version whose weights are those of `folder`, moved a little; the first is promoted."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, to)
    weights = load_file(to / "model.safetensors")
    save_file({k: t + moved for k, t in weights.items()}, to / "model.safetensors", metadata={"format": "pt"})
    version = registry.register("news", make_real_model(registry.artifacts, to, context_length=256, chat_template=True))
    if registry.aliases("news").champion is None:
        promote(registry, version)
    return version


def promote(registry: ModelRegistry, version: ModelVersion) -> None:
    champion = registry.aliases("news").champion
    against = None if champion is None else registry.resolve(f"news@{champion}").artifact
    evaluation = make_evaluation(registry.artifacts, version.artifact, champion=against)
    assert registry.promote(version, evaluation, expected=champion, why="test").promoted


def test_a_reference_is_a_name_a_version_or_an_artifact(registry: ModelRegistry) -> None:
    def hosted(name: str) -> str:
        return make_model(registry.artifacts, name, kind="hosted", location=f"ft:{name}", digest=name * 8)

    def meant(ref: str) -> Served:
        return served_of(ref, registry, registry.artifacts)

    first = registry.register("news", hosted("one"))
    with pytest.raises(PreconditionError, match="news has no champion to serve"):
        meant("news")
    assert meant("news@1") == Served("news@1", "news", "news-v1")
    assert not meant("news@candidate").follows
    promote(registry, first)
    assert meant("news") == meant("news@champion") == Served("news", "news", "news")
    assert meant("news").follows
    assert meant(first.artifact).model == "news@1"
    loose = hosted("loose")
    assert meant(loose[:8]) == Served(loose, f"model-{loose[:12]}", f"model-{loose[:12]}")
    for nothing in ("nope", "news@9", "ffff"):
        with pytest.raises(NotFoundError):
            meant(nothing)
    assert artifact_of("news@1", registry) == first.artifact
    with pytest.raises(NotFoundError):
        artifact_of("news@9", registry)


def test_real_models_are_opened_followed_and_refused_when_their_files_changed(
    registry: ModelRegistry, tiny_folder: Path, tmp_path: Path
) -> None:
    real(registry, tiny_folder, tmp_path / "1", 0.0)
    second = real(registry, tiny_folder, tmp_path / "2", 0.02)
    third = real(registry, tiny_folder, tmp_path / "3", float("nan"))
    fourth = real(registry, tiny_folder, tmp_path / "4", 0.04)
    endpoints = Endpoints(registry.database, "tester")
    endpoints.declare("news", "news")
    wish = RegistryWish(registry, endpoints, "news", served_of("news", registry, registry.artifacts))
    opener = EngineOpener(registry, registry.artifacts, device="cpu")

    async def answer(fleet: FollowingFleet) -> tuple[str, str]:
        async with fleet.lend("news", ANYONE) as model:
            sampling = Sampling(max_tokens=6, temperature=0.0)
            return model.ref, "".join([p.text async for p in model.generate(model.text_ids("The river"), sampling)])

    async def until(fleet: FollowingFleet, version: str) -> None:
        async with asyncio.timeout(60):
            while fleet.state().version != version and version not in fleet.state().troubles:
                await asyncio.sleep(0.01)

    async def run() -> None:
        fleet = FollowingFleet("news", wish, opener, poll_s=0.02)
        await fleet.start()
        try:
            first = await answer(fleet)
            assert first[0] == "news@1"
            promote(registry, second)
            await until(fleet, "news@2")
            assert (await answer(fleet))[1] != first[1]
            promote(registry, third)  # its weights are no numbers
            await until(fleet, "news@3")
            assert fleet.state().troubles["news@3"]
            weights = registry.artifacts.open(fourth.artifact).folder / "files" / "model" / "model.safetensors"
            weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
            endpoints.set_canary("news", 4, 0.5)
            await until(fleet, "news@4")
            assert "are not those on record" in fleet.state().troubles["news@4"]
            assert {(await answer(fleet))[0] for _ in range(4)} == {"news@2"}
        finally:
            await fleet.close()

    asyncio.run(run())


@pytest.mark.slow
def test_a_real_model_is_served_asked_promoted_and_drained(
    registry: ModelRegistry, tiny_folder: Path, tmp_path: Path
) -> None:
    real(registry, tiny_folder, tmp_path / "1", 0.0)
    second = real(registry, tiny_folder, tmp_path / "2", 0.02)
    command = [sys.executable, "-m", "corpusmith", "serve", "news", "--port", "0", "--json"]
    command += ["--workspace", str(tmp_path / "ws")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        ready = json.loads(child.stdout.readline() or "{}")
        assert ready.get("version") == "news@1", child.communicate()[1]
        with openai.OpenAI(base_url=ready["url"], api_key="none", max_retries=0) as client:

            def answer(model: str) -> str:
                done = client.completions.create(model=model, prompt="The river", max_tokens=8, temperature=0)
                return str(done.choices[0].text)

            first = answer("news")
            assert first == answer("news@1")
            promote(registry, second)
            while answer("news") == first:  # the server follows by itself
                pass
            assert answer("news") == answer("news@2")
            os.kill(child.pid, signal.SIGTERM)
            assert child.wait(timeout=60) == 0
    finally:
        child.kill()
        child.communicate()
    assert Endpoints(registry.database, "tester").living("news") == []
