"""The sound half of the decode child: one steady stream of samples on the clock of the picture."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from app.media.protocol import Budget

_GAP_S = 0.1  # smaller jumps of the time stamps are jitter
_BLOCK_S = 0.25
# The rates that every AAC encoder and browser takes; anything else is brought to the last one.
_NATIVE_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)

Samples = npt.NDArray[np.float32]  # (n, channels)


def native_sound(stream: AudioStream) -> tuple[int, int]:
    """Rate in Hz and number of channels in which a track is passed on unchanged where possible."""
    rate_hz = stream.codec_context.sample_rate
    channels = min(2, stream.codec_context.layout.nb_channels)
    return (rate_hz if rate_hz in _NATIVE_RATES_HZ else _NATIVE_RATES_HZ[-1]), channels


class SoundReader:
    """Decodes and resamples one track, with silence where it starts late or has gaps.

    Samples are counted on the displayed clock: number n is heard at n / rate_hz. The first one is at 0 if
    the track begins later, at `-lead_s` if it begins before that, else where it begins.

    Attributes:
        rate_hz, channels: of the blocks.
        next_sample: number of the sample after the last one that was read.
        done: the track has ended.
        n_damaged: packets that could not be decoded.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: AudioStream,
        *,
        rate_hz: int,
        channels: int,
        zero_s: float,
        lead_s: float,
        budget: Budget,
    ) -> None:
        """`zero_s` is the time of the displayed clock's zero on the clock of this container."""
        self._container = container
        self._stream = stream
        self._zero_s = zero_s
        self._budget = budget
        self._lead_samples = round(lead_s * rate_hz)
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        self._fed_end_s = 0.0
        self._cursor = 0  # number of the next sample that the resampler gives
        self._started = False
        self._blocks = self._steady()
        self._pending: Samples | None = None
        self.rate_hz = rate_hz
        self.channels = channels
        self.next_sample = 0
        self.done = False
        self.n_damaged = 0

    def prime(self) -> bool:
        """Decode until there is something to hear. False if there never is."""
        self._pending = next(self._blocks, None)
        self.done = self._pending is None
        return not self.done

    def read(self) -> tuple[int, Samples] | None:
        """The next block with the number of its first sample, None at the end of the track.

        Raises LimitExceeded if the track is longer than a clip may be, and MemoryError.
        """
        block = self._pending if self._pending is not None else next(self._blocks, None)
        self._pending = None
        if block is None:
            self.done = True
            return None
        start = self.next_sample
        self.next_sample += len(block)
        if self.next_sample / self.rate_hz > self._budget.max_duration_s + self._lead_samples / self.rate_hz:
            raise self._budget.exceeded(
                "max_duration_s", f"the sound is longer than {self._budget.max_duration_s:g} seconds"
            )
        return start, block

    def _steady(self) -> Iterator[Samples]:
        """Blocks of `_BLOCK_S`; the last one may be shorter."""
        size = round(_BLOCK_S * self.rate_hz)
        held: list[Samples] = []
        n_held = 0
        for piece in self._contiguous():
            held.append(piece)
            n_held += len(piece)
            if n_held >= size:
                yield np.concatenate(held)
                held, n_held = [], 0
        if n_held:
            yield np.concatenate(held)

    def _contiguous(self) -> Iterator[Samples]:
        """Resampled pieces without gaps or overlaps, silence filled in."""
        emitted = 0
        for piece in self._resampled():
            if not self._started:
                self._started = True
                emitted = self.next_sample = max(-self._lead_samples, min(0, self._cursor))
            while emitted < self._cursor:
                silence = min(self._cursor - emitted, self.rate_hz)
                yield np.zeros((silence, self.channels), np.float32)
                emitted += silence
            fresh = piece[max(0, emitted - self._cursor) :]
            self._cursor += len(piece)
            if len(fresh):
                yield fresh
                emitted += len(fresh)

    def _resampled(self) -> Iterator[Samples]:
        for frame in self._frames():
            time_s = self._time_of(frame)
            shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            if shape != self._shape or abs(time_s - self._fed_end_s) > _GAP_S:
                yield from self._convert(None)
                self._begin(shape, time_s)
            self._fed_end_s += frame.samples / frame.sample_rate
            frame.pts = None  # the clock is kept here; odd time stamps only confuse the filter graph
            yield from self._convert(frame)
        yield from self._convert(None)

    def _begin(self, shape: tuple[str, str, int], time_s: float) -> None:
        layout = "mono" if self.channels == 1 else "stereo"
        # Without a bound on the mixing matrix a float downmix is not normalised: two equal channels would
        # come out 3 dB louder than either and leave [-1, 1].
        self._resampler = AudioResampler(
            format="flt", layout=layout, rate=self.rate_hz, options={"rematrix_maxval": "1.0"}
        )
        self._shape = shape
        self._fed_end_s = time_s
        self._cursor = round(time_s * self.rate_hz)

    def _convert(self, frame: AudioFrame | None) -> Iterator[Samples]:
        if self._resampler is None:
            return
        try:
            converted = self._resampler.resample(frame)
        except MemoryError:
            raise
        except (av.FFmpegError, ValueError):  # a layout or rate that makes no sense
            self.n_damaged += 1
            self._resampler = self._shape = None
            return
        for out in converted:
            if out is not None:  # flushing a resampler that had nothing to do gives [None]
                yield _clean(out, self.channels)

    def _time_of(self, frame: AudioFrame) -> float:
        if frame.pts is None or not frame.time_base:
            return self._fed_end_s
        return float(frame.pts * frame.time_base) - self._zero_s

    def _frames(self) -> Iterator[AudioFrame]:
        """Decoded frames; damaged packets are counted and left out."""
        context = self._stream.codec_context
        try:
            for packet in self._container.demux(self._stream):
                try:
                    frames = context.decode(packet)
                except EOFError:
                    continue
                except MemoryError:
                    raise
                except (av.FFmpegError, ValueError):
                    self.n_damaged += 1
                    continue
                yield from (frame for frame in frames if frame.samples and frame.sample_rate)
        except (av.FFmpegError, EOFError, ValueError):
            self.n_damaged += 1


def _clean(frame: AudioFrame, channels: int) -> Samples:
    """Finite values in [-1, 1]: float tracks may hold anything."""
    samples = frame.to_ndarray().astype(np.float32, copy=False).reshape(-1, channels)
    np.nan_to_num(samples, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.clip(samples, -1.0, 1.0, out=samples)
