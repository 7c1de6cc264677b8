"""Phase 4, customize: one trial each time it is entered: choose a setting, train, measure, keep or not.

Trials are measured on the validation split; the test split is for `assess`, when nothing is chosen any more.
"""

from __future__ import annotations

import math
from typing import Any

from corpusmith.agent.modelling import calls
from corpusmith.agent.modelling.handover import (
    brief_in,
    go,
    log_decision,
    model_gates,
    registry_name,
    saw,
    say,
    stopped,
    told,
    work_in,
)  # fmt: skip
from corpusmith.agent.modelling.moves import MOVES, Step, next_step
from corpusmith.agent.modelling.work import BaseModelFacts, ModelWork, Trial
from corpusmith.agent.session import Session
from corpusmith.agent.state import LoopState
from corpusmith.core.brief import Brief, TrainingWish
from corpusmith.core.decisions import Decision, Option
from corpusmith.core.errors import BudgetExceeded, CorpusmithError, UsageError, WorkspaceError
from corpusmith.core.metrics import METRICS

VALIDATION = {"split": "validation", "few_shot": 0, "answer_rows": 0, "overlap": "drop"}
"""A trial is measured against its base alone; rows of the split that stand in its data after all are left out, told."""

TIME_FACTOR = 1.5
"""A further trial starts only where this many times the longest one's duration is left."""


def customize(session: Session, state: LoopState) -> LoopState:
    """The next trial, or on to `assess` when enough was tried."""
    brief = brief_in(session, state)
    work = work_in(state)
    wish = _at_hand(brief.training or TrainingWish(), work)
    step = next_step(work, wish, brief.seed)
    if step is None:
        return go(state, work, "assess")
    if not work.trials:
        say(session, "customize", "phase 4 of 5, customize: train, and keep what is measured to be better")
    short = _too_short(session, work, step)
    if short:
        say(session, f"search {len(work.trials)}", short)
        return go(state, work, "assess")
    turn = state["turn"] + 1
    base = next((b for b in work.bases if b.name == step.setting.base), None)
    log_decision(session, state, _trial_decision(brief, state, work, step, turn))
    session.emit(f"turn {turn}: {step.move.name}: {step.setting.text()} ({step.why})")
    trial = Trial(
        decision=f"d{turn:02d}", move=step.move.name, setting=step.setting, base=base.artifact if base else ""
    )
    try:
        trial = _run(session, brief, wish, state, work, trial, base)
    except (WorkspaceError, BudgetExceeded) as error:
        return stopped(state, work, error, turn)
    except UsageError as error:
        trial = trial.model_copy(update={"problem": told(error)})
    return _settle(session, state, work, trial, turn)


def _at_hand(wish: TrainingWish, work: ModelWork) -> TrainingWish:
    """The wish with the bases that could be had, and the kind of adapter that it goes on from."""
    adapter = work.start_adapter or wish.adapter
    return wish.model_copy(update={"bases": tuple(base.name for base in work.bases), "adapter": adapter})


def _too_short(session: Session, work: ModelWork, step: Step) -> str:
    """Why no time is left for another trial, or an empty string."""
    budget = session.runner.budget
    if budget is None or not work.trials:
        return ""
    left, needed = budget.left("minutes"), TIME_FACTOR * max(trial.seconds for trial in work.trials) / 60
    if left >= needed:
        return ""
    return f"{step.move.name} left out: it would need about {needed:.1f} minutes, {left:.1f} are left"


def _run(
    session: Session,
    brief: Brief,
    wish: TrainingWish,
    state: LoopState,
    work: ModelWork,
    trial: Trial,
    base: BaseModelFacts | None,
) -> Trial:
    if base is None:
        raise CorpusmithError(f"no base {trial.setting.base} is at hand")
    inputs = {"data": state["data"], "base": base.artifact}
    if wish.hosted:
        params = calls.hosted_params(trial.setting, wish, registry_name(brief), brief.budgets.cost_usd)
        trial = calls.hosted(trial, session.step("train_hosted", params, inputs).artifact)
    else:
        if work.start:
            inputs["start"] = work.start
        if wish.replay_rows and wish.replay_from:
            inputs["replay"] = session.ingest([wish.replay_from], None).id
        calls.place_training(session, wish.place)
        outcome = session.step("train", calls.train_params(trial.setting, wish, registry_name(brief)), inputs)
        trial = calls.trained(trial, outcome.artifact, base)
    if trial.nan:
        return trial.model_copy(update={"problem": "the loss became no number"})
    roles = calls.evaluation_roles(trial, state["data"], work.earlier)
    return calls.judged(trial, session.step("evaluate", VALIDATION, roles).artifact)


def _trial_decision(brief: Brief, state: LoopState, work: ModelWork, step: Step, turn: int) -> Decision:
    best = work.chosen
    said = step.setting.model_dump(mode="json", exclude_none=True)
    options = [Option(method=step.move.name, params=said, verdict=f"chosen: {step.why}")]
    options += [
        Option(method=move.name, verdict=f"not now: {move.sign}; known harm: {move.harm}")
        for move in MOVES.values()
        if move != step.move
    ]
    return Decision(
        id=f"d{turn:02d}",
        turn=turn,
        planner="rules",
        saw=saw(brief, state) | {"gain_over_base_low": best.gain_low if best else None},
        unmet=tuple(gate.metric for gate in model_gates(brief)),
        options=tuple(options),
        chosen=step.move.name,
        tool="train_hosted" if step.setting.adapter == "hosted" else "train",
        params=said,
        metric="gain_over_base_low",
        predicted=_predicted(work),
        why=f"{step.setting.text()}: {step.why}; known harm: {step.move.harm}",
        source=step.move.source,
    )


def _predicted(work: ModelWork) -> float | None:
    """What a further trial should at least reach: the best so far. Nothing is known before the first."""
    return None if work.chosen is None else work.chosen.gain_low


def _settle(session: Session, state: LoopState, work: ModelWork, trial: Trial, turn: int) -> LoopState:
    """Keep the trial when it is better than the best so far; its figures stay in the log either way."""
    best = work.chosen
    kept = trial.usable and (best is None or _better(trial, best))
    why = trial.problem or _figures(trial)
    if best is not None and best.value is not None:
        why += f"; the best before had {best.value:.4g}"
    session.log.once(
        "measured",
        trial.decision,
        decision=trial.decision,
        metric="gain_over_base_low",
        predicted=_predicted(work),
        before=None if best is None else best.gain_low,
        measured=trial.gain_low,
        kept=kept,
        outcome=why,
        artifact=trial.model,
        data=state["data"],
    )
    session.emit(f"  {'kept' if kept else 'not kept'}: {why}")
    update: dict[str, Any] = {"trials": (*work.trials, trial), "best": len(work.trials) if kept else work.best}
    return go(state, work.model_copy(update=update), "customize", turn)


def _figures(trial: Trial) -> str:
    if trial.value is None:
        return "it could not be measured on the validation split"
    gain = "" if trial.gain is None or trial.gain_low is None else (
        f", {trial.gain:+.4g} over its base (at least {trial.gain_low:+.4g})"
    )  # fmt: skip
    return f"{trial.primary} {trial.value:.4g} on the validation split{gain}"


def _better(trial: Trial, best: Trial) -> bool:
    if trial.value is None or best.value is None or trial.primary != best.primary:
        return False
    gap = trial.value - best.value
    return math.isfinite(gap) and (gap < 0 if METRICS[trial.primary].better == "lower" else gap > 0)
