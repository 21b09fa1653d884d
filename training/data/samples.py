"""Samples: examples that are files on disk, decoded the way the service decodes an upload."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.errors import EarsightError, MediaCorrupt
from app.media.clip import Clip
from app.media.stream import read_clip
from app.settings import DecodeSettings, LimitSettings
from training.data.examples import Facts, Footage, Visible
from training.metrics.masks import SIDE, Rounding, consensus, rasterize_box

READ_FPS = 10.0
"""Frames per second that are decoded to find the one the boxes were drawn on, to about 0.05 s."""

LONGEST_S = 300.0
"""A clip is held in memory as a whole; beyond this it is refused."""

_PAST_THE_END_S = 0.5  # the last frame lasts a while, and durations are rounded

_CUT = (
    "cut it into pieces first, for example with `ffmpeg -i FILE -map 0 -c copy -f segment -segment_time 60 "
    "-reset_timestamps 1 NAME~%03d.mp4`"
)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Media on disk with what is known about it; an `Example`.

    Attributes:
        facts: see there.
        media: a video, or a still picture, which is shown for as long as its sound lasts.
        audio: a sound file that replaces the sound track of `media`; None takes the sound track.
        time_s: the annotated moment; None is the middle of the clip.
        span_s: start and end of the stretch that holds the event, where a data set says so.
        boxes: for each annotator (B, 4) float64 normalised xyxy, all with an area; empty without truth.
        agreement: how many boxes must cover a pixel for full weight: 2 is the consensus of Flickr-SoundNet.
        rounding: how boxes become pixels, see `training.metrics.masks.rasterize_box`.
        box_labels: what each box shows, in the order of `boxes`; empty if all show what `facts.labels` says.
    """

    facts: Facts
    media: Path
    audio: Path | None = None
    time_s: float | None = None
    span_s: tuple[float, float] | None = None
    boxes: tuple[npt.NDArray[np.float64], ...] = ()
    agreement: int = 1
    rounding: Rounding = "truncate"
    box_labels: tuple[str, ...] = ()

    def truth(self) -> npt.NDArray[np.float32]:
        """(224, 224) in [0, 1], the truth about the annotated frame; all zero without boxes."""
        masks = [rasterize_box(box, rounding=self.rounding) for drawn in self.boxes for box in drawn]
        if not masks:
            return np.zeros((SIDE, SIDE), np.float32)
        return consensus(masks, agreement=self.agreement).astype(np.float32)

    def footage(self, *, size: int, fps: float) -> Footage:
        """Decode it.

        Frames are 1 / `fps` apart. Where there is truth they are counted from the annotated frame, which is
        therefore always among them; it is looked for among at least `READ_FPS` frames a second.

        Raises:
            EarsightError: it cannot be decoded, ends before the annotated moment, or is longer than
                `LONGEST_S`; the message names the file.
        """
        truth = self.truth()
        annotated = bool(truth.any()) or not self.facts.sounding
        # A whole multiple, so that frames 1 / fps apart are among those that are decoded.
        clip = self._read(size=size, fps=fps * math.ceil(READ_FPS / fps) if annotated else fps)
        times_s = clip.frame_times_s
        if not annotated:
            kept, judged = np.arange(len(times_s)), np.zeros(len(times_s), np.bool_)
        else:
            moment_s = self._moment_s(clip)
            nearest = int(np.abs(times_s - moment_s).argmin())
            kept = _every(1 / fps, times_s, through=nearest)
            judged = kept == nearest
        return Footage(
            frames=clip.frames[kept],
            times_s=times_s[kept],
            waveform=clip.waveform,
            waveform_start_s=clip.audio_offset_s,
            truth=judged[:, None, None] * truth,
            judged=judged,
            things=self._things(judged),
        )

    def _things(self, judged: npt.NDArray[np.bool_]) -> tuple[Visible, ...]:
        """What the first annotator drew, in the judged frames."""
        drawn = self.boxes[0] if self.boxes else np.zeros((0, 4))
        names = self.box_labels or (" and ".join(self.facts.labels),) * len(drawn)
        sounding = judged & self.facts.sounding
        return tuple(
            Visible(name, np.where(judged[:, None], box, np.nan).astype(np.float32), sounding)
            for name, box in zip(names, drawn, strict=False)
        )

    def _moment_s(self, clip: Clip) -> float:
        if self.time_s is None:
            return clip.source.duration_s / 2
        end_s = float(clip.frame_times_s[-1])
        # A still picture shows what was annotated at any time.
        if clip.source.kind == "video" and self.time_s > end_s + _PAST_THE_END_S:
            raise MediaCorrupt(
                f"{self.media}: its last frame is at {end_s:.2f} s, the annotated one at {self.time_s:g} s"
            )
        return self.time_s

    def _read(self, *, size: int, fps: float) -> Clip:
        limits = LimitSettings(max_duration_s=LONGEST_S)
        try:
            return read_clip(
                self.media, audio=self.audio, size=size, fps=fps, limits=limits, decode=DecodeSettings()
            )
        except EarsightError as error:
            files = f"{self.media}" if self.audio is None else f"{self.media} with {self.audio}"
            # The setting that the error names changes what the service accepts, not what is read here.
            too_long = (error.setting or "").endswith("MAX_DURATION_S")
            advice = f"; {_CUT}" if too_long else ""
            raise type(error)(f"{files}: {error.detail}{advice}", limit=error.limit) from error


def _every(step_s: float, times_s: npt.NDArray[np.float64], *, through: int) -> npt.NDArray[np.int64]:
    """Indices of frames `step_s` apart, one of which is `through`."""
    slack = 1e-6  # times are sums of frame lengths
    before = int((times_s[through] - times_s[0]) / step_s + slack)
    after = int((times_s[-1] - times_s[through]) / step_s + slack)
    wanted_s = times_s[through] + step_s * np.arange(-before, after + 1)
    return np.unique(np.abs(times_s - wanted_s[:, None]).argmin(axis=1))
