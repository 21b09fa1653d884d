"""What the calibrator is fitted on: encoded views, and rows of what is heard with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.progress import track
from torch import Tensor

from app.inference.bundle import Bundle
from app.media.stream import read_clip
from app.pipeline.encode import encode_audio
from app.settings import DecodeSettings, LimitSettings
from training.evaluation.kinds import differ, kinds_of
from training.guided.calibrate import Row, Source, cover_of, wrong
from training.guided.pictures import (
    DRAWN,
    Frame,
    Mosaic,
    Picture,
    Thing,
    mosaics,
    part_of,
    pixels,
    read_coco,
    read_drawn,
    zooms,
)
from training.guided.soundtracks import Events, Soundtracks, noise_events, read_labels, read_recorded, shifted

N_MOSAICS = 150
N_PARTS = 3  # of each clip's frame
N_PER_NOISE = 30
READ_FPS = 10.0
_MAKES_NOISE = {"person", "car", "truck", "bus", "train", "motorcycle", "boat"}
_SOURCE = "source"  # label of whatever sounds in a clip


@dataclass(frozen=True, slots=True)
class Views:
    """Encoded pictures: tokens (V, 16, 16, 384) and class maps (V, H, W, 1000), half precision."""

    tokens: Tensor
    class_maps: Tensor


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame of a real clip with the sound around it; the things in `picture` are what sounds."""

    frame: Frame  # (S, S, 3)
    events: Events
    picture: Picture
    kinds: frozenset[str]


def encode(frames: Sequence[Frame], bundle: Bundle) -> Views:
    """One frame a run: what a quantised graph answers must not depend on the other pictures of a batch."""
    parts = [bundle.visual(frame[None]) for frame in track(frames, "encoding")]
    return Views(
        torch.from_numpy(np.concatenate([part[0] for part in parts])).half(),
        torch.from_numpy(np.concatenate([part[1] for part in parts])).half(),
    )


def read_cases(data: Path, bundle: Bundle, rng: np.random.Generator) -> tuple[Views, list[Row]]:
    """All views and the rows on them: pictures with recorded or simulated sound, clips with their own."""
    size = bundle.manifest.input_size
    labels = read_labels()
    sounds = Soundtracks(labels, read_recorded(data, bundle, rng))
    photos, drawn = read_coco(data), read_drawn()
    scenes: list[Picture] = [*photos, *zooms(photos, set(labels), rng)]
    mixed = mosaics([*scenes, *drawn], set(labels), N_MOSAICS, rng)
    parts = [part for picture in drawn if (part := part_of(picture, rng))]
    shown: list[Picture | Mosaic] = [*scenes, *mixed, *drawn, *parts]
    moments = _moments(data, bundle)
    rows: list[Row] = []
    for view, picture in enumerate(shown):
        rights = 1 if isinstance(picture, Mosaic) else 4 if picture in drawn else 2
        rows += _picture_rows(view, picture, sounds, rights, rng)
    rows += _swapped_rows(scenes, moments, rng)
    rows += _moment_rows(len(shown), moments, rng)
    frames = [pixels(picture, data, size) for picture in track(shown, "pictures")]
    frames += [moment.frame for moment in moments]
    for moment in moments:
        for _ in range(N_PARTS if moment.picture.things else 0):
            if part := part_of(moment.picture, rng):
                rows += _heard_rows(len(frames), moment, part, 2, rng)
                frames.append(_cut(moment.frame, part))
    for events in noise_events(bundle):
        some = rng.choice(len(frames), N_PER_NOISE, replace=False)
        rows += [wrong(int(view), events, Source.NOISE) for view in some]
    return encode(frames, bundle), rows


def _cut(frame: Frame, part: Picture) -> Frame:
    """The part of a frame, at the size of the frame."""
    size = frame.shape[0]
    x0, y0, x1, y1 = (round(v * size) for v in part.crop)
    cut = Image.fromarray(frame).crop((x0, y0, x1, y1))
    return np.asarray(cut.resize((size, size), Image.Resampling.BILINEAR))


def _picture_rows(
    view: int, picture: Picture | Mosaic, sounds: Soundtracks, rights: int, rng: np.random.Generator
) -> list[Row]:
    """Each label heard `rights` times, and sounds of what is not in the picture."""
    rows = []
    present = picture.labels()
    for label in sorted(present & set(sounds.labels)):
        target = cover_of([thing.box for thing in picture.things if thing.label == label])
        if target.mean() >= 0.01:
            rows += [Row(view, sounds.draw(label, rng), target, Source.PICTURE) for _ in range(rights)]
    rows.append(wrong(view, sounds.other(present, rng), Source.PICTURE))
    if any(label in sounds.labels and sounds.labels[label].instrument for label in present):
        rows.append(wrong(view, sounds.other_instrument(present, rng), Source.PICTURE, scale=0.5))
    return rows


def _moments(data: Path, bundle: Bundle) -> list[Moment]:
    """The training clips with drawn boxes, at the time the boxes were drawn."""
    found = []
    table = json.loads(DRAWN.read_text(encoding="utf-8"))
    for file, entry in track([item for item in table.items() if "time_s" in item[1]], "clips"):
        clip = read_clip(
            data / file,
            size=bundle.manifest.input_size,
            fps=READ_FPS,
            limits=LimitSettings(),
            decode=DecodeSettings(),
        )
        index = int(np.abs(clip.frame_times_s - entry["time_s"]).argmin())
        time_s = clip.frame_times_s[index : index + 1]
        events = encode_audio(bundle, clip.waveform, clip.audio_offset_s, time_s)[0][0]
        things = tuple(Thing(_SOURCE, tuple(box)) for box in entry["boxes"])
        found.append(
            Moment(clip.frames[index].copy(), events, Picture(file, things), kinds_of(entry["sounds"]))
        )
    return found


def _moment_rows(first_view: int, moments: list[Moment], rng: np.random.Generator) -> list[Row]:
    """Each clip with its own sound, and with all sounds of other kinds."""
    rows = []
    for view, moment in enumerate(moments, start=first_view):
        if moment.picture.things:
            rows += _heard_rows(view, moment, moment.picture, 4, rng)
        rows += [
            wrong(view, other.events, Source.SWAPPED)
            for other in moments
            if differ(moment.kinds, other.kinds)
        ]
    return rows


def _heard_rows(view: int, moment: Moment, shown: Picture, count: int, rng: np.random.Generator) -> list[Row]:
    """A clip's frame, or a part of it, with its sound more or less clearly heard."""
    target = cover_of([thing.box for thing in shown.things])
    heard = [shifted(moment.events, float(rng.uniform(-0.7, 0.4))) for _ in range(count)]
    return [Row(view, events, target, Source.CLIP) for events in heard]


def _swapped_rows(pictures: Sequence[Picture], moments: list[Moment], rng: np.random.Generator) -> list[Row]:
    """Real sound tracks of people and vehicles with pictures that show neither."""
    tracks = [m.events for m in moments if m.kinds & {"human", "vehicle"}]
    return [
        wrong(view, tracks[rng.integers(len(tracks))], Source.SWAPPED_PICTURE)
        for view, picture in enumerate(pictures)
        if not picture.labels() & _MAKES_NOISE
    ]
