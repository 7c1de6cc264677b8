"""A model over a dataset, part by part: in this process, or by actors of Ray Data; the same rows either way.

A task is a slice of an input part. Whoever does it reads the slice, asks the model, and writes the finished part into
the step's staging folder, as the workers of the local engine do: so one slice and its answers are in memory, no more,
and a part that is there already is not done again. On a cluster all nodes must see the workspace's file system.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpusmith.core.errors import CorpusmithError
from corpusmith.core.tools import Cancel
from corpusmith.models.evaluation.opened import OpenedModel, open_place
from corpusmith.models.hub_publish import HubAccess
from corpusmith.models.loading import ModelPlace
from corpusmith.models.ray_cluster import ray_cluster
from corpusmith.models.training.place import Place
from corpusmith.store.writer import finished_part, write_part

Make = Callable[[OpenedModel, pa.Table], tuple[pa.Table, pa.Table]]
"""Rows in; rows out and ledger lines. Travels to other processes, so it is a function or dataclass of a module."""


@dataclass(frozen=True)
class Task:
    """Rows [start, start + rows) of the Parquet file `path` become part `index`."""

    index: int
    path: str
    start: int
    rows: int


@dataclass
class PartMaker:
    """Does tasks with one model, which is opened when the first one comes.

    Attributes:
        place: The model.
        folder: Staging folder of the step.
        make: What a slice becomes.
        context: Most tokens of a sequence; None = the model's own, at most 2,048.
        access: To the hub, for what is not in the local cache.
    """

    place: ModelPlace
    folder: Path
    make: Make
    context: int | None = None
    access: HubAccess | None = None
    _opened: OpenedModel | None = field(default=None, repr=False)

    def do(self, task: Task) -> int:
        """Do a task that is not done yet; its index."""
        if finished_part(self.folder, task.index) is None:
            if self._opened is None:
                self._opened = open_place(self.place, context=self.context, access=self.access)
            rows, lines = self.make(self._opened, read_slice(task))
            write_part(self.folder, task.index, rows, lines)
        return task.index


def slices(paths: Sequence[Path], rows: int, first: int = 0) -> Iterator[Task]:
    """Tasks of at most `rows` rows that together are the files, in order; the parts count up from `first`."""
    index = first
    for path in paths:
        size = pq.read_metadata(path).num_rows
        for start in range(0, size, rows):
            yield Task(index, str(path), start, min(rows, size - start))
            index += 1


def read_slice(task: Task) -> pa.Table:
    """The rows of a task; row groups that hold none of them are not read."""
    with pq.ParquetFile(task.path) as part:
        wanted, begin, first = [], 0, None
        for group in range(part.num_row_groups):
            size = part.metadata.row_group(group).num_rows
            if begin < task.start + task.rows and task.start < begin + size:
                first = begin if first is None else first
                wanted.append(group)
            begin += size
        return part.read_row_groups(wanted).slice(task.start - (first or 0), task.rows)


def do_parts(
    maker: PartMaker, tasks: Sequence[Task], place: Place, cancel: Cancel, emit: Callable[[str], None]
) -> None:
    """Do all tasks: their parts lie in the staging folder afterwards.

    Args:
        maker: With what.
        tasks: What to do.
        place: Where; `ray` = by actors of Ray Data.
        cancel: Asked between parts.
        emit: Takes progress lines.

    Raises:
        PreconditionError: Ray is not installed or out of reach, or the model cannot be opened.
        Cancelled, BudgetExceeded: As `cancel` said; finished parts stay.
    """
    todo = [task for task in tasks if finished_part(maker.folder, task.index) is None]
    rows, done = sum(task.rows for task in tasks), sum(task.rows for task in tasks) - sum(task.rows for task in todo)
    sizes = {task.index: task.rows for task in todo}
    with closing(_on_ray(maker, todo, place) if place.on_ray and todo else _here(maker, todo)) as finished:
        for index in finished:
            done += sizes[index]
            emit(f"{done:,} of {rows:,} rows")
            cancel.check()


def _here(maker: PartMaker, tasks: Sequence[Task]) -> Generator[int]:
    for task in tasks:
        yield maker.do(task)


class RayActor:
    """A `PartMaker` as Ray Data wants it: made once for each actor, called with a batch of tasks."""

    def __init__(self, maker: PartMaker) -> None:
        self._maker = maker

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Do the tasks of a batch; their indices."""
        columns = (batch[name].tolist() for name in ("index", "path", "start", "rows"))
        done = [self._maker.do(Task(*values)) for values in zip(*columns, strict=True)]
        return {"index": done}


def _on_ray(maker: PartMaker, tasks: Sequence[Task], place: Place) -> Generator[int]:
    with ray_cluster(place):
        import torch

        data: Any = import_module("ray.data")
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        context.verbose_stats_logs = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        found = data.from_items([asdict(task) for task in tasks], override_num_blocks=len(tasks)).map_batches(
            RayActor,
            fn_constructor_args=(maker,),
            batch_size=1,
            compute=data.ActorPoolStrategy(size=min(place.workers, len(tasks))),
            num_cpus=1,
            num_gpus=1 if torch.cuda.is_available() else 0,
        )
        try:
            for row in found.iter_rows():
                yield int(row["index"])
        except import_module("ray.exceptions").RayError as error:
            raise told(error) from error


def told(error: BaseException) -> CorpusmithError:
    """Our own error inside of what Ray raises, else one that says what Ray says."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, CorpusmithError):
            return inner
        inner = getattr(inner, "cause", None) or inner.__cause__
    lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return CorpusmithError(f"a worker of Ray failed: {lines[-1].strip()}", hint="Its log is in Ray's session folder.")
