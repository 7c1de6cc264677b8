"""Inputs of a step that may be several: a role declared `evals*` arrives as `evals.0`, `evals.1` and so on."""

from __future__ import annotations

from collections.abc import Mapping

from corpusmith.core.tools import Dataset


def inputs_in(inputs: Mapping[str, Dataset], role: str) -> list[tuple[str, Dataset]]:
    """The inputs of `role` among a step's inputs, each with its full name, by number."""
    names = [name for name in inputs if name.startswith(f"{role}.")]
    return [(name, inputs[name]) for name in sorted(names, key=lambda name: int(name.split(".")[1]))]
