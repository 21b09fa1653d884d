"""The sample clip: two things take turns to sound in front of a camera that moves a little, then silence.

It is composed so that the truth is known: which object sounds when, and where it is. `sample.json` beside
the clip says so, and a test holds the localiser's result against it. Pictures are public domain
(`training.data.stamps`), sounds and background are computed (`sample_sounds`, `sample_scene`), so nobody's
licence travels with the clip.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from app.media.encode import ClipWriter, YuvConverter
from training.data import sample_sounds as sounds
from training.data.sample_scene import Placement, stand, upright, with_grain, yard
from training.data.stamps import PACKAGE, Stamp, object_box, open_stamp

WIDTH, HEIGHT, FPS = 640, 360, 25
TURN_S = 3.0  # how long each object sounds
SILENCE_S = 3.0
DURATION_S = 2 * TURN_S + SILENCE_S
SAMPLE_NAME = "sample.mp4"

_MARGIN = 1.10  # the scene is this much larger than the frame, so that the camera can move
_PAN = 0.02  # how far the camera pans to either side, in frame widths
_PARALLAX = 1.5  # near objects move this much more than the background
_STAMP_WIDTH = 900  # pixels a stamp is drawn at before it is scaled into the frame


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that is seen and heard.

    Attributes:
        name: of the object, one word.
        events: AudioSet names of which the sound should raise at least one.
        stamp: its picture.
        sound: gives `duration_s` seconds of it.
        placement: where it stands.
    """

    name: str
    events: tuple[str, ...]
    stamp: Stamp
    sound: Callable[[float], sounds.Wave]
    placement: Placement


_LEFT = Placement(centre_x=0.235, foot_y=0.95, height=0.84, tilt_deg=-38)

GUITAR = Subject(
    "guitar",
    ("Guitar", "Acoustic guitar", "Strum", "Plucked string instrument"),
    Stamp("hobbies/music/string/guitar2.png", "boobaloo, Open Clip Art Library", "changelog"),
    sounds.guitar,
    _LEFT,
)
CONVERTIBLE = Subject(
    "car",
    ("Vehicle horn, car horn, honking", "Car", "Vehicle"),
    Stamp("vehicles/auto/sportscar.svg", "Yves Guillou, Open Clip Art Library", "metadata"),
    sounds.car_horn,
    Placement(centre_x=0.70, foot_y=0.87, height=0.40),
)
COUPE = Subject(
    "car",
    CONVERTIBLE.events,
    Stamp("vehicles/auto/sportscar3.svg", "TheStructorr, Open Clip Art Library", "metadata"),
    sounds.car_horn,
    Placement(centre_x=0.70, foot_y=0.87, height=0.40),
)
BLUE_BASS = Subject(
    "guitar",
    GUITAR.events,
    Stamp("hobbies/music/string/guitar_electric_bass2.svg", "A.J. Ashton, Open Clip Art Library", "metadata"),
    sounds.guitar,
    _LEFT,
)

PAIRS: dict[str, tuple[Subject, Subject]] = {
    "guitar-convertible": (GUITAR, CONVERTIBLE),
    "guitar-coupe": (GUITAR, COUPE),
    "bass-convertible": (BLUE_BASS, CONVERTIBLE),
}
DEFAULT_PAIR = "guitar-convertible"


@dataclass(frozen=True, slots=True)
class Turn:
    """The time during which one object sounds, and where it is.

    Attributes:
        from_s, to_s: in seconds of the clip.
        box: xyxy, normalised to the frame: the smallest box that holds the object throughout its turn.
    """

    subject: Subject
    from_s: float
    to_s: float
    box: tuple[float, float, float, float]


def write_sample(directory: Path, *, stamps: Path, pair: str = DEFAULT_PAIR) -> tuple[Turn, ...]:
    """Write `sample.mp4`, `sample.json` and `CREDITS.md` into a directory.

    Args:
        directory: made if it is missing.
        stamps: the unpacked package (`training.data.stamps.stamps_root`).
        pair: a key of `PAIRS`; the first of the pair sounds first.

    Returns:
        The two turns, as in `sample.json`.

    Raises:
        StampError: a stamp is missing or is not in the public domain.
        KeyError: no such pair.
    """
    subjects = PAIRS[pair]
    pictures = [open_stamp(stamps, subject.stamp, width=_STAMP_WIDTH) for subject in subjects]
    directory.mkdir(parents=True, exist_ok=True)
    cutouts = [
        upright(picture, subject.placement, frame_height=HEIGHT)
        for picture, subject in zip(pictures, subjects, strict=True)
    ]
    turns = tuple(
        _turn(subject, cutout, order)
        for order, (subject, cutout) in enumerate(zip(subjects, cutouts, strict=True))
    )
    converter = YuvConverter()
    with ClipWriter(
        directory / SAMPLE_NAME,
        width=WIDTH,
        height=HEIGHT,
        fps=FPS,
        sound_rate_hz=sounds.RATE_HZ,
        sound_channels=1,
        crf=25,
        preset="slow",
        threads=1,  # the same bytes on every machine
    ) as writer:
        writer.add_sound(soundtrack(subjects)[:, None], 0.0)
        for time_s, frame in _frames(subjects, cutouts):
            writer.add_frame(converter.convert(frame), time_s)
    (directory / "sample.json").write_text(json.dumps(_document(turns), indent=2) + "\n")
    (directory / "CREDITS.md").write_text(_credits(subjects))
    return turns


