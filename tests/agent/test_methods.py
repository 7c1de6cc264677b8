"""The catalogue is whole: every entry names real metrics, a real tool, settings the tool takes, and a source."""

from __future__ import annotations

import pytest

from corpusmith.agent.goals import WISHES
from corpusmith.agent.methods import CATALOGUE, method
from corpusmith.core.brief import Balance, Brief, LengthRange, NumberRange, OutputFormat, Size, Splits
from corpusmith.core.errors import NotFoundError
from corpusmith.core.metrics import METRICS
from corpusmith.core.rows import Shape
from corpusmith.engine.runner import parse_params
from corpusmith.tools.registry import TOOLS

BRIEFS = [
    Brief(request="x"),
    Brief(
        request="x",
        languages=("en", "de"),
        size=Size(rows=10),
        splits=Splits(train=0.8, validation=0.1, test=0.1),
        length=(LengthRange(unit="words", low=5, high=50),),
        numbers=(NumberRange(field="price", low=0.5),),
        balance=Balance(
            method="number_slots", field="price", weights={"Automotive": 1.0}, default_weight=5.0, cap=1200
        ),
        output=OutputFormat(template="windows", window_tokens=64),
    ),
    Brief(request="x", size=Size(tokens=1000), balance=Balance(method="undersample", field="category")),
]


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("brief", BRIEFS)
def test_every_setting_fits_its_tool(make_view, name: str, brief: Brief) -> None:
    entry = method(name)
    for shape in Shape:
        view = make_view(brief, {}, shape=shape, has_evals=True)
        if entry.needs(view):
            for params in entry.settings(view):
                parse_params(TOOLS[entry.tool], params)


@pytest.mark.parametrize("name", CATALOGUE)
def test_it_names_what_it_moves_and_where_it_comes_from(name: str) -> None:
    entry = method(name)
    known = set(METRICS) | {f"wish:{wish}" for wish in WISHES}
    assert entry.moves
    assert set(entry.moves) <= known
    assert set(entry.after) <= known | {"*"}
    assert entry.source
    assert entry.harm


def test_an_unknown_method_is_one_clear_error() -> None:
    with pytest.raises(NotFoundError, match="no method 'publish'"):
        method("publish")
