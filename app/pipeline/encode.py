"""Clip chunks to features: each window of sound and each different picture goes through its graph once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.inference.bundle import Bundle
from app.inference.manifest import AudioSpec, Manifest

Floats = npt.NDArray[np.float32]

SILENCE = "Silence"

# Windows of sound in one run of the audio graph: about 15 s.
_BATCH_WINDOWS = 32


@dataclass(frozen=True, slots=True)
class _Window:
    """One window of sound, encoded: `events` (E,) already weighed by 1 - silence, `embedding` (Da,)."""

    events: Floats
    embedding: Floats


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame (S, S, 3) and what the visual graph made of it, with a first axis of length 1."""

    frame: npt.NDArray[np.uint8]
    tokens: Floats
    class_map: Floats


class ChunkEncoder:
    """Encodes the chunks of one clip in their order, keeping what neighbouring chunks share.

    Attributes:
        last: the picture that `see` saw last; set it to go on where another encoder has stopped.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        labels = bundle.manifest.events.labels
        self._silence = labels.index(SILENCE) if SILENCE in labels else None
        self._windows: dict[int, _Window] = {}  # by the index of their first sample on the timeline
        self.last: Picture | None = None

    def hear(
        self, waveform: Floats, waveform_start_s: float, times_s: npt.NDArray[np.float64]
    ) -> tuple[Floats, Floats]:
        """Encode the sound around frames.

        Windows lie on a grid of `hop_samples` that is fixed to time 0, so that the cut into chunks does not
        move them. A frame hears every window that lies wholly in the sound track and has its centre within
        `context_s / 2` of the frame; a track without any whole window counts as one, filled with zeros.

        Args:
            waveform: (M,) mono in [-1, 1] at the rate of the bundle, reaching `sound_margin_s` beyond the
                frames on both sides as far as the track goes.
            waveform_start_s: time of its first sample.
            times_s: (N,) of the frames, rising, none before those of the call before.

        Returns:
            Events (N, E): the largest score of each event, each weighed by 1 - score of "Silence" in its
            window; embedding (N, Da): the mean over the windows. Zero for a frame without sound.
        """
        spec = self._bundle.manifest.audio
        heard = _windows_in_reach(waveform, waveform_start_s, times_s, spec)
        wanted = sorted(set().union(*heard))
        self._windows = {start: self._windows[start] for start in wanted if start in self._windows}
        self._encode_windows(waveform, round(waveform_start_s * spec.sample_rate_hz), wanted)
        n_events, width = _widths(self._bundle.manifest)
        events = np.zeros((len(times_s), n_events), np.float32)
        embedding = np.zeros((len(times_s), width), np.float32)
        for row, starts in enumerate(heard):
            if starts:
                windows = [self._windows[start] for start in starts]
                events[row] = np.max([window.events for window in windows], axis=0)
                embedding[row] = np.mean([window.embedding for window in windows], axis=0)
        return events, embedding

    def nearest(self, times_s: npt.NDArray[np.float64]) -> Floats:
        """Embeddings (N, Da) of the one window nearest to each frame, of frames given to the last `hear`.

        They tell when a sound is heard to about half a second; the mean that `hear` gives is blurred over
        `context_s`. Zero for a frame without sound.
        """
        spec = self._bundle.manifest.audio
        nearest = np.zeros((len(times_s), _widths(self._bundle.manifest)[1]), np.float32)
        starts = sorted(self._windows)
        if not starts:
            return nearest
        centres_s = (np.array(starts) + spec.window_samples / 2) / spec.sample_rate_hz
        for row, time_s in enumerate(times_s):
            distance_s = np.abs(centres_s - time_s)
            best = int(distance_s.argmin())
            if distance_s[best] <= _reach_s(spec):
                nearest[row] = self._windows[starts[best]].embedding
        return nearest

    def see(self, frames: npt.NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Encode frames (N, S, S, 3) in one run. A picture that stands still is encoded once.

        Returns:
            Tokens (N, G, G, Dv) and class map (N, H, W, C).
        """
        last = self.last
        new = [
            index
            for index, frame in enumerate(frames)
            if not _same(frame, frames[index - 1] if index else last.frame if last else None)
        ]
        if last is not None and not new:
            return _repeat(last.tokens, len(frames)), _repeat(last.class_map, len(frames))
        tokens, class_map = self._bundle.visual(frames if len(new) == len(frames) else frames[new])
        if last is not None and new[0] > 0:  # the first frames show the picture of the call before
            new = [0, *new]
            tokens = np.concatenate([last.tokens, tokens])
            class_map = np.concatenate([last.class_map, class_map])
        self.last = Picture(frames[-1].copy(), tokens[-1:].copy(), class_map[-1:].copy())
        repeats = np.diff([*new, len(frames)])
        return _repeat(tokens, repeats), _repeat(class_map, repeats)

    def _encode_windows(self, waveform: Floats, offset: int, wanted: list[int]) -> None:
        """Run the windows that are not known yet; `offset` is the timeline index of `waveform[0]`."""
        size = self._bundle.manifest.audio.window_samples
        missing = [start for start in wanted if start not in self._windows]
        for first in range(0, len(missing), _BATCH_WINDOWS):
            starts = missing[first : first + _BATCH_WINDOWS]
            windows = np.zeros((len(starts), size), np.float32)
            for row, start in enumerate(starts):
                piece = waveform[start - offset : start - offset + size]
                windows[row, : len(piece)] = piece
            scores, embedding = self._bundle.audio(windows)
            if self._silence is not None:
                scores = scores * (1 - scores[:, self._silence, None])
            for row, start in enumerate(starts):
                self._windows[start] = _Window(scores[row], embedding[row])


