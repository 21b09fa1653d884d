"""Pictures of what the shipped bundles get wrong, for their model cards.

All of it is public domain or computed, as in the sample clip: cut-outs of `training.data.stamps` in the yard
of `sample_scene`, with the sounds of `sample_sounds`. What sounds is known, since it was put there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.io import wavfile

from app.inference.bundle import Bundle, find_bundle, load_bundle
from app.pipeline.analyze import analyze
from app.pipeline.options import AnalyzeOptions
from app.results.formats import FORMATS, write_result
from app.settings import Settings
from training.data.picture import write_picture
from training.data.sample import BLUE_BASS, CONVERTIBLE, GUITAR, HEIGHT, WIDTH
from training.data.sample_scene import Placement, stand, upright, with_grain, yard
from training.data.sample_sounds import PEAK, RATE_HZ, Wave, car_horn, guitar
from training.data.stamps import Stamp, open_stamp

DURATION_S = 3.0
_MIDDLE_S = DURATION_S / 2
_STAMP_WIDTH = 900  # pixels a stamp is drawn at before it is scaled into the frame
_LORRY = Stamp("vehicles/blue_truck.svg", "Jarno Vasamaa, Open Clip Art Library", "metadata")


@dataclass(frozen=True, slots=True)
class Still:
    """Things that stand in the yard, and what is heard: mono at `RATE_HZ`, so many seconds of it."""

    things: tuple[tuple[Stamp, Placement], ...]
    sound: Callable[[float], Wave]


@dataclass(frozen=True, slots=True)
class Failure:
    """A moment that a bundle gets wrong.

    Attributes:
        bundle: its name.
        time_s: the moment.
        still: what is shown; None for the sample clip.
    """

    bundle: str
    time_s: float = _MIDDLE_S
    still: Still | None = None


def guitar_in_hiss(duration_s: float) -> Wave:
    """The guitar, and white noise of the same power."""
    played = guitar(duration_s)
    noise = np.random.default_rng(1).standard_normal(len(played))
    both: Wave = played + noise * np.sqrt(np.square(played).mean())
    return both * (PEAK / np.abs(both).max())


_FAR = Placement(centre_x=0.5, foot_y=0.7, height=0.13, tilt_deg=-38)
_BASS = (BLUE_BASS.stamp, Placement(centre_x=0.72, foot_y=0.95, height=0.84, tilt_deg=-38))
_PLAYED = (GUITAR.stamp, GUITAR.placement)
_PARKED = (CONVERTIBLE.stamp, CONVERTIBLE.placement)
_LOADED = (_LORRY, Placement(centre_x=0.72, foot_y=0.87, height=0.45))

FAILURES: Mapping[str, Failure] = {
    "default-no-box": Failure("default", 4.68),
    "default-phone": Failure("default", 6.36),
    "default-two-guitars": Failure("default", still=Still((_PLAYED, _BASS), guitar)),
    "default-hiss": Failure("default", still=Still((_PLAYED, _PARKED), guitar_in_hiss)),
    "default-small": Failure("default", still=Still(((GUITAR.stamp, _FAR),), guitar)),
    "fast-guitar": Failure("fast", 4.68),
    "fast-lorry": Failure("fast", still=Still((_PLAYED, _LOADED), car_horn)),
}
"""By the name of the picture."""


def write_failures(out: Path, *, stamps: Path, sample: Path) -> tuple[Path, ...]:
    """Write a JPEG of each failure, as the overlay shows it.

    Args:
        out: folder; made if it is missing.
        stamps: the unpacked package (`training.data.stamps.stamps_root`).
        sample: the sample clip.

    Raises:
        StampError: a stamp is missing or is not in the public domain.
        EarsightError: a bundle or the sample clip cannot be used.
    """
    settings = Settings()
    bundles = {
        name: load_bundle(find_bundle(name, settings.inference), settings.inference)
        for name in sorted({failure.bundle for failure in FAILURES.values()})
    }
    pictures = []
    with tempfile.TemporaryDirectory() as folder:
        for name, failure in FAILURES.items():
            source, audio = sample, None
            if failure.still is not None:
                source, audio = write_still(failure.still, Path(folder) / name, stamps=stamps)
            overlay = Path(folder) / f"{name}.mp4"
            _overlay(source, audio, overlay, bundle=bundles[failure.bundle], settings=settings)
            pictures.append(out / f"{name}.jpg")
            write_picture(overlay, pictures[-1], moments_s=(failure.time_s,))
    return tuple(pictures)


def write_still(still: Still, path: Path, *, stamps: Path) -> tuple[Path, Path]:
    """Write a picture and its sound beside each other, `path` with the endings png and wav; returns both.

    Raises StampError: a stamp is missing or is not in the public domain.
    """
    picture, sound = path.with_suffix(".png"), path.with_suffix(".wav")
    Image.fromarray(compose(still, stamps=stamps)).save(picture)
    wavfile.write(sound, RATE_HZ, still.sound(DURATION_S).astype(np.float32))
    return picture, sound


def compose(still: Still, *, stamps: Path) -> npt.NDArray[np.uint8]:
    """The picture of a still, (`HEIGHT`, `WIDTH`, 3) RGB; arguments and errors as of `write_still`."""
    scene = yard(WIDTH, HEIGHT)
    for stamp, placement in still.things:
        cutout = upright(open_stamp(stamps, stamp, width=_STAMP_WIDTH), placement, frame_height=HEIGHT)
        stand(scene, cutout, centre_x=placement.centre_x * WIDTH, foot_y=placement.foot_y * HEIGHT)
    return with_grain(scene, np.random.default_rng(0))


def _overlay(source: Path, audio: Path | None, path: Path, *, bundle: Bundle, settings: Settings) -> None:
    options = AnalyzeOptions(tasks=("localize", "detect"))
    result = analyze(source, bundle=bundle, settings=settings, options=options, audio=audio)
    write_result(result, path, format=FORMATS["overlay"], source=source, audio=audio, settings=settings)
