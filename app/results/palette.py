"""Colours of the lane: blue for what is heard, the heatmap's own warm tone for its visible source."""

from __future__ import annotations

from dataclasses import dataclass

from app.results.heat_layer import colormap_rgb

Colour = tuple[int, int, int]

BACKGROUND: Colour = (15, 17, 22)
RULE: Colour = (44, 49, 60)
TEXT: Colour = (238, 240, 244)
TEXT_DIM: Colour = (148, 156, 170)
PLAYHEAD: Colour = (255, 255, 255)

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


def mix(over: Colour, under: Colour, share: float) -> Colour:
    """`share` of one colour laid over another."""
    red, green, blue = (round(share * a + (1 - share) * b) for a, b in zip(over, under, strict=True))
    return red, green, blue
