"""What the decode child and its parent say to each other.

A message is a fixed header, a JSON object, and the raw bytes of at most one array. Nothing is pickled, and
the parent believes no length or shape that does not fit what it asked for. The job itself travels as one
JSON argument. Only the standard library is needed on either side.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Literal

from app.errors import (
    DecodeTimeout,
    EarsightError,
    InternalError,
    LimitExceeded,
    MediaCorrupt,
    MediaError,
    NoAudioStream,
    NoVideoStream,
    UnsupportedMedia,
)

HEADER = struct.Struct("<4sB3xIQ")  # magic, kind, bytes of JSON, bytes of array
MAGIC = b"ESM1"
MAX_META_BYTES = 64 * 1024
MAX_PAYLOAD_BYTES = 4096 * 4096 * 3  # the largest frame that `OverlaySettings.max_side` allows

MEMORY_SETTING = "EARSIGHT_DECODE__MEMORY_BYTES"
CPU_SETTING = "EARSIGHT_DECODE__CPU_S"
STALL_SETTING = "EARSIGHT_DECODE__STALL_S"


class Kind(IntEnum):
    """Messages of the child, in the order in which they may come."""

    SOURCE = 1  # once, first: `SourceReport`
    # {time_s, index, repeat}, (H, W, 3) uint8; no array when `repeat`: the last one again. In an outline
    # {time_s, index, start} with the fields of a `Start`, and no array.
    FRAME = 2
    SOUND = 3  # {start}, (n, channels) float32; `start` counts samples from time 0; blocks are contiguous
    BEAT = 4  # still at work, nothing to show yet
    NOTICE = 5  # {code, detail}
    END = 6  # all is sent
    ERROR = 7  # {code, detail, limit, setting}, last


@dataclass(frozen=True, slots=True)
class Budget:
    """`LimitSettings` as the child needs them."""

    max_duration_s: float
    max_pixels: int
    max_fps: float
    max_frames: int
    max_decoded_pixels: int

    def exceeded(self, name: str, detail: str) -> LimitExceeded:
        """The error for the limit called `name`."""
        limit: float = getattr(self, name)
        return LimitExceeded(detail, limit=limit, setting=f"EARSIGHT_LIMITS__{name.upper()}")


@dataclass(frozen=True, slots=True)
class Start:
    """A key frame from which the frames of a clip can be decoded.

    Attributes:
        packet: number of the packet that holds it, counted from 0 in the order of decoding.
        pts: its time in units of its stream.
        index: its number in the order of display.
        zero_s: when the first frame of the clip appears, on the clock of the container.
    """

    packet: int
    pts: int
    index: int
    zero_s: float


@dataclass(frozen=True, slots=True)
class Part:
    """Frames from the index `first`, which is sent whatever its time, up to the index `last`, or to the end.

    Decoding begins at `start`, which is no later than `first`.
    """

    start: Start
    first: int
    last: int | None


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """What the child shall do.

    Attributes:
        media_fds: two descriptors of the clip or image, each with an offset of its own: one is read for
            frames, the other for sound, so that a badly interleaved file needs no memory.
        sound_fd: descriptor of a separate sound file, -1 without one.
        square: side of the squashed frames in pixels; 0 keeps the displayed shape within `max_side`.
        fps: highest rate of the frames that are sent.
        sound_rate_hz, sound_channels: 0 takes what the track has, up to 48 kHz stereo.
        lead_s: sound is sent from so long before the first frame, and runs so far ahead of the frames.
        whole_sound: send the sound to its end even where it outlasts the picture.
        cpu_s, memory_bytes: rlimits.
        threads: decoder threads.
        outline: send all sound, but of the frames only when they come, with an empty picture.
        part: send these frames only, and no sound.
    """

    media_fds: tuple[int, int]
    sound_fd: int
    square: int
    max_side: int
    fps: float
    sound_rate_hz: int
    sound_channels: int
    lead_s: float
    whole_sound: bool
    budget: Budget
    cpu_s: int
    memory_bytes: int
    threads: int
    outline: bool = False
    part: Part | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> DecodeJob:
        fields = json.loads(text)
        first, second = fields.pop("media_fds")
        part = fields.pop("part")
        if part is not None:
            part = Part(Start(**part.pop("start")), **part)
        return cls(media_fds=(first, second), budget=Budget(**fields.pop("budget")), part=part, **fields)


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What the child found out before the first frame; see `SourceInfo` for the fields they share."""

    kind: Literal["video", "image"]
    width: int
    height: int
    rotation_deg: int
    duration_s: float
    fps: float
    container: str
    video_codec: str
    audio_codec: str | None
    frame_width: int  # of the frames that will be sent
    frame_height: int
    sound_rate_hz: int  # of the sound that will be sent; 0 without sound
    sound_channels: int


def pack(kind: Kind, meta: dict[str, Any], payload_bytes: int = 0) -> bytes:
    """Header and JSON of a message; the array follows."""
    text = json.dumps(meta).encode()
    return HEADER.pack(MAGIC, kind, len(text), payload_bytes) + text


def unpack_header(header: bytes) -> tuple[Kind, int, int]:
    """Kind, bytes of JSON and bytes of array. Raises InternalError if it is no header."""
    magic, kind, meta_bytes, payload_bytes = HEADER.unpack(header)
    known = kind in Kind.__members__.values()
    if magic != MAGIC or not known or meta_bytes > MAX_META_BYTES or payload_bytes > MAX_PAYLOAD_BYTES:
        raise InternalError("the decode child sent something that is no message")
    return Kind(kind), meta_bytes, payload_bytes


_ERRORS: dict[str, type[EarsightError]] = {
    error.code: error
    for error in (
        UnsupportedMedia,
        MediaCorrupt,
        NoVideoStream,
        NoAudioStream,
        LimitExceeded,
        DecodeTimeout,
    )
}


def error_meta(error: MediaError) -> dict[str, Any]:
    """An error as the object of an ERROR message."""
    return {"code": error.code, "detail": error.detail, "limit": error.limit, "setting": error.setting}


def error_from(meta: dict[str, Any]) -> EarsightError:
    """The error that an ERROR message speaks of; InternalError for a fault of the child itself."""
    error = _ERRORS.get(str(meta.get("code")), InternalError)
    return error(str(meta.get("detail")), limit=meta.get("limit"), setting=meta.get("setting"))
