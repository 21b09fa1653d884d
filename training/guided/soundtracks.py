"""What a picture sounds like: audio events of recordings of its class, simulated ones, and noises."""

from __future__ import annotations

import csv
import tomllib
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from rich.progress import track

from app.inference.bundle import Bundle
from app.media.clip import SAMPLE_RATE_HZ
from app.pipeline.encode import encode_audio
from training.guided.bridge import N_EVENTS, SILENCE_EVENT
from training.metrics.controls import noise

Events = npt.NDArray[np.float32]  # (521,)

SOUNDS = Path(__file__).with_name("sounds.toml")
MAX_PER_CLASS = 45
_EXCERPT_S = 2.0


@dataclass(frozen=True, slots=True)
class Label:
    recorded: tuple[str, ...]
    events: tuple[int, ...]
    along: tuple[int, ...]
    instrument: bool


def read_labels(path: Path = SOUNDS) -> dict[str, Label]:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        name: Label(
            tuple(entry["recorded"]),
            tuple(entry["events"]),
            tuple(entry["with"]),
            entry.get("instrument", False),
        )
        for name, entry in table.items()
    }


class Soundtracks:
    """Draws audio events for labels. Labels without recordings are simulated, the others now and then."""

    def __init__(self, labels: dict[str, Label], recorded: dict[str, list[Events]]) -> None:
        self.labels = labels
        self._recorded = recorded

    def draw(self, label: str, rng: np.random.Generator) -> Events:
        """(521,) scores of a soundtrack in which `label` is heard; speech is mixed in now and then."""
        classes = [name for name in self.labels[label].recorded if self._recorded.get(name)]
        if not classes or rng.random() < 0.35:
            return self._simulate(label, rng)
        options = self._recorded[classes[rng.integers(len(classes))]]
        events = shifted(options[rng.integers(len(options))], rng.uniform(-1.5, 0.3))
        if rng.random() < 0.25:
            events = np.maximum(events, self._simulate("person", rng) * rng.uniform(0, 0.6))
        return events.astype(np.float32)

    def other(self, labels: set[str], rng: np.random.Generator) -> Events:
        """Events of something that is not among `labels`, nor an instrument if one of them is."""
        with_instrument = any(label in self.labels and self.labels[label].instrument for label in labels)
        options = [
            name
            for name, entry in self.labels.items()
            if name not in labels and not (with_instrument and entry.instrument)
        ]
        return self.draw(options[rng.integers(len(options))], rng)

    def other_instrument(self, labels: set[str], rng: np.random.Generator) -> Events:
        """Events of an instrument that is not among `labels`."""
        options = [name for name, entry in self.labels.items() if entry.instrument and name not in labels]
        return self.draw(options[rng.integers(len(options))], rng)

    def _simulate(self, label: str, rng: np.random.Generator) -> Events:
        """Scores as YAMNet gives them: one leading event at a low, middle or high level, and its company."""
        entry = self.labels[label]
        events = np.exp(rng.normal(-6, 1.3, N_EVENTS)).clip(0, 0.5)
        events[SILENCE_EVENT] = 0
        low, high = ((0.08, 0.4), (0.4, 0.8), (0.8, 0.99))[rng.integers(3)]
        level = rng.uniform(low, high)
        lead = entry.events[rng.integers(len(entry.events))]
        events[lead] = level
        for event in entry.events:
            if event != lead and rng.random() < 0.6:
                events[event] = level * rng.uniform(0.2, 1)
        for event in entry.along:
            events[event] = min(0.99, level * rng.uniform(0.7, 1.3))
        for event, chance in ((0, 0.25), (132, 0.12)):  # speech and music are everywhere
            if rng.random() < chance:
                events[event] = max(events[event], rng.uniform(0.1, 0.6))
        return events.astype(np.float32)


def shifted(events: Events, logits: float) -> Events:
    """The same events heard more or less clearly."""
    p = events.clip(1e-6, 1 - 1e-6)
    return (1 / (1 + (1 - p) / p * np.exp(-logits))).astype(np.float32)


def read_recorded(data_dir: Path, bundle: Bundle, rng: np.random.Generator) -> dict[str, list[Events]]:
    """Events of the loudest part of up to 45 recordings of each class in `data_dir/sounds.csv`."""
    wanted = {name for label in read_labels().values() for name in label.recorded}
    with (data_dir / "sounds.csv").open(newline="", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["cls"] in wanted]
    found: dict[str, list[Events]] = {}
    for row in track(rows, "sounds"):
        if len(found.setdefault(row["cls"], [])) < MAX_PER_CLASS:
            waveform = _read_sound(data_dir / row["file"])
            found[row["cls"]].append(_events(_loudest(waveform, rng.uniform(0.1, 0.9)), bundle))
    return found


def _read_sound(path: Path) -> npt.NDArray[np.float32]:
    resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
    with av.open(str(path)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def _loudest(waveform: npt.NDArray[np.float32], peak: float) -> npt.NDArray[np.float32]:
    """The 2 s around the loudest 0.2 s, scaled to `peak`, padded with silence if it is shorter."""
    size, step = round(_EXCERPT_S * SAMPLE_RATE_HZ), SAMPLE_RATE_HZ // 5
    padded = np.zeros(max(size, -(-len(waveform) // step) * step), np.float32)
    padded[: len(waveform)] = waveform * (peak / max(1e-4, float(np.abs(waveform).max(initial=0))))
    loudest = int((padded[: len(padded) // step * step].reshape(-1, step) ** 2).mean(1).argmax())
    start = min(max(0, loudest * step + step // 2 - size // 2), len(padded) - size)
    return padded[start : start + size]


def _events(excerpt: npt.NDArray[np.float32], bundle: Bundle) -> Events:
    middle = np.array([len(excerpt) / SAMPLE_RATE_HZ / 2])
    events: Events = encode_audio(bundle, excerpt, 0.0, middle)[0][0]
    return events


def noise_events(bundle: Bundle) -> list[Events]:
    """Events of white, pink and brown noise, two each at five levels. No seed is one of the evaluation's."""
    kinds = product(range(2), ("white", "pink", "brown"), (0.006, 0.02, 0.05, 0.12, 0.3))
    return [
        _events(noise(colour, 3.0, rms=rms, seed=9001 + index), bundle)
        for index, (_, colour, rms) in enumerate(kinds)
    ]
