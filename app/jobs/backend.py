"""What does the jobs: the seam between the API, which accepts them, and whatever works on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.jobs.lines import LiveLines


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many jobs can run at the same time, and how many do."""

    workers: int
    busy: int


class JobBackend(Protocol):
    """Works on the jobs of the store. Its methods may be called from any thread and do not block, except
    `start` and `stop`.

    The store is the truth: a backend that is not told of a job finds it there within a second.
    """

    def start(self) -> None:
        """Begin to work. What a process that died had begun is begun anew once its leases are over."""

    def submit(self, job_id: str) -> None:
        """Say that a job was added."""

    def cancel(self, job_id: str) -> None:
        """Say that the end of a job was asked for."""

    def lines(self, job_id: str) -> LiveLines | None:
        """The lines of a job that runs here; None if it does not."""

    def capacity(self) -> Capacity: ...

    def ailment(self) -> str | None:
        """What keeps the backend from working, for people; None if nothing does."""

    def drain(self) -> None:
        """Begin no more jobs."""

    @property
    def idle(self) -> bool:
        """Whether no job is being worked on."""

    def stop(self) -> None:
        """Put what still runs back into the queue and end. Blocks until that is done."""
