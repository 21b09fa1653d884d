"""Sounds and pictures for the controls: silence, noises, mirrored frames, two clips side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from app.inference.bundle import Bundle
from app.media.clip import SAMPLE_RATE_HZ
from app.pipeline.encode import encode_audio, encode_visual
from training.evaluation.features import ClipFeatures, Floats, Probes, SideBySide
from training.evaluation.kinds import differ
from training.metrics.controls import COLOURS, noise, silence

SOUND_S = 4.0  # longer than the context of a frame on both sides
SEEDS = range(5)
LEVELS_RMS = (0.01, 0.1, 0.3)  # -40, -20 and -10 dB below full scale
INAUDIBLE_RMS = 1e-4  # -80 dB: the hiss of a muted input
PAIR_SEED = 7


def load_probes(bundle: Bundle, clips: Sequence[ClipFeatures], *, batch: int = 4) -> Probes:
    """Encode everything the controls feed. Noise is independent of the clips; its seeds and levels are fixed.

    Args:
        bundle: as for `load_clip_features`.
        clips: from `load_clip_features`.
        batch: frames encoded at once.
    """
    quiet = [silence(SOUND_S), noise("white", SOUND_S, rms=INAUDIBLE_RMS, seed=0)]
    no_track = np.zeros((1, clips[0].events.size), np.float32)
    return Probes(
        silence=np.concatenate([events_of(bundle, quiet), no_track]),
        noises={
            colour: events_of(
                bundle,
                [noise(colour, SOUND_S, rms=rms, seed=seed) for rms in LEVELS_RMS for seed in SEEDS],
            )
            for colour in COLOURS
        },
        flipped=_encode(bundle, [np.ascontiguousarray(clip.frame[:, ::-1]) for clip in clips], batch),
        pairs=_pairs(bundle, clips, batch),
    )


def events_of(bundle: Bundle, waveforms: Sequence[Floats]) -> Floats:
    """(K, E) events of K sounds (float32 mono 16 kHz), each pooled around its middle."""
    rows = []
    for waveform in waveforms:
        middle_s = np.array([len(waveform) / (2 * SAMPLE_RATE_HZ)])
        events, _ = encode_audio(bundle, waveform, 0.0, middle_s)
        rows.append(events[0])
    return np.stack(rows)


def choose_pairs(clips: Sequence[ClipFeatures], *, seed: int = PAIR_SEED) -> list[tuple[int, int]]:
    """One partner of another kind for each scored clip that has any, drawn by seed: (left, right) indices."""
    generator = np.random.default_rng(seed)
    scored = [index for index, clip in enumerate(clips) if clip.scored]
    pairs = []
    for left in scored:
        partners = [right for right in scored if differ(clips[left].kinds, clips[right].kinds)]
        if partners:
            pairs.append((left, int(generator.choice(partners))))
    return pairs


def side_by_side(left: npt.NDArray[np.uint8], right: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Two frames (S, S, 3), each squeezed to half the width, as one frame (S, S, 3)."""
    side = left.shape[0]
    halves = [
        np.asarray(Image.fromarray(frame).resize((width, side), Image.Resampling.BICUBIC))
        for frame, width in ((left, side // 2), (right, side - side // 2))
    ]
    return np.concatenate(halves, axis=1)


def _pairs(bundle: Bundle, clips: Sequence[ClipFeatures], batch: int) -> tuple[SideBySide, ...]:
    chosen = choose_pairs(clips)
    frames = [side_by_side(clips[left].frame, clips[right].frame) for left, right in chosen]
    encoded = _encode(bundle, frames, batch)
    return tuple(
        SideBySide(left, right, tokens, class_map)
        for (left, right), (tokens, class_map) in zip(chosen, encoded, strict=True)
    )


def _encode(
    bundle: Bundle, frames: Sequence[npt.NDArray[np.uint8]], batch: int
) -> tuple[tuple[Floats, Floats], ...]:
    if not frames:
        return ()
    tokens, class_maps = encode_visual(bundle, np.stack(frames), batch)
    return tuple(zip(tokens, class_maps, strict=True))
