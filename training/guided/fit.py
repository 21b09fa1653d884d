"""`earsight-train guided`: fit what the guided localiser learns, or print the bridge it is given."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from safetensors.torch import save_file
from torch import Tensor

from app.inference.bundle import Bundle, find_bundle, load_bundle
from app.media.stream import read_clip
from app.pipeline.encode import encode_audio
from app.settings import DecodeSettings, InferenceSettings, LimitSettings
from training.evaluation.kinds import kinds_of
from training.guided.bridge import load_bridge
from training.guided.calibrate import WRONG_SOUND_WEIGHT, Row, cover_of, evidence_of, fit_calibrator, nothing
from training.guided.localizer import CALIBRATOR_WEIGHTS, PERSON_WEIGHTS, Evidence
from training.guided.person import empty_views, fit_person, person_views
from training.guided.pictures import DRAWN, Mosaic, Picture, mosaics, pixels, read_coco, read_drawn, zooms
from training.guided.soundtracks import Events, Soundtracks, noise_events, read_labels, read_recorded, shifted

SEED = 0
N_MOSAICS = 150
N_ANIMALS = 60
READ_FPS = 10.0
_MAKES_NOISE = {"person", "car", "truck", "bus", "train", "motorcycle", "boat"}

app = typer.Typer(no_args_is_help=True, help="The guided localiser.")
DataDir = Annotated[
    Path, typer.Option("--data", envvar="EARSIGHT_DATA", help="Directory of the training data.")
]
BundleName = Annotated[str, typer.Option(help="Bundle whose encoders are used.")]


@dataclass(frozen=True, slots=True)
class Views:
    """Encoded pictures: tokens (V, 16, 16, 384) and class maps (V, H, W, 1000), half precision."""

    tokens: Tensor
    class_maps: Tensor


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame of a real clip with the sound around it and the boxes drawn on it."""

    frame: np.ndarray  # (S, S, 3) uint8
    events: Events
    boxes: list[tuple[float, float, float, float]]
    kinds: frozenset[str]


@app.command()
def bridge() -> None:
    """Print which sounds are linked to which visual classes."""
    from training.guided.names import bridge_table

    Console().print(bridge_table())


@app.command()
def suggest() -> None:
    """Print what text similarity would link the sounds to that have no link."""
    from training.guided.names import suggestion_table

    Console().print(suggestion_table())


@app.command()
def fit(data: DataDir, bundle: BundleName = "default") -> None:
    """Fit the person probe and the calibrator on what the bundle's encoders see and hear."""
    settings = InferenceSettings(bundle=bundle)
    encoders = load_bundle(find_bundle(bundle, settings), settings)
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    probe_views = person_views(data, rng) + empty_views(_animals(data))
    seen = _encode(
        [pixels(view.picture, data, _size(encoders)) for view in track(probe_views, "persons")], encoders
    )
    person = fit_person(seen.tokens.float().reshape(len(probe_views), -1, 384), probe_views, seed=SEED)
    save_file(person.state_dict(), PERSON_WEIGHTS)

    evidence = Evidence(load_bridge(), person).eval()
    views, rows = _cases(data, encoders, rng)
    features, strongest = evidence_of(evidence, rows, views.tokens, views.class_maps)
    calibrator = fit_calibrator(features, strongest, rows, seed=SEED)
    save_file(calibrator.state_dict(), CALIBRATOR_WEIGHTS)
    right = sum(row.target.any() for row in rows)
    Console().print(
        f"{len(views.tokens)} views, {right} rows with the right sound, {len(rows) - right} without"
    )


def _size(bundle: Bundle) -> int:
    return bundle.manifest.input_size


