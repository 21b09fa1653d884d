"""How long and how often a client tries."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from tenacity import (
    RetryCallState,
    retry_if_exception,
    stop_before_delay,
    wait_exponential,
    wait_random,
)

from app.client.answers import worth_repeating
from app.client.calls import Call, T
from app.client.documents import ENDED, JobDocument
from app.client.errors import EarsightApiError, JobFailed, WaitTimeout

_MAX_UPLOADS = 10


@dataclass(frozen=True, slots=True)
class Patience:
    """Times in seconds.

    Attributes:
        outage_s: a request is tried again for so long after it was first sent. With an upload only the
            pauses count, not the time that it takes to send it; and it is tried ten times at most.
        pause_s: before the second try and between two connections of a stream; it doubles from try to try.
        longest_pause_s: where it stops doubling. What the server asks for by Retry-After may be longer.
        poll_s: the server is asked to hold back its answer for so long while a job does not end; at most 30.
        progress_s: the same, for a caller that wants to see progress.
    """

    outage_s: float = 300.0
    pause_s: float = 0.5
    longest_pause_s: float = 20.0
    poll_s: float = 20.0
    progress_s: float = 1.0


def repeating(patience: Patience, call: Call[T], *, within_s: float | None = None) -> dict[str, Any]:
    """Arguments of `tenacity.Retrying` and `AsyncRetrying`.

    Args:
        within_s: seconds after which the caller does not want to wait any more; None for `outage_s`.
    """
    limit_s = patience.outage_s if within_s is None else min(within_s, patience.outage_s)
    return {
        "retry": retry_if_exception(partial(worth_repeating, costly=call.costly)),
        "stop": partial(_upload_ends, limit_s) if call.files else stop_before_delay(limit_s),
        "wait": partial(_pause_s, patience),
        "reraise": True,
    }


def _upload_ends(limit_s: float, state: RetryCallState) -> bool:
    return state.attempt_number >= _MAX_UPLOADS or state.idle_for + state.upcoming_sleep >= limit_s


def _pause_s(patience: Patience, state: RetryCallState) -> float:
    """As long as the server asks for, else exponential; and a little more, so that not all come at once."""
    jitter_s = wait_random(0, patience.pause_s)(state)
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, EarsightApiError) and error.retry_after_s is not None:
        return error.retry_after_s + jitter_s
    return wait_exponential(patience.pause_s, patience.longest_pause_s)(state) + jitter_s


class Waiting:
    """The time that a caller gives a job.

    Args:
        timeout_s: None for as long as it takes.
        often: whether the caller wants to see progress.
    """

    def __init__(self, patience: Patience, *, timeout_s: float | None, often: bool) -> None:
        self._hold_s = patience.progress_s if often else patience.poll_s
        self._pause_s = patience.pause_s
        self._end_s = None if timeout_s is None else time.monotonic() + timeout_s

    @property
    def left_s(self) -> float | None:
        return None if self._end_s is None else max(0.0, self._end_s - time.monotonic())

    @property
    def hold_s(self) -> float:
        """For how long the server may hold back its answer now."""
        left_s = self.left_s
        return self._hold_s if left_s is None else min(self._hold_s, left_s)

    def pause_s(self, job: JobDocument) -> float | None:
        """Seconds until to ask again; None when the job has succeeded. Only what it says itself ends a job.

        Raises JobFailed and WaitTimeout.
        """
        if job.status == "succeeded":
            return None
        if job.status in ENDED:
            raise JobFailed(job)
        if self.left_s == 0:
            raise WaitTimeout(job)
        return self._pause_s
