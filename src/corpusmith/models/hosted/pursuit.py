"""From an order to a finished job, through kills, lost answers and bad nights, without ever paying twice.

What is sent and what is started is noted on the disk before anything else is done with it (`notes`). For the moment
between the provider's "made" and our note there is the metadata of the job: the key of the order, by which it is found
again, whoever ordered it. So the request for a job is sent only when no job of this order is there that runs or has
succeeded, and after an answer that was lost we look before we ask again.

A job is left running when we are stopped: it was paid for, and the same step, run again, goes on waiting for it. It
is cancelled only when that was asked for.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from corpusmith.core.errors import BudgetExceeded, Cancelled, PreconditionError
from corpusmith.core.tools import Cancel
from corpusmith.models.chat_errors import ModelFailure, ModelRequestError
from corpusmith.models.chat_failures import mask
from corpusmith.models.hosted.access import HostedAccess
from corpusmith.models.hosted.calls import UNSURE, Caller, passes
from corpusmith.models.hosted.files import TrainingFile
from corpusmith.models.hosted.jobs import ATTEMPT_NAME, HostedJobs
from corpusmith.models.hosted.notes import Notebook
from corpusmith.models.hosted.purse import Purse
from corpusmith.models.hosted.shapes import Job, JobEvent, JobOrder

WhenStopped = Literal["leave", "cancel"]
_SLICE_S = 0.25


def pauser(cancel: Cancel) -> Callable[[float], None]:
    """A sleep that ends when work is to stop, by raising what `cancel` raises."""

    def pause(seconds: float) -> None:
        end = time.monotonic() + seconds
        cancel.check()
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE_S))
            cancel.check()

    return pause


@dataclass
class Pursuit:
    """One order on its way.

    Attributes:
        jobs: The API.
        order: What is wanted.
        training: Its file.
        validation: Its file, or None.
        book: The step's note.
        purse: Says whether it may be paid, and keeps the books.
        metadata: Further metadata of the job, for people.
        emit: Takes progress lines.
        poll_s: Seconds between two looks.
        when_stopped: What becomes of the job when we are stopped.
        events: What the provider said so far, filled while waiting.
    """

    jobs: HostedJobs
    order: JobOrder
    training: TrainingFile
    validation: TrainingFile | None
    book: Notebook
    purse: Purse
    metadata: dict[str, str]
    emit: Callable[[str], None]
    poll_s: float
    when_stopped: WhenStopped = "leave"
    events: list[JobEvent] = field(default_factory=list)

    @property
    def access(self) -> HostedAccess:
        """The provider."""
        return self.jobs.caller.access

    def run(self) -> Job:
        """The finished job: of an earlier attempt, of another step that wanted the same, or a new one.

        Raises:
            PreconditionError: The job failed or was cancelled, or the provider does not know a job that we noted.
            Cancelled, BudgetExceeded: As `Cancel` said; the message says what became of the job.
            ModelFailure: The provider refuses, or is out of reach for too long.
        """
        try:
            return self._follow(self._under_way() or self._order())
        except (Cancelled, BudgetExceeded) as stop:
            raise type(stop)(f"{stop.message}{self._fate()}", hint=stop.hint, **stop.fields) from None

    def _under_way(self) -> Job | None:
        """A job of this order that is there already."""
        now = self.book.now
        if now.job is not None:
            self.emit(f"going on with job {now.job}")
            job = self._noted(now.job)
        else:
            found = self._find(1 if now.attempt is None else self.access.attempts)  # a list may lag behind
            if found is None:
                return None
            job = found
            ours = now.attempt is not None and job.noted(ATTEMPT_NAME) == now.attempt
            self.book.write(job=job.id, ours=ours, training_file=job.training_file, validation_file=job.validation_file)
            self.emit(f"found job {job.id} ({job.status}), ordered before; nothing is paid anew")
        if self.book.now.ours:
            self.purse.ordered()
        return job

    def _noted(self, job_id: str) -> Job:
        try:
            return self.jobs.job(job_id)
        except ModelRequestError as error:
            if error.fields["status"] != 404:
                raise
            raise PreconditionError(
                f"{self.access.host} does not know the job {job_id} that this step started",
                hint=f"Use the key of the project that it was started with; to start another, delete {self.book.path}.",
            ) from None

    def _find(self, tries: int) -> Job | None:
        for attempt in range(tries):
            for job in self.jobs.find(self.order):
                gone = job.lost or job.id in self.book.now.lost_jobs
                if not gone and job.fine_tuned_model:
                    gone = self.jobs.lost_model(job.fine_tuned_model)
                if not gone:
                    return job
            if attempt + 1 < tries:
                self.jobs.caller.pause(self.access.backoff_s * 2**attempt)
        return None

    def _order(self) -> Job:
        """Send the files and ask for a job, once."""
        self.purse.reserve()
        training = self._sent(self.book.now.training_file, self.training)
        self.book.write(training_file=training)
        validation = None
        if self.validation is not None:
            validation = self._sent(self.book.now.validation_file, self.validation)
            self.book.write(validation_file=validation)
        self.book.write(attempt=self.book.now.attempt or uuid.uuid4().hex)
        job = self._ask(training, validation)
        self.book.write(job=job.id, ours=True)
        self.purse.ordered()
        self.emit(f"job {job.id} fine-tunes {job.model}")
        return job

    def _sent(self, noted: str | None, file: TrainingFile) -> str:
        if noted is not None and self.jobs.has_file(noted):
            return noted
        self.emit(f"sending {file.rows:,} examples, {file.size_bytes:,} bytes")
        return self.jobs.put_file(file)

    def _ask(self, training: str, validation: str | None) -> Job:
        caller, once = self.jobs.caller, self.book.now.attempt or ""
        attempt, unsure = 0, False
        while True:
            try:
                return self.jobs.create(self.order, training, validation, self.metadata, once)
            except ModelFailure as failure:
                problem = failure
            attempt += 1
            unsure = unsure or isinstance(problem, UNSURE)
            wait = caller.wait_before(attempt, problem)
            if wait is not None:
                caller.pause(wait)
            if unsure and (found := self._find(1)):
                return found
            if wait is None:
                if not unsure:  # surely not made
                    self.book.write(attempt=None)
                raise problem

    def _follow(self, job: Job) -> Job:
        """Wait for the end."""
        status, heard = "", time.monotonic()
        known: frozenset[str] = frozenset()
        while True:
            try:
                job = self.jobs.job(job.id)
                news = self.jobs.events(job.id, known)
                heard = time.monotonic()
            except ModelFailure as failure:
                if not passes(failure) or time.monotonic() - heard > self.access.patience_s:
                    raise
                self.emit(f"job {job.id}: {failure.message}; asking again")
                self.jobs.caller.pause(self.poll_s)
                continue
            known |= {event.id for event in news}
            self.events += news
            for event in news:
                self.emit(f"{job.id}: {self._mask(event.message)}")
            if job.status != status:
                self.emit(f"{job.id}: {job.status}")
                status = job.status
            if job.ended:
                return self._ended(job)
            self.jobs.caller.pause(self.poll_s)

    def _ended(self, job: Job) -> Job:
        if self.book.now.ours:
            self.purse.settle(job)
        if job.lost:
            self._forget(job.id)
            error = job.error
            said = self._mask(f"{error.code or ''}: {error.message or ''}".strip(": ")) if error else ""
            fate = "failed" if job.status == "failed" else "was cancelled at the provider"
            raise PreconditionError(
                f"the fine-tuning job {job.id} {fate}{said and ': '}{said}",
                hint="Run the step again to order another.",
                job=job.id,
                status=job.status,
            )
        if not job.fine_tuned_model:
            raise PreconditionError(f"the job {job.id} succeeded and names no model", hint="Ask the provider.")
        return job

    def _forget(self, job_id: str) -> None:
        """The next attempt at the step orders another."""
        lost = (*self.book.now.lost_jobs, job_id)
        self.book.write(job=None, attempt=None, ours=False, debited_usd=0.0, lost_jobs=lost)

    def _fate(self) -> str:
        """What becomes of the job when we are stopped; cancels it when that was asked for."""
        job_id, host = self.book.now.job, self.access.host
        if job_id is None:
            lost = f"; a job may have been ordered at {host}: the same step, run again, looks for it first"
            return "" if self.book.now.attempt is None else lost
        if self.when_stopped == "leave":
            return f"; job {job_id} goes on at {host}: the same step, run again, waits for it and pays nothing anew"
        try:
            HostedJobs(self.jobs.client, Caller(self.access)).cancel(job_id)  # with a pause that does not raise
        except ModelFailure as failure:
            return f"; job {job_id} could not be cancelled and may go on: {failure.message}"
        self._forget(job_id)
        return f"; job {job_id} was cancelled, as asked"

    def _mask(self, text: str) -> str:
        return mask(text, self.access.secrets())
