"""Clips of any length to measure with, made in seconds: one short piece is encoded, then repeated."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from app.media.display import DisplayFrame, open_display
from app.media.encode import ClipWriter, YuvConverter
from app.settings import Settings

SAMPLE = Path(__file__).parents[1] / "samples" / "sample.mp4"

HEIGHT, HEIGHTS = 720, (360, 720, 1080)
FPS = 8.0  # frames analysed per second where a figure does not take the rate of the bundle

_CLIP_FPS = 30
_PIECE_S = 8
_SOUND_RATE_HZ = 48_000
_PAN_PIXELS = 4  # per frame


class Clips:
    """Clips in a directory, made when they are first asked for.

    Attributes:
        content: what they show; known once there is one.
    """

    def __init__(self, directory: Path, settings: Settings) -> None:
        self._directory = directory
        self._settings = settings
        self.content = ""

    def get(self, duration_s: float, *, height: int = HEIGHT) -> Path:
        """A clip of that length at 16:9 and 30 frames per second; its name tells the length."""
        path = self._directory / f"{height}p" / f"{duration_s:g}s.mp4"
        if not path.exists():
            piece = path.with_name("piece.mp4")
            if not piece.exists():
                path.parent.mkdir(parents=True)
                self.content = write_piece(piece, settings=self._settings, height=height)
            repeat_piece(piece, path, duration_s=duration_s)
        return path


def write_piece(path: Path, *, settings: Settings, height: int = HEIGHT) -> str:
    """Encode 8 s of 16:9 at 30 frames per second with sound, and say what it shows.

    Every frame is panned a little further than the one before: the pipeline encodes a picture that stands
    still only once, and a clip made of such pictures would flatter it.
    """
    width = height * 16 // 9
    pictures, content = _sample_pictures(width, height, settings), "the sample clip, panned"
    if not pictures:
        pictures, content = [_random_picture(width, height)], "random blocks, panned"
    sound = _sound()
    converter = YuvConverter()
    with ClipWriter(
        path,
        width=width,
        height=height,
        fps=_CLIP_FPS,
        sound_rate_hz=_SOUND_RATE_HZ,
        sound_channels=1,
        preset="ultrafast",
    ) as writer:
        for index in range(_PIECE_S * _CLIP_FPS):
            picture = pictures[index * len(pictures) // (_PIECE_S * _CLIP_FPS)]
            panned = np.ascontiguousarray(np.roll(picture, _PAN_PIXELS * index, axis=1))
            writer.add_frame(converter.convert(panned), index / _CLIP_FPS)
            begin = index * _SOUND_RATE_HZ // _CLIP_FPS
            writer.add_sound(sound[begin : begin + _SOUND_RATE_HZ // _CLIP_FPS], begin / _SOUND_RATE_HZ)
    return content


def repeat_piece(piece: Path, path: Path, *, duration_s: float) -> None:
    """Write a clip of that length that repeats the piece; packets are copied, so it takes no time."""
    with av.open(str(piece)) as source, av.open(str(path), "w", format="mp4") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        # The packet before time 0 only primes the sound decoder; in a repetition it would be in the way.
        read = (_Packet.of(packet) for packet in source.demux() if packet.dts is not None)
        packets = [packet for packet in read if packet.start_s >= 0]
        period_s = max(packet.end_s for packet in packets)
        shift_s = 0.0
        while shift_s < duration_s:
            for packet in packets:
                if packet.start_s + shift_s < duration_s:
                    target.mux(packet.shifted(shift_s, streams[packet.stream_index]))
            shift_s += period_s


@dataclass(frozen=True, slots=True)
class _Packet:
    """A packet taken out of its file; times count ticks of `time_base`."""

    data: bytes
    stream_index: int
    time_base: Fraction
    dts: int
    pts: int
    duration: int
    is_keyframe: bool

    @classmethod
    def of(cls, packet: av.Packet[Any]) -> _Packet:
        """Raises ValueError for a packet without times, which our own writer does not make."""
        if packet.dts is None or packet.pts is None or packet.time_base is None:
            raise ValueError("a packet without times")
        return cls(
            data=bytes(packet),
            stream_index=packet.stream.index,
            time_base=packet.time_base,
            dts=packet.dts,
            pts=packet.pts,
            duration=packet.duration or 0,
            is_keyframe=packet.is_keyframe,
        )

    @property
    def start_s(self) -> float:
        return float(self.dts * self.time_base)

    @property
    def end_s(self) -> float:
        return float((self.pts + self.duration) * self.time_base)

    def shifted(self, by_s: float, stream: av.stream.Stream) -> av.Packet[Any]:
        shift = round(by_s / self.time_base)
        packet = av.Packet(self.data)
        packet.stream = stream
        packet.time_base = self.time_base
        packet.dts, packet.pts = self.dts + shift, self.pts + shift
        packet.duration = self.duration
        packet.is_keyframe = self.is_keyframe
        return packet


def _sample_pictures(width: int, height: int, settings: Settings) -> list[npt.NDArray[np.uint8]]:
    """One picture a second of the sample clip, cropped or repeated to that size."""
    if not SAMPLE.is_file():
        return []
    pictures: list[npt.NDArray[np.uint8]] = []
    with open_display(
        SAMPLE, max_side=width, max_fps=1, limits=settings.limits, decode=settings.decode
    ) as stream:
        for part in stream:
            if isinstance(part, DisplayFrame):
                rows = np.arange(height) % part.image.shape[0]
                columns = np.arange(width) % part.image.shape[1]
                pictures.append(part.image[rows][:, columns])
    return pictures


def _random_picture(width: int, height: int) -> npt.NDArray[np.uint8]:
    blocks = np.random.default_rng(0).integers(0, 256, (height // 40, width // 40, 3), np.uint8)
    return blocks.repeat(40, axis=0).repeat(40, axis=1)


def _sound() -> npt.NDArray[np.float32]:
    """A tone that comes and goes every second."""
    times_s = np.arange(_PIECE_S * _SOUND_RATE_HZ) / _SOUND_RATE_HZ
    tone = 0.4 * np.sin(2 * np.pi * 440 * times_s) * (times_s % 1 < 0.5)
    return tone.astype(np.float32)[:, None]