def encode_audio(
    bundle: Bundle, waveform: Floats, waveform_start_s: float, times_s: npt.NDArray[np.float64]
) -> tuple[Floats, Floats]:
    """Encode a whole sound track at once: `ChunkEncoder.hear`, which says what comes back."""
    return ChunkEncoder(bundle).hear(waveform, waveform_start_s, times_s)


def encode_visual(bundle: Bundle, frames: npt.NDArray[np.uint8], batch: int) -> tuple[Floats, Floats]:
    """Encode frames (N, S, S, 3) of a whole clip, `batch` in one run: `ChunkEncoder.see`, for N > 0."""
    encoder = ChunkEncoder(bundle)
    parts = [encoder.see(frames[start : start + batch]) for start in range(0, len(frames), batch)]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def sound_margin_s(spec: AudioSpec) -> float:
    """How far the sound that a frame hears reaches beyond the frame, on each side."""
    return spec.context_s / 2 + spec.window_samples / spec.sample_rate_hz / 2


def _windows_in_reach(
    waveform: Floats, waveform_start_s: float, times_s: npt.NDArray[np.float64], spec: AudioSpec
) -> list[list[int]]:
    """For each frame the first samples (on the timeline) of the windows that it hears."""
    offset = round(waveform_start_s * spec.sample_rate_hz)
    if not len(waveform):
        return [[] for _ in times_s]
    first = math.ceil(offset / spec.hop_samples)
    last = (offset + len(waveform) - spec.window_samples) // spec.hop_samples
    starts = np.arange(first, last + 1) * spec.hop_samples if last >= first else np.array([offset])
    centres_s = (starts + spec.window_samples / 2) / spec.sample_rate_hz
    reach_s = _reach_s(spec)
    low = np.searchsorted(centres_s, times_s - reach_s, side="left")
    high = np.searchsorted(centres_s, times_s + reach_s, side="right")
    return [starts[begin:end].tolist() for begin, end in zip(low, high, strict=True)]


def _reach_s(spec: AudioSpec) -> float:
    # Half a sample of tolerance: a window exactly at the rim is heard whatever the rounding.
    return spec.context_s / 2 + 0.5 / spec.sample_rate_hz


def _widths(manifest: Manifest) -> tuple[int, int]:
    """Number of events and length of an audio embedding."""
    outputs = {spec.name: spec.shape for spec in manifest.file("audio").outputs}
    return len(manifest.events.labels), int(outputs["embedding"][-1])


def _same(frame: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8] | None) -> bool:
    if other is None:
        return False
    middle = len(frame) // 2  # one row tells nearly all pictures apart, at a hundredth of the cost
    return np.array_equal(frame[middle], other[middle]) and np.array_equal(frame, other)


def _repeat(rows: Floats, repeats: int | npt.NDArray[np.int64]) -> Floats:
    if np.all(np.equal(repeats, 1)):
        return rows  # the common case, without a copy of megabytes
    return np.repeat(rows, repeats, axis=0)
