"""The exception tree. The core raises these; `app.api.problems` alone knows which HTTP status each one is.

EarsightError
├── InputError                  the caller can mend it
│   ├── InvalidRequest          invalid_request
│   ├── NotFound                not_found
│   ├── NotAcceptable           not_acceptable
│   ├── Unauthorized            unauthorized
│   ├── Forbidden               forbidden
│   ├── RateLimited             rate_limited
│   ├── IdempotencyMismatch     idempotency_mismatch
│   ├── IdempotencyInProgress   idempotency_in_progress
│   ├── ResultNotReady          result_not_ready
│   ├── NoResult                no_result: the job failed or was canceled
│   ├── ResultExpired           result_expired
│   ├── UploadTooLarge          upload_too_large
│   ├── UploadTimeout           upload_timeout
│   └── MediaError              something about the bytes themselves
│       ├── UnsupportedMedia    unsupported_media
│       ├── MediaCorrupt        media_corrupt
│       ├── NoVideoStream       no_video_stream
│       ├── NoAudioStream       no_audio_stream
│       ├── LimitExceeded       limits_exceeded
│       └── DecodeTimeout       decode_timeout
├── Unavailable                 try again later
│   ├── Overloaded              overloaded
│   ├── ModelNotReady           model_not_ready
│   ├── StoreUnavailable        store_unavailable
│   └── NoSpace                 no_space
├── JobError                    what a job may end with beside the errors of its input
│   ├── DeadlineExceeded        deadline_exceeded
│   └── WorkerLost              worker_lost
├── BundleError                 invalid_bundle: a bundle that must not be served
├── Canceled                    canceled
└── InternalError               internal
"""

from __future__ import annotations


class EarsightError(Exception):
    """Base of every error that Earsight raises on purpose.

    Args:
        detail: one sentence for the person who has to act on it.
        limit: the value that was exceeded, if a limit was hit.
        setting: the environment variable that changes that limit.
        retry_after_s: seconds after which to try again, if that is known.
    """

    code = "internal"
    title = "Internal error"

    def __init__(
        self,
        detail: str,
        *,
        limit: float | int | str | None = None,
        setting: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.limit = limit
        self.setting = setting
        self.retry_after_s = retry_after_s


class InputError(EarsightError):
    code = "invalid_request"
    title = "Invalid request"


class InvalidRequest(InputError):
    pass


class NotFound(InputError):
    code = "not_found"
    title = "Not found"


class NotAcceptable(InputError):
    code = "not_acceptable"
    title = "No such representation"


class UploadTooLarge(InputError):
    code = "upload_too_large"
    title = "Upload too large"


class UploadTimeout(InputError):
    code = "upload_timeout"
    title = "Upload too slow"


class Unauthorized(InputError):
    code = "unauthorized"
    title = "No valid API key"


class Forbidden(InputError):
    code = "forbidden"
    title = "The API key does not allow this"


class RateLimited(InputError):
    code = "rate_limited"
    title = "Too many requests"


class IdempotencyMismatch(InputError):
    code = "idempotency_mismatch"
    title = "Idempotency-Key was used for something else"


class IdempotencyInProgress(InputError):
    code = "idempotency_in_progress"
    title = "Idempotency-Key is in use"


class ResultNotReady(InputError):
    code = "result_not_ready"
    title = "The job has not ended"


class NoResult(InputError):
    code = "no_result"
    title = "The job ended without a result"


class ResultExpired(InputError):
    code = "result_expired"
    title = "The result was removed"


class MediaError(InputError):
    code = "media_corrupt"
    title = "Media cannot be used"


class UnsupportedMedia(MediaError):
    code = "unsupported_media"
    title = "Unsupported media"


class MediaCorrupt(MediaError):
    code = "media_corrupt"
    title = "Media cannot be decoded"


class NoVideoStream(MediaError):
    code = "no_video_stream"
    title = "No video stream"


class NoAudioStream(MediaError):
    code = "no_audio_stream"
    title = "No audio stream"


class LimitExceeded(MediaError):
    code = "limits_exceeded"
    title = "A limit was exceeded"


class DecodeTimeout(MediaError):
    code = "decode_timeout"
    title = "Decoding took too long"


class Unavailable(EarsightError):
    code = "overloaded"
    title = "Unavailable"


class Overloaded(Unavailable):
    code = "overloaded"
    title = "Overloaded"


class ModelNotReady(Unavailable):
    code = "model_not_ready"
    title = "Model not ready"


class StoreUnavailable(Unavailable):
    code = "store_unavailable"
    title = "Job store unavailable"


class NoSpace(Unavailable):
    code = "no_space"
    title = "No space left"


class JobError(EarsightError):
    pass


class DeadlineExceeded(JobError):
    code = "deadline_exceeded"
    title = "The job took too long"


class WorkerLost(JobError):
    code = "worker_lost"
    title = "The worker was lost"


class BundleError(EarsightError):
    code = "invalid_bundle"
    title = "Invalid bundle"


class Canceled(EarsightError):
    code = "canceled"
    title = "Canceled"


class InternalError(EarsightError):
    pass


def error_kinds() -> tuple[type[EarsightError], ...]:
    """Every kind of error there is, each after the one it derives from."""
    found: list[type[EarsightError]] = [EarsightError]
    for kind in found:  # grows meanwhile
        found += kind.__subclasses__()
    return tuple(found)