def soundtrack(subjects: tuple[Subject, ...]) -> npt.NDArray[np.float32]:
    """Mono float32 (N,) at `sample_sounds.RATE_HZ`: each subject's turn, then digital silence."""
    turns = [subject.sound(TURN_S) for subject in subjects]
    return np.concatenate([*turns, np.zeros(round(SILENCE_S * sounds.RATE_HZ))]).astype(np.float32)


def _camera_x(time_s: float) -> float:
    """Where the camera points, in pixels right of the middle: over and back once per clip."""
    return WIDTH * _PAN * float(np.sin(2 * np.pi * time_s / DURATION_S))


def _foot(subject: Subject, time_s: float) -> tuple[float, float]:
    """Where the middle of the object's lower edge is in the frame, in pixels."""
    return subject.placement.centre_x * WIDTH - _PARALLAX * _camera_x(
        time_s
    ), subject.placement.foot_y * HEIGHT


def _frames(
    subjects: tuple[Subject, ...], cutouts: list[Image.Image]
) -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
    rng = np.random.default_rng(0)
    scene_width = 2 * round(WIDTH * _MARGIN / 2)
    background = Image.fromarray(yard(scene_width, HEIGHT).clip(0, 255).astype(np.uint8))
    for index in range(round(DURATION_S * FPS)):
        time_s = index / FPS
        left = (scene_width - WIDTH) / 2 + _camera_x(time_s)
        view = background.transform(
            (WIDTH, HEIGHT), Image.Transform.AFFINE, (1, 0, left, 0, 1, 0), Image.Resampling.BICUBIC
        )
        scene = np.array(view, np.float32)
        for subject, cutout in zip(subjects, cutouts, strict=True):
            x, y = _foot(subject, time_s)
            stand(scene, cutout, centre_x=x, foot_y=y)
        yield time_s, with_grain(scene, rng)


def _turn(subject: Subject, cutout: Image.Image, order: int) -> Turn:
    from_s, to_s = order * TURN_S, (order + 1) * TURN_S
    feet = [_foot(subject, time_s)[0] for time_s in np.arange(from_s, to_s, 1 / FPS)]
    left, top, right, bottom = object_box(cutout)
    corner_y = subject.placement.foot_y * HEIGHT - cutout.height
    box = (
        (min(feet) - cutout.width / 2 + left) / WIDTH,
        (corner_y + top) / HEIGHT,
        (max(feet) - cutout.width / 2 + right) / WIDTH,
        (corner_y + bottom) / HEIGHT,
    )
    x0, y0, x1, y1 = (round(min(1.0, max(0.0, value)), 4) for value in box)
    return Turn(subject, from_s, to_s, (x0, y0, x1, y1))


def _document(turns: tuple[Turn, ...]) -> dict[str, Any]:
    return {
        "clip": SAMPLE_NAME,
        "width": WIDTH,
        "height": HEIGHT,
        "fps": FPS,
        "duration_s": DURATION_S,
        "box_format": "xyxy, normalised to the frame",
        "turns": [
            {
                "object": turn.subject.name,
                "events": list(turn.subject.events),
                "from_s": turn.from_s,
                "to_s": turn.to_s,
                "box": list(turn.box),
            }
            for turn in turns
        ],
        "silence": {"from_s": 2 * TURN_S, "to_s": DURATION_S},
    }


def _credits(subjects: tuple[Subject, ...]) -> str:
    pictures = "\n".join(
        f"| {each.name} | `{each.stamp.path}` | {each.stamp.author} | {_EVIDENCE[each.stamp.evidence]} |"
        for each in subjects
    )
    return f"""# Credits of the sample clip

`{SAMPLE_NAME}` was composed by `earsight-train data sample`. Nothing in it is under a licence that asks for
anything.

Pictures: cut-outs from the Debian package `{PACKAGE}` (Tux Paint stamps).

| object | stamp | author | public domain according to |
|---|---|---|---|
{pictures}

Sounds and background: computed by `training/data/sample_sounds.py` and `training/data/sample_scene.py`; no
recording and no photograph was used. The package's animals and their recordings are under the GPL, not in the
public domain, and were not used.
"""


_EVIDENCE = {
    "metadata": "the licence in the file's own metadata (`creativecommons.org/licenses/publicdomain`)",
    "changelog": "the package's changelog, which lists it under the Open Clip Art Library: all public domain",
}
