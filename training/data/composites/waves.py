"""Sound as the service hears it: mono float32 at 16 kHz; reading, trimming and filling time with it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

RATE_HZ = 16_000

Waveform = npt.NDArray[np.float32]  # (N,) mono in [-1, 1] at RATE_HZ

_LONGEST_S = 60.0  # of a recording; scenes last a few seconds
_BLOCK = 320  # samples, 20 ms: the unit in which silence is looked for
_SILENCE_DB = -40.0  # below the loudest block
_SEAM_S = 0.03


def read_sound(path: Path) -> Waveform:
    """The first minute of a sound file, whatever its format.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it holds no sound that can be decoded.
    """
    blocks, n_samples = [], 0
    try:
        with av.open(str(path)) as container:
            resampler = av.AudioResampler("fltp", "mono", RATE_HZ)
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    blocks.append(part.to_ndarray()[0])
                    n_samples += len(blocks[-1])
                if n_samples > _LONGEST_S * RATE_HZ:
                    break
            blocks += [part.to_ndarray()[0] for part in resampler.resample(None)]
    except (av.FFmpegError, IndexError) as error:
        raise ValueError(f"{path} holds no sound that can be decoded: {error}") from error
    if not blocks:
        raise ValueError(f"{path} holds no sound")
    return np.concatenate(blocks).astype(np.float32)


def levels(wave: Waveform) -> npt.NDArray[np.float64]:
    """Root mean square of each whole block of 20 ms."""
    blocks = wave[: len(wave) // _BLOCK * _BLOCK].reshape(-1, _BLOCK).astype(np.float64)
    return np.sqrt((blocks**2).mean(axis=1))


def trim(wave: Waveform) -> Waveform:
    """Without the silence before and after; empty if there is nothing else."""
    loud = _loud(levels(wave))
    if not len(loud):
        return wave[:0]
    return wave[loud[0] * _BLOCK : (loud[-1] + 1) * _BLOCK]


def loudness(wave: Waveform) -> float:
    """Root mean square of the part that is not silence; 0 for silence."""
    level = levels(wave)
    loud = _loud(level)
    return float(np.sqrt((level[loud] ** 2).mean())) if len(loud) else 0.0


def stretch(wave: Waveform, speed: float) -> Waveform:
    """Faster and higher (speed > 1), or slower and lower, as a tape does it; `speed` to the hundredth."""
    percent = round(100 * speed)
    if percent == 100 or not len(wave):
        return wave
    return resample_poly(wave, 100, percent).astype(np.float32)


def faded(wave: Waveform, *, seconds: float = _SEAM_S) -> Waveform:
    """With soft ends."""
    edge = min(round(seconds * RATE_HZ), len(wave) // 2)
    ramp = np.linspace(0, 1, edge, endpoint=False, dtype=np.float32)
    out = wave.copy()
    out[:edge] *= ramp
    out[len(out) - edge :] *= ramp[::-1]
    return out


def fill(wave: Waveform, length: int, rng: np.random.Generator, *, gap_s: tuple[float, float]) -> Waveform:
    """A stretch of sound that lasts `length` samples, with soft ends.

    A long recording is cut at random where it sounds; a short one is repeated, each time a little louder or
    softer, with pauses no longer than itself, or joined without any if the longest pause is 0.

    Args:
        wave: trimmed and not empty.
        length: in samples.
        rng: decides.
        gap_s: shortest and longest pause.
    """
    if len(wave) >= length:
        return faded(_cut(wave, length, rng))
    seam = min(round(_SEAM_S * RATE_HZ), len(wave) // 4)
    piece, out, start = faded(wave, seconds=seam / RATE_HZ), np.zeros(length, np.float32), 0
    while start < length:
        part = piece[: length - start] * np.float32(10 ** (rng.uniform(-1.5, 1.5) / 20))
        out[start : start + len(part)] += part
        start += len(wave) + _pause(len(wave), seam, rng, gap_s)
    return faded(out)


def _pause(n_samples: int, seam: int, rng: np.random.Generator, gap_s: tuple[float, float]) -> int:
    """Samples between two repeats; negative where they overlap."""
    if gap_s[1] <= 0:
        return -seam
    longest = min(gap_s[1], max(gap_s[0], n_samples / RATE_HZ))
    return round(rng.uniform(min(gap_s[0], longest), longest) * RATE_HZ)


def _cut(wave: Waveform, length: int, rng: np.random.Generator) -> Waveform:
    starts = [0, *rng.integers(0, len(wave) - length + 1, size=4).tolist()]
    pieces = [wave[start : start + length] for start in starts]
    enough = 0.5 * float(np.sqrt(np.square(wave, dtype=np.float64).mean()))
    loud = [piece for piece in pieces if float(np.sqrt(np.square(piece, dtype=np.float64).mean())) >= enough]
    return loud[int(rng.integers(len(loud)))] if loud else pieces[0]


def _loud(level: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Indices of the blocks that are not silence."""
    if not len(level) or level.max() < 1e-4:
        return np.zeros(0, np.int64)
    return np.flatnonzero(level > level.max() * 10 ** (_SILENCE_DB / 20))
