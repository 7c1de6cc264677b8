"""The first line of an evaluation: one sentence that a person may stop reading after."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from corpusmith.core.gates import Metric
from corpusmith.core.metrics import METRICS

DEFEATS = ("plain", "base", "few_shot", "champion")
"""In the order in which they are told: one is enough."""
VICTORIES = ("base", "few_shot", "plain", "champion")


def first_line(
    name: str, primary: str, value: Metric, gains: Mapping[str, Metric], called: Mapping[str, str], rows: int
) -> str:
    """Whom the model does not beat, the plainest rival first; else whom it beats.

    Args:
        name: Of the model.
        primary: The metric of the gains.
        value: What the model has of it.
        gains: Rival to the gain over it; beaten = the whole interval is above zero.
        called: Rival to what it is called.
        rows: That it was measured on.
    """
    if not math.isfinite(value.value):
        return f"{name} cannot be judged: its {primary} is no number, as of weights that broke down in training."
    figure = f"{primary} {value.value:.4g} on {rows:,} {'row' if rows == 1 else 'rows'}"
    for rival in DEFEATS:
        gain = gains.get(rival)
        if gain is not None and not (gain.low is not None and gain.low > 0):
            return f"{name} does NOT beat {called[rival]}: {figure}, a gain of {_gain(primary, gain)}."
    beaten = [rival for rival in VICTORIES if rival in gains]
    if not beaten:
        return f"{name} was compared with no other model: {figure}."
    first = beaten[0]
    return (
        f"{name} beats {_listed([called[rival] for rival in beaten])}: {figure}, a gain over {called[first]} of "
        f"{_gain(primary, gains[first])}."
    )


def _gain(primary: str, gain: Metric) -> str:
    if not math.isfinite(gain.value):
        return "no number"
    less = ", less is better" if METRICS[primary].better == "lower" else ""
    if gain.low is None or gain.high is None or not math.isfinite(gain.low):
        return f"{gain.value:+.4g}{less}, on too few rows for an interval"
    return f"{gain.value:+.4g} (95 % interval {gain.low:+.4g} to {gain.high:+.4g}{less})"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
