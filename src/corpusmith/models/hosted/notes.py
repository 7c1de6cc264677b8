"""What a step has under way at the provider, written down before anything else is done with it.

The note lies in the step's staging folder, fsync'd at each change, and outlives a kill: the next attempt at the step
reads it and goes on with the same file and the same job. The finished artifact keeps it.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corpusmith.core.errors import PreconditionError
from corpusmith.store.files import write_atomic

NOTE_FILE = "hosted.json"


class HostedNote(BaseModel):
    """One step's files and job at a provider."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    endpoint: str
    order: str = Field(description="key of the order")
    training_file: str | None = None
    validation_file: str | None = None
    attempt: str | None = Field(None, description="sent with the request for a job, noted before it is sent")
    job: str | None = None
    ours: bool = Field(False, description="whether this step ordered the job, or found one that was there")
    debited_usd: float = Field(0.0, description="taken from the run's budget for this job so far")
    lost_jobs: tuple[str, ...] = Field((), description="jobs of this step that failed or were cancelled")


class Notebook:
    """The note in a file.

    Args:
        path: Where it is, or will be.
        endpoint: The provider's address.
        order: Key of the order.

    Raises:
        PreconditionError: There is a note, and it cannot be read or is of a job for another order.
    """

    def __init__(self, path: Path, endpoint: str, order: str) -> None:
        self.path = path
        self.now = HostedNote(endpoint=endpoint, order=order)
        if not path.exists():
            return
        try:
            found = HostedNote.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise PreconditionError(
                f"{path} is damaged, and a job may be under way that only it knows",
                hint="Look at the provider's list of jobs, then delete the file.",
            ) from error
        if (found.endpoint, found.order) == (endpoint, order):
            self.now = found
        elif found.job or found.attempt:
            raise PreconditionError(
                f"{path} tells of a job for another order ({found.job or 'not known'} at {found.endpoint})",
                hint="Look at the provider's list of jobs, then delete the file.",
            )

    def write(self, **changes: object) -> HostedNote:
        """Change the note; it is on the disk when this returns."""
        self.now = HostedNote.model_validate({**self.now.model_dump(), **changes})
        write_atomic(self.path, self.now.model_dump_json(indent=1).encode())
        return self.now
