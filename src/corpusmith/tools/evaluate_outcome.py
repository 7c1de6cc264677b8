"""What follows from what was measured: metrics, gains with intervals, the first line, the table of contestants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpusmith.core.errors import PreconditionError
from corpusmith.core.gates import Metric
from corpusmith.ops.grading.bootstrap import lower_end, paired_gain
from corpusmith.ops.grading.labels import label_set
from corpusmith.ops.grading.plain import plain_baselines
from corpusmith.tools.evaluate_grades import Bools, Grades, Task, best_plain, grade_model, grade_texts
from corpusmith.tools.evaluate_judge import Judged, JudgeWish, ask_judge
from corpusmith.tools.evaluate_kept import Contestant
from corpusmith.tools.evaluate_line import first_line
from corpusmith.tools.evaluate_rows import JudgedRows


@dataclass(frozen=True)
class Measured:
    """All that was measured.

    Attributes:
        task: What is asked for.
        primary: The metric of the gains.
        rows: The rows.
        known: The training rows, empty where there are none.
        found: The models on the rows.
    """

    task: Task
    primary: str
    rows: JudgedRows
    known: JudgedRows
    found: tuple[Contestant, ...]

    def of(self, role: str) -> Contestant | None:
        """The contestant in a role."""
        return next((one for one in self.found if one.role == role), None)

    @property
    def counted(self) -> Bools:
        """Rows that every model could read."""
        refused = {row_id for one in self.found for row_id in one.refused}
        return np.array([row_id not in refused for row_id in self.rows.ids], np.bool_)


@dataclass(frozen=True)
class Outcome:
    """What follows.

    Attributes:
        rows: Rows that count.
        metrics: The candidate's, with its gains, by their names in a scorecard.
        gains: Rival to the gain over it.
        best_plain: The plain baseline that the gain over plain is over.
        first_line: The outcome in a sentence.
        table: Every contestant as a line.
        grades: By role, or name of a plain baseline, over the rows that count.
        plain: Answers of the plain baselines to all rows.
        judge: The record of a judge's run.
        notes: What there is to say besides.
    """

    rows: int
    metrics: dict[str, Metric]
    gains: dict[str, Metric]
    best_plain: str | None
    first_line: str
    table: list[dict[str, Any]]
    grades: dict[str, Grades]
    plain: dict[str, list[str]]
    judge: dict[str, Any] | None
    notes: tuple[str, ...]


def conclude(seen: Measured, samples: int, seed: int, judge: JudgeWish | None) -> Outcome:
    """Grade everybody, and compare.

    Args:
        seen: What was measured.
        samples: Resamples of the intervals.
        seed: Of the resamples.
        judge: A judge to be asked too.

    Raises:
        PreconditionError: No row could be read by every model.
    """
    counted = seen.counted
    if not counted.any():
        why = next((reason for one in seen.found for reason in one.refused.values()), "")
        raise PreconditionError(f"evaluate: no row can be judged: {why}", hint="Look at the turns of the data.")
    grades: dict[str, Grades] = {one.role: _graded(seen, one, counted) for one in seen.found}
    plain = _plain(seen, seed)
    chosen = {name: grade_texts(seen.task, *_counted(seen, answers, counted)) for name, answers in plain.items()}
    best = best_plain(chosen, seen.primary, samples, seed)
    rivals = {role: each for role, each in grades.items() if role != "candidate"}
    rivals |= {} if best is None else {"plain": chosen[best]}
    measured = {role: grades["candidate"].gain_over(each, seen.primary, samples, seed) for role, each in rivals.items()}
    gains = {role: gain for role, gain in measured.items() if gain is not None}
    metrics = {role: each.metrics(samples, seed) for role, each in {**grades, **chosen}.items()}
    card = dict(metrics["candidate"])
    for role, gain in gains.items():
        card |= {f"gain_over_{role}": gain, f"gain_over_{role}_low": lower_end(gain)}
    forgotten = _forgetting(seen, samples, seed)
    card |= {} if forgotten is None else {"forgetting": forgotten}
    judged = _judged(seen, judge, counted, samples, seed)
    card |= {} if judged is None else judged.metrics
    notes = [] if counted.all() else [f"{int((~counted).sum())} rows are left out: a model cannot read them"]
    name = seen.of("candidate")
    return Outcome(
        rows=int(counted.sum()),
        metrics=card,
        gains=gains,
        best_plain=best,
        first_line=first_line(
            "the model" if name is None else name.name, seen.primary, card[seen.primary], gains, _called(seen, best),
            int(counted.sum()),
        ),
        table=_table(seen, metrics, list(chosen)),
        grades={**grades, **chosen},
        plain=plain,
        judge=None if judged is None else judged.record,
        notes=(*notes, *(() if judged is None else judged.notes)),
    )  # fmt: skip


def _graded(seen: Measured, one: Contestant, counted: Bools) -> Grades:
    return grade_model(seen.task, one, seen.rows.ids, seen.rows.references, _labels(seen), counted)


def _counted(seen: Measured, answers: Sequence[str], counted: Bools) -> tuple[list[str], list[str], tuple[str, ...]]:
    """Answers, references and labels of the rows that count."""
    places = np.flatnonzero(counted).tolist()
    return [answers[at] for at in places], [seen.rows.references[at] for at in places], _labels(seen)


def _labels(seen: Measured) -> tuple[str, ...]:
    return label_set([*seen.rows.references, *seen.known.references]) if seen.task == "label" else ()


def _plain(seen: Measured, seed: int) -> dict[str, list[str]]:
    """Answers of the plain baselines, where the task has them and there are training rows to learn from."""
    if seen.task not in ("label", "number") or not seen.known.ids:
        return {}
    task: Literal["label", "number"] = "label" if seen.task == "label" else "number"
    return plain_baselines(task, seen.known.prompts, seen.known.references, seen.rows.prompts, seed)


def _forgetting(seen: Measured, samples: int, seed: int) -> Metric | None:
    """Bits per byte that the candidate has more than its base on the general rows."""
    ours, base = seen.of("candidate"), seen.of("base")
    if ours is None or base is None or ours.general is None or base.general is None:
        return None
    both = ours.general.scored & base.general.scored
    columns = [
        ((one.nll + one.opening)[both], one.size_bytes[both].astype(np.float64)) for one in (base.general, ours.general)
    ]
    return paired_gain(columns[0], columns[1], "bits_per_byte", "lower", samples=samples, seed=seed)


def _judged(seen: Measured, judge: JudgeWish | None, counted: Bools, samples: int, seed: int) -> Judged | None:
    ours, base = seen.of("candidate"), seen.of("base")
    if judge is None or ours is None or ours.answers is None:
        return None
    others = None if base is None or base.answers is None else base.answers.by_row
    return ask_judge(judge, seen.rows, ours.answers.by_row, others, counted, samples, seed)


def _called(seen: Measured, best: str | None) -> dict[str, str]:
    """What each rival is called in a sentence."""
    names = {one.role: one.name for one in seen.found}
    few_shot = seen.of("few_shot")
    return {
        "base": f"its base {names.get('base', '')}",
        "few_shot": "" if few_shot is None else f"few-shot prompting ({few_shot.name})",
        "champion": f"the champion {names.get('champion', '')}",
        "plain": f"the plain baseline {best}",
    }


def _table(seen: Measured, metrics: Mapping[str, Mapping[str, Metric]], plain: Sequence[str]) -> list[dict[str, Any]]:
    """Every contestant as a line: what it is, what it costs, what it reached."""
    lines: list[dict[str, Any]] = [_line(one, metrics[one.role]) for one in seen.found]
    return lines + [{"role": "plain", "name": name, "metrics": _dumped(metrics[name])} for name in plain]


def _line(one: Contestant, metrics: Mapping[str, Metric]) -> dict[str, Any]:
    answers = one.answers
    return {
        "role": one.role,
        "name": one.name,
        "digest": one.digest,
        "parameters": one.parameters,
        "context_length": one.context_length,
        "context_used": one.context,
        "shots": one.shots,
        "metrics": _dumped(metrics),
        "likelihood_tokens_per_s": None if one.likelihood is None else round(one.likelihood.tokens_per_s, 1),
        "generation_tokens_per_s": None if answers is None else round(answers.tokens_per_s, 1),
        "answer_tokens": None if answers is None else sum(answers.tokens),
        "answers_cut_off": None if answers is None else len(answers.ended) - sum(answers.ended),
        "general_bits_per_byte": None if one.general is None else one.general.bits_per_byte,
    }


def _dumped(metrics: Mapping[str, Metric]) -> dict[str, Any]:
    return {name: metric.model_dump(mode="json") for name, metric in metrics.items()}


def write_predictions(path: Path, seen: Measured, done: Outcome) -> None:
    """One line a row and contestant: reference, answer, bits and bytes of the reference, the row's own score."""
    ids, string = list(seen.rows.ids), pa.large_string()
    unknown: list[None] = [None] * len(ids)
    references = list(seen.rows.references) or unknown
    said: list[tuple[str, Sequence[str | None], Sequence[float | None], Sequence[int | None]]] = [
        (
            one.role,
            unknown if one.answers is None else [one.answers.by_row.get(row_id) for row_id in ids],
            unknown if one.likelihood is None else one.likelihood.bits.tolist(),
            unknown if one.likelihood is None else one.likelihood.size_bytes.tolist(),
        )
        for one in seen.found
    ]
    said += [(name, answers, unknown, unknown) for name, answers in done.plain.items()]
    tables = [
        pa.table(
            {
                "contestant": pa.array([name] * len(ids), string),
                "row_id": pa.array(ids, string),
                "reference": pa.array(references, string),
                "answer": pa.array(list(answers), string),
                "bits": pa.array(list(bits), pa.float64()),
                "bytes": pa.array(list(sizes), pa.int64()),
                "score": pa.array(_scores(seen, done, name), pa.float64()),
            }
        )
        for name, answers, bits, sizes in said
    ]
    pq.write_table(pa.concat_tables(tables), path, compression="zstd")


def _scores(seen: Measured, done: Outcome, name: str) -> list[float | None]:
    """The primary metric's own number of each row; None where it is a ratio, or the row does not count."""
    columns = done.grades[name].columns.get(seen.primary, ())
    if len(columns) != 1 or len(columns[0]) != done.rows:
        return [None] * len(seen.rows.ids)
    values = iter(columns[0].tolist())
    return [next(values) if counts else None for counts in seen.counted.tolist()]
