"""The part of the lane that does not move: the waveform, below it presence and explanations over time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from app.results.lane_layout import Box, LaneLayout
from app.results.model import FrameResults, Result, SoundLevel
from app.results.palette import BACKGROUND, RULE, TEXT_DIM, Colour, Palette, mix
from app.results.text import font
from app.results.why_strip import draw_strip

Float = npt.NDArray[np.float64]

_SCALE = 3  # drawn so many times larger and reduced, because Pillow draws without anti-aliasing
_BAR_EM = 0.3  # from one bar of the waveform to the next
_BAR_FILL = 0.62  # share of that which the bar takes
_QUIETEST_PEAK = 0.05  # a track that never gets louder is not blown up to full height
_LOUDNESS_EXPONENT = 0.6  # lifts quiet sounds, which are heard better than their amplitude looks
_BAND = 0.4  # strength of the filled band under the presence curve
_CAPTION = 0.8  # size of the captions against the text


def draw_curves(result: Result, layout: LaneLayout, *, palette: Palette, duration_s: float) -> Image.Image:
    """The whole lane without playhead and readout, as an RGB image of the layout's size."""
    large = Image.new("RGB", (layout.width * _SCALE, layout.height * _SCALE), BACKGROUND)
    canvas = ImageDraw.Draw(large)
    bar_px = max(3, round(_BAR_EM * layout.font_px))
    n_bars = max(1, layout.wave.width // bar_px)
    _draw_wave(canvas, layout.wave, wave_columns(result.sound, n_bars, duration_s=duration_s), palette.sound)
    presence = presence_columns(result.frames, layout.presence.width, duration_s=duration_s)
    _draw_presence(
        canvas, layout.presence, presence, threshold=result.thresholds.presence, colour=palette.source
    )
    lane = large.reduce(_SCALE)
    if layout.why is not None:
        strip = draw_strip(
            result.explanations or (),
            layout.why.width,
            layout.why.height,
            font_px=layout.font_px,
            palette=palette,
            duration_s=duration_s,
        )
        lane.paste(strip, (layout.why.left, layout.why.top))
    if layout.captions is not None:
        _draw_captions(ImageDraw.Draw(lane), layout, layout.captions)
    return lane


def wave_columns(sound: SoundLevel, n: int, *, duration_s: float) -> Float:
    """Largest sample, in [0, 1], in each of `n` equal stretches of the clip; 0 where there is no sound."""
    if not len(sound.peak):
        return np.zeros(n)
    middles = np.arange(len(sound.peak), dtype=np.float64) + 0.5
    peak = sound.peak.astype(np.float64)
    return _columns(middles / sound.rate_hz + sound.start_s, peak, n, duration_s=duration_s, outside=0.0)


def presence_columns(frames: FrameResults, n: int, *, duration_s: float) -> Float:
    """Highest presence, in [0, 1], in each of `n` equal stretches of the clip."""
    if not len(frames):
        return np.zeros(n)
    presence = frames.presence.astype(np.float64)
    return _columns(frames.time_s, presence, n, duration_s=duration_s, outside=None)


def _columns(times_s: Float, values: Float, n: int, *, duration_s: float, outside: float | None) -> Float:
    """Interpolates where samples are sparse, takes the largest where several fall into one column."""
    centres_s = (np.arange(n) + 0.5) * duration_s / n
    columns = np.interp(centres_s, times_s, values, left=outside, right=outside)
    places = np.floor(times_s * n / duration_s).astype(np.int64)
    inside = (places >= 0) & (places < n)
    np.maximum.at(columns, places[inside], values[inside])
    return columns


def _draw_wave(canvas: ImageDraw.ImageDraw, box: Box, peaks: Float, colour: Colour) -> None:
    loudest = max(float(peaks.max()), _QUIETEST_PEAK)
    loudness = np.clip(peaks / loudest, 0, 1) ** _LOUDNESS_EXPONENT
    pitch = _SCALE * box.width / len(peaks)
    half_width = _BAR_FILL * pitch / 2
    middle = _SCALE * (box.top + box.bottom) / 2
    for index, value in enumerate(loudness):
        centre = _SCALE * box.left + (index + 0.5) * pitch
        half = max(half_width, float(value) * _SCALE * box.height / 2)
        canvas.rounded_rectangle(
            (centre - half_width, middle - half, centre + half_width, middle + half),
            radius=half_width,
            fill=colour,
        )


def _draw_presence(
    canvas: ImageDraw.ImageDraw, box: Box, presence: Float, *, threshold: float, colour: Colour
) -> None:
    left, top, bottom = _SCALE * box.left, _SCALE * box.top, _SCALE * box.bottom - _SCALE
    height = bottom - top
    curve = [
        (left + _SCALE * (column + 0.5), bottom - height * float(value))
        for column, value in enumerate(presence)
    ]
    right = _SCALE * box.right
    canvas.polygon([(left, bottom), *curve, (right, bottom)], fill=mix(colour, BACKGROUND, _BAND))
    canvas.rectangle((left, bottom, right, bottom + _SCALE - 1), fill=RULE)
    level = bottom - height * threshold
    dash = 2 * _SCALE
    for start in range(left, right, 3 * dash):
        canvas.line((start, level, min(start + dash, right), level), fill=TEXT_DIM, width=1)
    canvas.line(curve, fill=colour, width=_SCALE + 1, joint="curve")


def _draw_captions(canvas: ImageDraw.ImageDraw, layout: LaneLayout, box: Box) -> None:
    face = font(round(_CAPTION * layout.font_px))
    captions = (("sound", layout.wave), ("visible", layout.presence), ("why", layout.why))
    for text, curve in captions:
        if curve is None:
            continue
        middle = (curve.top + curve.bottom) / 2
        canvas.text((box.right, middle), text, font=face, fill=TEXT_DIM, anchor="rm")
