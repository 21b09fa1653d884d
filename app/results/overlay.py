"""The clip with its heatmap and its detections on it and a time lane below: an MP4 that plays in browsers.

The source is decoded a second time, at displayed size, frame by frame; memory does not grow with its length.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from app.errors import Canceled, InternalError, MediaCorrupt
from app.inference.cores import usable_cores
from app.media.display import DisplayFrame, DisplayStream, SoundBlock, open_display
from app.media.encode import ClipWriter, YuvConverter
from app.results.box_layer import BoxLayer
from app.results.heat_layer import HeatLayer
from app.results.lane import Lane
from app.results.model import Result
from app.results.palette import palette_of
from app.results.replacing import replacing
from app.results.timeline import detections_at, heatmap_at
from app.results.tracks import tracks_of
from app.settings import DecodeSettings, LimitSettings, OverlaySettings

_LEAST_FPS = 10.0  # of the overlay, so that playhead and heat move smoothly over slow videos and stills
_MOST_THREADS = 8  # the encoder gains little beyond
_ROUNDING = 0.01  # a gap that is a hair longer than the least rate allows is not halved

OverlayProgress = Callable[[int, float], None]  # frames done, fraction of the clip in [0, 1]


def write_overlay(
    result: Result,
    path_out: Path,
    *,
    source: Path,
    audio: Path | None,
    overlay: OverlaySettings,
    limits: LimitSettings,
    decode: DecodeSettings,
    progress: OverlayProgress | None = None,
    cancel: threading.Event | None = None,
) -> None:
    """Render the overlay of `result` to `path_out`, replacing what is there; a failure leaves no file.

    Args:
        source: the clip the result speaks of.
        audio: the separate sound file it was analysed with, if any.
        progress: called after each frame with the frames done and the fraction of the clip; what it
            raises ends the rendering.
        cancel: set it from another thread to end the rendering at once.

    Raises:
        InternalError: `overlay.colormap` names no colour map.
        MediaError: the source cannot be decoded.
        Canceled: `cancel` was set.
        OSError: the file cannot be written.
    """
    try:
        palette_of(overlay.colormap)
    except ValueError as error:
        raise InternalError(
            f"there is no colour map {overlay.colormap}", setting="EARSIGHT_OVERLAY__COLORMAP"
        ) from error
    display = open_display(
        source,
        max_side=overlay.max_side,
        max_fps=overlay.max_fps,
        limits=limits,
        decode=decode,
        audio=audio,
        cancel=cancel,
    )
    with display, replacing(path_out) as part:
        _render(result, display, part, overlay=overlay, progress=progress, cancel=cancel)


@dataclass(frozen=True, slots=True)
class _Moment:
    """A frame to render: its time, and the (H, W, 3) uint8 picture, None if the last one is still shown."""

    time_s: float
    image: npt.NDArray[np.uint8] | None


def _moments(
    items: Iterable[DisplayFrame | SoundBlock], *, duration_s: float
) -> Iterator[_Moment | SoundBlock]:
    """The displayed frames, with more in between where they are so far apart that the lane would stutter.

    The last picture is held until the end of the clip, so that a still image lasts as long as its sound.
    """
    last_s: float | None = None
    for item in items:
        if isinstance(item, SoundBlock):
            yield item
            continue
        if last_s is not None:
            yield from _held(last_s, item.time_s)
        yield _Moment(item.time_s, item.image)
        last_s = item.time_s
    if last_s is not None:
        yield from _held(last_s, duration_s)


def _held(start_s: float, end_s: float) -> Iterator[_Moment]:
    n_steps = math.ceil((end_s - start_s) * _LEAST_FPS - _ROUNDING)
    return (_Moment(start_s + step * (end_s - start_s) / n_steps, None) for step in range(1, n_steps))


def _render(
    result: Result,
    display: DisplayStream,
    path: Path,
    *,
    overlay: OverlaySettings,
    progress: OverlayProgress | None,
    cancel: threading.Event | None,
) -> None:
    painter = _Painter(result, display.width, display.height, overlay=overlay)
    writer = ClipWriter(
        path,
        width=display.width,
        height=painter.height,
        fps=max(display.fps, _LEAST_FPS),
        sound_rate_hz=display.sound_rate_hz,
        sound_channels=display.sound_channels,
        threads=min(usable_cores(), _MOST_THREADS),
    )
    duration_s = max(result.source.duration_s, 1e-3)
    frames_done = 0
    with writer:
        for item in _moments(display, duration_s=duration_s):
            if cancel is not None and cancel.is_set():
                raise Canceled("the rendering was canceled")
            if isinstance(item, SoundBlock):
                writer.add_sound(item.samples, item.start_s)
                continue
            writer.add_frame(painter.paint(item), item.time_s)
            frames_done += 1
            if progress is not None:
                progress(frames_done, min(1.0, item.time_s / duration_s))
        if not frames_done:
            raise MediaCorrupt("no frame of the video could be decoded")
    if progress is not None:
        progress(frames_done, 1.0)


class _Painter:
    """Turns moments into frames of the overlay, all in one buffer.

    Attributes:
        height: of the overlay in pixels, picture and lane.
    """

    def __init__(self, result: Result, width: int, height: int, *, overlay: OverlaySettings) -> None:
        self._frames = result.frames
        self._picture_height = height
        self._lane = Lane(result, width, height, palette=palette_of(overlay.colormap))
        self._heat = HeatLayer(
            width,
            height,
            colormap=overlay.colormap,
            opacity=overlay.opacity,
            threshold=result.thresholds.heatmap,
        )
        self._boxes = BoxLayer(
            width,
            height,
            threshold=result.thresholds.sounding,
            tracks={track.track_id: track for track in tracks_of(result.frames)},
        )
        self.height = height + self._lane.height
        self._canvas = np.zeros((self.height, width, 3), np.uint8)
        self._converter = YuvConverter()

    def paint(self, moment: _Moment) -> av.VideoFrame:
        """A yuv420p frame with heat and boxes on the picture and the lane below it."""
        if moment.image is not None:
            self._canvas[: self._picture_height] = moment.image
        self._lane.draw(self._canvas[self._picture_height :], moment.time_s)
        frame = self._converter.convert(self._canvas)
        heatmap = heatmap_at(self._frames, moment.time_s)
        if heatmap is not None:
            self._heat.paint(frame, heatmap)
        self._boxes.paint(frame, detections_at(self._frames, moment.time_s))
        return frame
