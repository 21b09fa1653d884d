"""Clips with boxes from a table, decoded and encoded the way the service does it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.inference.bundle import Bundle
from app.media.stream import read_clip
from app.pipeline.encode import encode_audio, encode_visual
from app.settings import DecodeSettings, LimitSettings
from training.evaluation.features import WEAK, ClipFeatures
from training.evaluation.kinds import instruments_of, kinds_of
from training.metrics.masks import clean_boxes

READERS = 2  # clips decoded ahead; each keeps one frame, so that memory stays small
READ_FPS = 10.0  # the frame that is scored lies within 0.05 s of the one the boxes were drawn on


@dataclass(frozen=True, slots=True)
class ClipEntry:
    """A row of `clips.csv`. `boxes` are (B, 4) normalised xyxy on the frame at `time_s`."""

    file: str
    tier: str
    sounds: str
    boxes: npt.NDArray[np.float64]
    time_s: float


def read_entries(data_dir: Path) -> list[ClipEntry]:
    """Rows of `data_dir/clips.csv` (columns file, tier, sounds, boxes, time_s; others are ignored).

    Raises:
        FileNotFoundError: if there is no such table.
        ValueError: if a row cannot be read, or a clip that is not weak has no box with an area.
    """
    with (data_dir / "clips.csv").open(newline="", encoding="utf-8") as handle:
        entries = [_entry(row) for row in csv.DictReader(handle)]
    if not entries:
        raise ValueError(f"{data_dir / 'clips.csv'} lists no clip")
    return entries


def _entry(row: dict[str, str]) -> ClipEntry:
    try:
        entry = ClipEntry(
            file=row["file"],
            tier=row["tier"],
            sounds=row["sounds"],
            boxes=clean_boxes(json.loads(row["boxes"] or "[]")),
            time_s=float(row["time_s"]),
        )
    except (KeyError, ValueError) as error:
        raise ValueError(f"clips.csv, {row.get('file')}: {error!r}") from error
    if entry.tier != WEAK and not len(entry.boxes):
        raise ValueError(f"clips.csv, {entry.file}: no box with an area, yet its tier is {entry.tier!r}")
    return entry


def load_clip_features(
    data_dir: Path, bundle: Bundle, *, on_clip: Callable[[str], None] | None = None
) -> list[ClipFeatures]:
    """Decode and encode every clip of `data_dir/clips.csv` the way the service does.

    Args:
        data_dir: holds `clips.csv`; the files it names are relative to it.
        bundle: encodes.
        on_clip: called with each file name once it is decoded.

    Raises:
        FileNotFoundError, ValueError: see `read_entries`.
        EarsightError: if a clip cannot be decoded.
    """
    entries = read_entries(data_dir)
    size = bundle.manifest.input_size
    features = []
    with ThreadPoolExecutor(READERS) as readers:
        moments = readers.map(
            lambda entry: _read_moment(data_dir / entry.file, entry.time_s, size=size), entries
        )
        for entry, moment in zip(entries, moments, strict=True):
            if on_clip is not None:
                on_clip(entry.file)
            features.append(_encode(entry, moment, bundle=bundle))
    return features


@dataclass(frozen=True, slots=True)
class _Moment:
    """What is kept of a decoded clip: one frame (S, S, 3), its time, and the whole sound."""

    frame: npt.NDArray[np.uint8]
    time_s: float
    waveform: npt.NDArray[np.float32]
    waveform_start_s: float


def _read_moment(path: Path, time_s: float, *, size: int) -> _Moment:
    clip = read_clip(path, size=size, fps=READ_FPS, limits=LimitSettings(), decode=DecodeSettings())
    nearest = int(np.abs(clip.frame_times_s - time_s).argmin())
    return _Moment(
        clip.frames[nearest].copy(), float(clip.frame_times_s[nearest]), clip.waveform, clip.audio_offset_s
    )


def _encode(entry: ClipEntry, moment: _Moment, *, bundle: Bundle) -> ClipFeatures:
    tokens, class_map = encode_visual(bundle, moment.frame[None], 1)
    events, _ = encode_audio(bundle, moment.waveform, moment.waveform_start_s, np.array([moment.time_s]))
    return ClipFeatures(
        file=entry.file,
        tier=entry.tier,
        sounds=entry.sounds,
        kinds=kinds_of(entry.sounds),
        instruments=instruments_of(entry.sounds),
        boxes=entry.boxes,
        time_s=moment.time_s,
        frame=moment.frame,
        tokens=tokens[0],
        class_map=class_map[0],
        events=events[0],
        waveform=moment.waveform,
        waveform_start_s=moment.waveform_start_s,
    )