def _animals(data: Path) -> list[str]:
    """Pictures of pets, which show no person."""
    with (data / "images.csv").open(newline="", encoding="utf-8") as handle:
        pets = [row["file"] for row in csv.DictReader(handle) if row["dataset"] == "oxford_pets370"]
    return pets[:: max(1, len(pets) // N_ANIMALS)]


def _encode(frames: Sequence[np.ndarray], bundle: Bundle) -> Views:
    """One frame a run: what a quantised graph answers must not depend on the other pictures of a batch."""
    parts = [bundle.visual(frame[None]) for frame in track(frames, "encoding")]
    return Views(
        torch.from_numpy(np.concatenate([part[0] for part in parts])).half(),
        torch.from_numpy(np.concatenate([part[1] for part in parts])).half(),
    )


def _cases(data: Path, bundle: Bundle, rng: np.random.Generator) -> tuple[Views, list[Row]]:
    """All views and the rows on them: pictures with recorded or simulated sound, clips with their own."""
    labels = read_labels()
    sounds = Soundtracks(labels, read_recorded(data, bundle, rng))
    photos, drawn = read_coco(data), read_drawn()
    close = zooms(photos, set(labels), rng)
    scenes = [*photos, *close]
    mixed = mosaics([*scenes, *drawn], set(labels), N_MOSAICS, rng)
    moments = _moments(data, bundle)
    shown: list[Picture | Mosaic] = [*scenes, *mixed, *drawn]
    frames = [pixels(picture, data, _size(bundle)) for picture in track(shown, "pictures")]
    views = _encode([*frames, *(moment.frame for moment in moments)], bundle)
    rows: list[Row] = []
    for view, picture in enumerate(shown):
        rights = 4 if view >= len(scenes) + len(mixed) else 1 if isinstance(picture, Mosaic) else 2
        rows += _picture_rows(view, picture, sounds, rights, rng)
    rows += _moment_rows(len(shown), moments, rng)
    rows += _swapped_rows(scenes, moments, rng)
    noises = noise_events(bundle)
    for events in noises:
        some = rng.choice(len(views.tokens), 25, replace=False)
        rows += [Row(int(view), events, nothing(), WRONG_SOUND_WEIGHT) for view in some]
    return views, rows


def _picture_rows(
    view: int, picture: Picture | Mosaic, sounds: Soundtracks, rights: int, rng: np.random.Generator
) -> list[Row]:
    """Each label heard `rights` times, and sounds of what is not in the picture."""
    rows = []
    present = picture.labels()
    for label in sorted(present & set(sounds.labels)):
        target = cover_of([thing.box for thing in picture.things if thing.label == label])
        if target.mean() >= 0.01:
            rows += [Row(view, sounds.draw(label, rng), target) for _ in range(rights)]
    rows.append(Row(view, sounds.other(present, rng), nothing(), WRONG_SOUND_WEIGHT))
    if any(label in sounds.labels and sounds.labels[label].instrument for label in present):
        rows.append(Row(view, sounds.other_instrument(present, rng), nothing(), WRONG_SOUND_WEIGHT / 2))
    return rows


def _moments(data: Path, bundle: Bundle) -> list[Moment]:
    """The training clips with drawn boxes, at the time the boxes were drawn."""
    found = []
    table = json.loads(DRAWN.read_text(encoding="utf-8"))
    for file, entry in track([item for item in table.items() if "time_s" in item[1]], "clips"):
        clip = read_clip(
            data / file, size=_size(bundle), fps=READ_FPS, limits=LimitSettings(), decode=DecodeSettings()
        )
        index = int(np.abs(clip.frame_times_s - entry["time_s"]).argmin())
        time_s = clip.frame_times_s[index : index + 1]
        events = encode_audio(bundle, clip.waveform, clip.audio_offset_s, time_s)[0][0]
        boxes = [tuple(box) for box in entry["boxes"]]
        found.append(Moment(clip.frames[index].copy(), events, boxes, kinds_of(entry["sounds"])))
    return found


def _moment_rows(first_view: int, moments: list[Moment], rng: np.random.Generator) -> list[Row]:
    """Each clip with its own sound, more or less clearly heard, and with sounds of other kinds."""
    rows = []
    for offset, moment in enumerate(moments):
        view = first_view + offset
        if moment.boxes:
            target = cover_of(moment.boxes)
            rows += [Row(view, shifted(moment.events, rng.uniform(-0.7, 0.4)), target) for _ in range(4)]
        others = [m for m in moments if m.kinds and moment.kinds and not m.kinds & moment.kinds]
        for index in rng.choice(len(others), min(6, len(others)), replace=False):
            rows.append(Row(view, others[index].events, nothing(), WRONG_SOUND_WEIGHT))
    return rows


def _swapped_rows(pictures: Sequence[Picture], moments: list[Moment], rng: np.random.Generator) -> list[Row]:
    """Real sound tracks of people and vehicles with pictures that show neither."""
    tracks = [m.events for m in moments if m.kinds & {"human", "vehicle"}]
    return [
        Row(view, tracks[rng.integers(len(tracks))], nothing(), WRONG_SOUND_WEIGHT)
        for view, picture in enumerate(pictures)
        if not picture.labels() & _MAKES_NOISE
    ]
