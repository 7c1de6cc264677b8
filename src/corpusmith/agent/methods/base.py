"""What a method is: a published way to move a gate, with its source, its needs, its cost and its known harm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from corpusmith.agent.planner import View

Params = Mapping[str, Any]
Family = Literal["repair", "filter", "dedup", "leak", "privacy", "generation", "mixing", "delivery"]


@dataclass(frozen=True)
class Method:
    """One entry of the catalogue.

    Attributes:
        name: How decisions name it.
        family: Change of family after one failed retune.
        source: Paper or rule, as notes name it.
        tool: The tool it calls.
        moves: Goals it can serve: metrics, or `wish:<name>`.
        settings: The parameter sets it may run with, best-founded first; depends on what the planner sees.
        after: Goals that would confound it while a method for them is left (mojibake before language id).
        cost: 0 under 1 s, 1 under 1 min, 2 minutes; per thousand rows.
        harm: When it hurts, as the literature has it.
        removes: Whether it drops rows: then its settings are tried on a sample first, under the retention floor.
        on_sample: Whether a sample says anything about it (samples hide duplicates).
        needs: Whether it may run at all on what is there.
    """

    name: str
    family: Family
    source: str
    tool: str
    moves: tuple[str, ...]
    settings: Callable[[View], list[Params]]
    harm: str
    after: tuple[str, ...] = ()
    cost: int = 0
    removes: bool = False
    on_sample: bool = True
    needs: Callable[[View], bool] = lambda _view: True

    def wish(self) -> str | None:
        """The wish it serves, if it serves one."""
        return next((goal.removeprefix("wish:") for goal in self.moves if goal.startswith("wish:")), None)


def too_late(method: Method, view: View) -> bool:
    """Whether what was delivered stands in the way: after the split only balancing, after balancing only files."""
    if "wish:balance" in view.served:
        return method.wish() != "format"
    return "wish:format" in view.served and method.wish() != "balance"


def fixed(**params: Any) -> Callable[[View], list[Params]]:
    """Settings that are one parameter set, whatever the view."""
    return lambda _view: [params]
