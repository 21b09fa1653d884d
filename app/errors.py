"""The exception tree. The core raises these; `app.api.problems` alone knows which HTTP status each one is.

EarsightError
├── InputError                  the caller can mend it
│   ├── InvalidRequest          invalid_request
│   ├── NotFound                not_found
│   ├── NotAcceptable           not_acceptable
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
│   └── ModelNotReady           model_not_ready
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
    """

    code = "internal"
    title = "Internal error"

    def __init__(
        self, detail: str, *, limit: float | int | str | None = None, setting: str | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.limit = limit
        self.setting = setting


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


class BundleError(EarsightError):
    code = "invalid_bundle"
    title = "Invalid bundle"


class Canceled(EarsightError):
    code = "canceled"
    title = "Canceled"


class InternalError(EarsightError):
    pass
