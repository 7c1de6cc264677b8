"""Rows per pass that fit the memory; a look that changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpusmith.core.errors import PreconditionError
from corpusmith.models.training import readiness
from corpusmith.models.training.readiness import make_ready


def test_rows_per_pass_are_halved_until_they_fit(
    spec: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wide, whole = make_ready(spec("lora", rows_per_step=8))
    assert wide.rows_per_step == 8
    needed = whole.memory.total - whole.memory.weights
    monkeypatch.setattr(readiness, "free_memory", lambda _device: int(needed / 2 / readiness.MEMORY_FRAC))
    narrow, _ = make_ready(spec("lora", rows_per_step=8))
    assert narrow.rows_per_step in (2, 4)
    assert narrow.model_copy(update={"rows_per_step": 8}) == wide
    assert not (tmp_path / "out").exists()


def test_never_more_rows_than_there_are(spec: Callable[..., Any]) -> None:
    ready, found = make_ready(spec("lora", rows_per_step=500))
    assert ready.rows_per_step == found.rows == 24


def test_what_cannot_be_sharded_is_refused(spec: Callable[..., Any]) -> None:
    with pytest.raises(PreconditionError, match="sharded weights"):
        make_ready(spec("prompt", fsdp=True), workers=2)
