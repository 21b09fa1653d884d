"""Opens untrusted files: container by its first bytes, codecs by allow-list, budgets by the headers.

FFmpeg never chooses the container and never sees a name: it gets an open file and the demuxer to use, so a
playlist that points at other files is not a video, whatever it is called. (Opened by path with the defaults,
an HLS playlist made FFmpeg read a second local file.)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import IO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from app.errors import MediaCorrupt, NoAudioStream, NoVideoStream, UnsupportedMedia
from app.media.protocol import Budget

VIDEO_CODECS = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg"})
IMAGE_CODECS = frozenset({"png", "mjpeg", "webp"})
AUDIO_CODECS = frozenset({"aac", "mp3", "opus", "vorbis", "flac", "alac"})
PCM_PREFIX = "pcm_"

# FFmpeg compares these with the names of decoders, not of codecs.
_DECODERS = (
    "h264,hevc,vp8,vp9,libdav1d,av1,mpeg4,mjpeg,png,webp,aac,mp3float,mp3,opus,vorbis,flac,alac,"
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,"
    "pcm_u8,pcm_s8,pcm_alaw,pcm_mulaw"
)
_MAX_STREAMS = 64  # a Matroska file counts each attached font as one
_MAX_SAMPLES = 1 << 20  # of one channel in one packet; a second of 192 kHz sound and more
_SOUND_RATES_HZ = range(4000, 384_001)
_MAX_CHANNELS = 16
_GENPTS = 1  # AVFMT_FLAG_GENPTS
_READ_BYTES = 64 * 1024
_HEAD_BYTES = 16


class Family(Enum):
    VIDEO = auto()
    SOUND = auto()
    IMAGE = auto()


@dataclass(frozen=True, slots=True)
class Format:
    """A container: FFmpeg's name of the demuxer, all aliases of it, and what it is for."""

    name: str
    aliases: str
    family: Family


_MOV = Format("mov", "mov,mp4,m4a,3gp,3g2,mj2", Family.VIDEO)
_MATROSKA = Format("matroska", "matroska,webm", Family.VIDEO)
_AVI = Format("avi", "avi", Family.VIDEO)
_WAV = Format("wav", "wav", Family.SOUND)
_FLAC = Format("flac", "flac", Family.SOUND)
_OGG = Format("ogg", "ogg", Family.SOUND)
_MP3 = Format("mp3", "mp3", Family.SOUND)
_ADTS = Format("aac", "aac", Family.SOUND)
_PNG = Format("png_pipe", "png_pipe", Family.IMAGE)
_JPEG = Format("jpeg_pipe", "jpeg_pipe", Family.IMAGE)
_WEBP = Format("webp_pipe", "webp_pipe", Family.IMAGE)

_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"\x1aE\xdf\xa3", _MATROSKA),
    (b"fLaC", _FLAC),
    (b"OggS", _OGG),
    (b"ID3", _MP3),
    (b"\x89PNG\r\n\x1a\n", _PNG),
    (b"\xff\xd8\xff", _JPEG),
)
_RIFF = {b"AVI ": _AVI, b"WAVE": _WAV, b"WEBP": _WEBP}


def sniff(head: bytes) -> Format:
    """The container whose file begins with `head` (16 bytes or more).

    Raises:
        MediaCorrupt: the file is empty.
        UnsupportedMedia: it begins like none of the containers that are accepted.
    """
    if not head:
        raise MediaCorrupt("the file is empty")
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] in _RIFF:
        return _RIFF[head[8:12]]
    # Old QuickTime files begin with a box other than ftyp; its length has a zero high byte unlike any text.
    if head[4:8] == b"ftyp" or (head[4:8] in (b"moov", b"mdat", b"wide") and head[0] == 0):
        return _MOV
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return _ADTS if head[1] & 0x06 == 0 else _MP3
    raise UnsupportedMedia(
        "not a container that is accepted: MP4, MOV, Matroska, WebM or AVI; PNG, JPEG or WebP;"
        " WAV, FLAC, Ogg, MP3 or AAC as the separate sound"
    )


