"""The fine-tuning API of a provider, as we use it: files, jobs, their events and checkpoints.

Reading is asked again while that can help; a job is ordered by one request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from corpusmith.models.chat_errors import ModelRequestError
from corpusmith.models.hosted.calls import Caller
from corpusmith.models.hosted.files import TrainingFile
from corpusmith.models.hosted.shapes import FileSaid, Job, JobCheckpoint, JobEvent, JobOrder, Named, Page, Said

if TYPE_CHECKING:
    from openai import OpenAI

KEY_NAME = "corpusmith_job"
"""Key of a job's metadata: the key of the order, by which it is found again."""

ATTEMPT_NAME = "corpusmith_attempt"
"""Key of a job's metadata: which request made it."""

PAGE = 100
MOST_PAGES = 50
M = TypeVar("M", bound=Said)
N = TypeVar("N", bound=Named)


class HostedJobs:
    """The API.

    Args:
        client: From `access.open_client`.
        caller: How to ask, and how patient to be.
    """

    def __init__(self, client: OpenAI, caller: Caller) -> None:
        self.client, self.caller = client, caller

    def put_file(self, file: TrainingFile) -> str:
        """The id of this file at the provider: of a copy that is there already, else of a new one.

        Raises:
            ModelFailure: The provider refuses, or is not reached.
        """
        path = file.path
        if path is None:
            raise ValueError("a file that was only measured cannot be sent")

        def find_or_send() -> str:
            return self._find_file(file) or self._send_file(path, file.name)

        return self.caller.ask("send the training file", find_or_send)

    def _send_file(self, path: Path, name: str) -> str:
        with path.open("rb") as source:
            raw = self.client.files.with_raw_response.create(
                file=(name, source, "application/jsonl"), purpose="fine-tune"
            )
        return _read(raw.content, FileSaid).id

    def _find_file(self, file: TrainingFile) -> str | None:
        def page(after: dict[str, Any]) -> bytes:
            return self.client.files.with_raw_response.list(purpose="fine-tune", limit=PAGE, **after).content

        for found in _pages(page, FileSaid):
            if (found.filename, found.bytes) == (file.name, file.size_bytes) and found.status != "error":
                return found.id
        return None

    def has_file(self, file_id: str) -> bool:
        """Whether the provider still has it.

        Raises:
            ModelFailure: It is not reached.
        """
        files = self.client.files.with_raw_response
        try:
            self.caller.ask("look for the file", lambda: _read(files.retrieve(file_id).content, FileSaid))
        except ModelRequestError:
            return False
        return True

    def lost_model(self, model_id: str) -> bool:
        """Whether the provider says that it has no such model (any more). Not every provider can be asked.

        Raises:
            ModelFailure: It is not reached.
        """
        models = self.client.models.with_raw_response
        try:
            self.caller.ask("look for the model", lambda: _read(models.retrieve(model_id).content, Named))
        except ModelRequestError as error:
            return bool(error.fields["code"] == "model_not_found")
        return False

    def delete_file(self, file_id: str) -> None:
        """Take a file away; one that is gone is gone.

        Raises:
            ModelFailure: The provider refuses, or is not reached.
        """
        try:
            self.caller.ask("delete the training file", lambda: self.client.files.with_raw_response.delete(file_id))
        except ModelRequestError as error:
            if error.fields["status"] != 404:
                raise

    def create(
        self, order: JobOrder, training: str, validation: str | None, notes: Mapping[str, str], once: str
    ) -> Job:
        """Order a job: one request, which costs money.

        Args:
            order: What to train.
            training: File id.
            validation: File id, or None.
            notes: Further metadata.
            once: Noted with the job, and sent as `Idempotency-Key`: a provider that knows that answers a second
                request with the first job.

        Raises:
            ModelFailure: Of the kinds `calls.UNSURE`: the job may have been made. Else it was not.
        """
        more: dict[str, Any] = {"validation_file": validation, "suffix": order.suffix, "method": order.method_said()}

        def send() -> Job:
            raw = self.client.fine_tuning.jobs.with_raw_response.create(
                model=order.base,
                training_file=training,
                seed=order.seed,
                metadata={KEY_NAME: order.key, ATTEMPT_NAME: once, **notes},
                extra_headers={"Idempotency-Key": once},
                **{name: value for name, value in more.items() if value is not None},
            )
            return _read(raw.content, Job)

        return self.caller.once(f"fine-tune {order.base}", send)

    def find(self, order: JobOrder) -> list[Job]:
        """Jobs that were ordered by this very order, the newest first.

        Raises:
            ModelFailure: The provider is not reached.
        """

        def page(after: dict[str, Any]) -> bytes:
            wanted = {KEY_NAME: order.key}
            return self.client.fine_tuning.jobs.with_raw_response.list(limit=PAGE, metadata=wanted, **after).content

        # a provider that does not know the filter lists them all
        return self.caller.ask(
            "list the jobs",
            lambda: [job for job in _pages(page, Job) if job.noted(KEY_NAME) == order.key],
        )

    def job(self, job_id: str) -> Job:
        """How a job stands.

        Raises:
            ModelFailure: There is none, or the provider is not reached.
        """
        jobs = self.client.fine_tuning.jobs.with_raw_response
        return self.caller.ask(f"look at job {job_id}", lambda: _read(jobs.retrieve(job_id).content, Job))

    def events(self, job_id: str, known: frozenset[str] = frozenset()) -> list[JobEvent]:
        """Events of a job in the order in which they happened, without the known and what lies before them.

        None where the provider has no such thing.

        Raises:
            ModelFailure: The provider is not reached.
        """
        jobs = self.client.fine_tuning.jobs.with_raw_response

        def page(after: dict[str, Any]) -> bytes:
            return jobs.list_events(job_id, limit=PAGE, **after).content

        def read() -> list[JobEvent]:
            found = []
            for event in _pages(page, JobEvent):  # the newest first
                if event.id in known:
                    break
                found.append(event)
            found.reverse()
            return sorted(found, key=lambda event: event.created_at)

        try:
            return self.caller.ask(f"read the events of job {job_id}", read)
        except ModelRequestError:
            return []

    def checkpoints(self, job_id: str) -> list[JobCheckpoint]:
        """Checkpoints of a job by step; none where the provider has no such thing.

        Raises:
            ModelFailure: The provider is not reached.
        """
        checkpoints = self.client.fine_tuning.jobs.checkpoints.with_raw_response

        def page(after: dict[str, Any]) -> bytes:
            return checkpoints.list(job_id, limit=PAGE, **after).content

        try:
            found = self.caller.ask("list the checkpoints", lambda: list(_pages(page, JobCheckpoint)))
        except ModelRequestError:
            return []
        return sorted(found, key=lambda checkpoint: checkpoint.step_number)

    def cancel(self, job_id: str) -> Job:
        """Stop a job for good.

        Raises:
            ModelFailure: It has ended already, or the provider is not reached.
        """
        jobs = self.client.fine_tuning.jobs.with_raw_response
        return self.caller.ask(f"cancel job {job_id}", lambda: _read(jobs.cancel(job_id).content, Job))


def _read(raw: bytes, kind: type[M]) -> M:
    return kind.model_validate_json(raw)


def _pages(page: Callable[[dict[str, Any]], bytes], kind: type[N]) -> Iterator[N]:
    after: dict[str, Any] = {}
    for _ in range(MOST_PAGES):
        said = _read(page(after), Page)
        found = [kind.model_validate(item) for item in said.data]
        yield from found
        if not (said.has_more and found):
            return
        after = {"after": found[-1].id}
