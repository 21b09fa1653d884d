"""The lane below the picture: waveform, presence and explanations over time, and what is heard just now."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from app.results.curves import draw_curves
from app.results.lane_layout import lay_out
from app.results.model import Result
from app.results.palette import PLAYHEAD, Palette
from app.results.readout import Readout
from app.results.timeline import nearest

UInt8 = npt.NDArray[np.uint8]

_PLAYHEAD_EM = 0.12


class Lane:
    """Draws the lane of one clip.

    What does not move is drawn once, in the colours of what has been played and of what is to come. A frame
    then costs two copies, a line and, when the sample changes, a few words.

    Args:
        result: what to show.
        width, height: of the picture above, in pixels, both even.
        palette: tones of the curves.

    Attributes:
        height: of the lane in pixels, even.
    """

    def __init__(self, result: Result, width: int, height: int, *, palette: Palette) -> None:
        explained = any(each.counts for each in result.explanations or ())
        self._layout = lay_out(width, height, explained=explained)
        self.height = self._layout.height
        self._times_s = result.frames.time_s
        last_s = float(self._times_s[-1]) if len(self._times_s) else 0.0
        self._duration_s = max(result.source.duration_s, last_s, 1e-3)
        self._played, self._upcoming = (
            np.asarray(draw_curves(result, self._layout, palette=tones, duration_s=self._duration_s))
            for tones in (palette, palette.dimmed())
        )
        self._readout = Readout(result, self._layout, palette=palette)

    def draw(self, canvas: UInt8, time_s: float) -> None:
        """Fill a (height, width, 3) uint8 RGB canvas with the lane at `time_s`."""
        wave, presence = self._layout.wave, self._layout.presence
        share = min(max(time_s / self._duration_s, 0.0), 1.0)
        head = wave.left + round(share * (wave.width - 1))
        canvas[:, :head] = self._played[:, :head]
        canvas[:, head:] = self._upcoming[:, head:]
        thick = max(1, round(_PLAYHEAD_EM * self._layout.font_px))
        bottom = (self._layout.why or presence).bottom
        canvas[wave.top : bottom, head : head + thick] = PLAYHEAD
        box = self._layout.readout
        canvas[box.top : box.bottom, box.left : box.right] = self._readout.image(
            nearest(self._times_s, time_s)
        )