def sniff_file(file: IO[bytes]) -> Format:
    """`sniff` for an open file, which is rewound."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    return sniff(head)


def open_container(file: IO[bytes], form: Format, *, budget: Budget) -> InputContainer:
    """Read the headers of a file that was sniffed as `form`. Raises MediaCorrupt if they make no sense."""
    options = {
        "format_whitelist": form.aliases,
        "protocol_whitelist": "none",  # there is no such protocol
        "max_streams": str(_MAX_STREAMS),
        # These two bind the probing only; the decoders that we open have options of their own, below.
        "codec_whitelist": _DECODERS,
        "max_pixels": str(budget.max_pixels),
    }
    try:
        container = av.open(
            file,
            mode="r",
            format=form.name,
            options=options,
            metadata_errors="replace",
            buffer_size=_READ_BYTES,
        )
    except (av.FFmpegError, EOFError, LookupError, MemoryError, ValueError) as error:
        # A header that asks for too much memory or too many streams comes back as MemoryError.
        raise MediaCorrupt("the headers of the file cannot be read") from error
    # PyAV asks FFmpeg to invent missing timestamps, which it does wrongly for reordered frames and by
    # buffering as many packets as it takes.
    container.flags &= ~_GENPTS
    return container


def video_stream(container: InputContainer, form: Format) -> VideoStream:
    """The stream to show; all others of the container are discarded while demuxing.

    Raises:
        NoVideoStream: there is none, or only the cover of an album.
        UnsupportedMedia: its codec is not accepted.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams or form.family is Family.SOUND:
        raise NoVideoStream("the file has no video stream")
    stream = max(streams, key=lambda s: bool(s.disposition & Disposition.default))
    allowed = IMAGE_CODECS if form.family is Family.IMAGE else VIDEO_CODECS
    name = codec_name(stream)
    if name not in allowed:
        raise UnsupportedMedia(f"the video codec {name} is not accepted; {', '.join(sorted(allowed))} are")
    _keep_only(container, stream)
    return stream


def audio_stream(container: InputContainer) -> AudioStream:
    """The sound track to hear; all other streams of the container are discarded while demuxing.

    Raises:
        NoAudioStream: there is none.
        UnsupportedMedia: its codec, rate or number of channels is not accepted.
    """
    streams = container.streams.audio
    if not streams:
        raise NoAudioStream("the file has no sound track")
    stream = max(streams, key=lambda s: bool(s.disposition & Disposition.default))
    name = codec_name(stream)
    if name not in AUDIO_CODECS and not name.startswith(PCM_PREFIX):
        raise UnsupportedMedia(
            f"the audio codec {name} is not accepted; {', '.join(sorted(AUDIO_CODECS))} and PCM are"
        )
    context = stream.codec_context
    if context.sample_rate not in _SOUND_RATES_HZ or not 0 < context.layout.nb_channels <= _MAX_CHANNELS:
        raise UnsupportedMedia("the sampling rate or the number of channels of the sound is out of range")
    _keep_only(container, stream)
    return stream


def codec_name(stream: AudioStream | VideoStream) -> str:
    """FFmpeg's name of the codec, not of the decoder that was chosen for it."""
    context = stream.codec_context
    if context is None:
        return "unknown"
    return context.codec.canonical_name


def open_decoder(stream: AudioStream | VideoStream, *, budget: Budget, threads: int) -> None:
    """Open the decoder of `stream` within its limits. Raises MediaCorrupt if its parameters make no sense."""
    context = stream.codec_context
    # Options of av.open do not reach the decoder that PyAV makes, so these have to be set here.
    context.options = {
        "codec_whitelist": _DECODERS,
        "max_pixels": str(budget.max_pixels),
        "max_samples": str(_MAX_SAMPLES),
    }
    context.thread_type = "SLICE"
    context.thread_count = threads
    try:
        context.open()
    except (av.FFmpegError, ValueError) as error:
        raise MediaCorrupt(f"the decoder for {codec_name(stream)} refuses the stream") from error


def check_picture(width: int, height: int, *, budget: Budget) -> None:
    """Raises MediaCorrupt or LimitExceeded for a frame of so many pixels."""
    if width < 1 or height < 1:
        raise MediaCorrupt("the video has no picture size")
    if width * height > budget.max_pixels:
        raise budget.exceeded(
            "max_pixels", f"frames of {width} x {height} pixels are larger than {budget.max_pixels} pixels"
        )


def check_header(stream: VideoStream, *, duration_s: float, fps: float, budget: Budget) -> None:
    """Refuse at once what the headers of a moving clip already say is too much. Raises LimitExceeded."""
    width, height = stream.codec_context.width, stream.codec_context.height
    check_picture(width, height, budget=budget)
    if duration_s > budget.max_duration_s:
        raise budget.exceeded(
            "max_duration_s", f"the clip is {duration_s:.0f} s long, {budget.max_duration_s:g} s are allowed"
        )
    n_frames = max(stream.frames, int(duration_s * fps))
    # The rate in the header of a clip of a few frames means nothing.
    if fps > budget.max_fps and n_frames > budget.max_fps:
        raise budget.exceeded(
            "max_fps", f"the clip has {fps:.0f} frames per second, {budget.max_fps:g} are allowed"
        )
    if stream.frames > budget.max_frames:
        raise budget.exceeded(
            "max_frames", f"the clip has {stream.frames} frames, {budget.max_frames} are allowed"
        )
    if stream.frames * width * height > budget.max_decoded_pixels:
        raise budget.exceeded(
            "max_decoded_pixels",
            f"{stream.frames} frames of {width} x {height} pixels are too much to decode",
        )


def _keep_only(container: InputContainer, keep: AudioStream | VideoStream) -> None:
    for stream in container.streams:
        if stream.index != keep.index:
            stream.discard = Discard.all
