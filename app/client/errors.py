"""What can go wrong between a client and the server."""

from __future__ import annotations

from app.client.documents import JobDocument

GATEWAY = "gateway"


class EarsightClientError(Exception):
    """All errors of this package."""


class EarsightApiError(EarsightClientError):
    """The server, or a gateway before it, refused a request.

    Attributes:
        status: HTTP status.
        code: stable name of the error, as in docs/api.md; `gateway` if the answer is not the server's.
        detail: one sentence for people.
        limit: the value that was exceeded, if a limit was hit.
        setting: the setting of the server that changes the limit.
        request_id: where to find the request in the server's logs.
        retry_after_s: when to try again, if the answer says so.
    """

    def __init__(
        self,
        detail: str,
        *,
        status: int,
        code: str,
        limit: float | int | str | None = None,
        setting: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{code} ({status}): {detail}")
        self.detail = detail
        self.status = status
        self.code = code
        self.limit = limit
        self.setting = setting
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class Unreachable(EarsightClientError):
    """No answer came, however often it was tried."""


class WaitTimeout(EarsightClientError, TimeoutError):
    """The job did not end in time; it goes on. `job` is its last known state."""

    def __init__(self, job: JobDocument) -> None:
        super().__init__(f"{job.id} is still {job.status}")
        self.job = job


class JobFailed(EarsightClientError):
    """The job ended without a result: it failed, was canceled, or its result was removed.

    Attributes:
        job: its last state.
        code, detail: of its problem; the status and None if it has none.
    """

    def __init__(self, job: JobDocument) -> None:
        self.job = job
        self.code = job.error.code if job.error else job.status
        self.detail = job.error.detail if job.error else None
        super().__init__(f"{job.id} {job.status}" + (f": {self.detail} ({self.code})" if job.error else ""))


class DownloadCorrupt(EarsightClientError):
    """What was downloaded is not what the server has; it was removed here."""


class WebhookRejected(EarsightClientError):
    """A message is not signed with the secret, too old, or no message of Earsight's."""
