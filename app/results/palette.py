"""Colours of the overlay.

In the lane blue stands for what is heard and the heatmap's own warm tone for its visible source; in the
picture every track has a tone of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.results.heat_layer import colormap_rgb

Colour = tuple[int, int, int]

BACKGROUND: Colour = (15, 17, 22)
RULE: Colour = (44, 49, 60)
TEXT: Colour = (238, 240, 244)
TEXT_DIM: Colour = (148, 156, 170)
PLAYHEAD: Colour = (255, 255, 255)
SILENT: Colour = (176, 182, 192)

# Light enough for dark text, and told apart over the dark and warm tones of the heatmap.
_TRACKS: tuple[Colour, ...] = (
    (74, 214, 255),
    (152, 240, 96),
    (255, 138, 216),
    (255, 224, 92),
    (150, 176, 255),
    (70, 232, 190),
    (255, 170, 120),
    (214, 160, 255),
)

_SOUND: Colour = (118, 178, 236)
_SOURCE_AT = 0.74  # position in the colour map: bright enough on the dark lane in all usual maps
_DIM = 0.42  # share of a colour left before the playhead has passed


@dataclass(frozen=True, slots=True)
class Palette:
    """Tones of the two curves; `source` matches the colour of strong places in the picture."""

    sound: Colour
    source: Colour

    def dimmed(self) -> Palette:
        """The same tones for the part of the clip that is still to come."""
        return Palette(mix(self.sound, BACKGROUND, _DIM), mix(self.source, BACKGROUND, _DIM))


def palette_of(colormap: str) -> Palette:
    """Tones that go with a colour map. Raises ValueError if there is none of that name."""
    red, green, blue = (int(channel) for channel in colormap_rgb(colormap)[round(255 * _SOURCE_AT)])
    return Palette(_SOUND, (red, green, blue))


def track_colour(track_id: int) -> Colour:
    """The tone of a track, from 1; neighbouring numbers differ."""
    return _TRACKS[(track_id - 1) % len(_TRACKS)]


def mix(over: Colour, under: Colour, share: float) -> Colour:
    """`share` of one colour laid over another."""
    red, green, blue = (round(share * a + (1 - share) * b) for a, b in zip(over, under, strict=True))
    return red, green, blue
