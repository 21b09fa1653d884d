"""Made-up examples and cases whose answers can be worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from app.errors import MediaCorrupt
from training.data.examples import Facts, Footage
from training.evaluation.cases import Case, Encoded, Pictures, Role
from training.evaluation.sounds import Sounds, join
from training.metrics.masks import SIDE, rasterize_box

RATE_HZ, SECONDS = 16_000, 2
LABELS = {"human": "speech", "animal": "dog", "music": "violin", "drums": "drum kit"}
CHANNELS = {"human": 0, "animal": 1, "music": 2, "drums": 2}
FRAME_PX = 32


@dataclass
class Block:
    """An example: a white block of a quarter of the width stands on black, and a tone sounds all the time.

    `cell` is (row, column) in a grid of 4 x 4. `judged` says at which of its frames the truth is known, as a
    share of its length; `marked` at which of these the block is its source. `broken` cannot be decoded.
    """

    id: str
    cell: tuple[int, int] = (0, 0)
    labels: tuple[str, ...] = ("dog",)
    loud: bool = True
    sounding: bool = True
    judged: tuple[float, float] = (0.0, 1.0)
    marked: tuple[float, float] = (0.0, 1.0)
    group: str = ""
    scene: str = ""
    broken: bool = False
    extra: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[int, float]] = field(default_factory=list)

    @property
    def facts(self) -> Facts:
        return Facts(
            self.id, self.labels, self.group, "test", self.scene, sounding=self.sounding, extra=self.extra
        )

    def footage(self, *, size: int, fps: float) -> Footage:
        self.asked.append((size, fps))
        if self.broken:
            raise MediaCorrupt(f"{self.id}.mp4: no frame of the video could be decoded")
        times_s = np.arange(0, SECONDS, 1 / fps)
        share = times_s / SECONDS
        judged = (share >= self.judged[0]) & (share < self.judged[1])
        marked = judged & (share >= self.marked[0]) & (share < self.marked[1]) & self.sounding
        row, column = self.cell
        part = size // 4
        frames = np.zeros((len(times_s), size, size, 3), np.uint8)
        frames[:, row * part : (row + 1) * part, column * part : (column + 1) * part] = 255
        # A pixel that counts the frames, so that one can tell which was taken.
        frames[:, -1, -1] = np.arange(len(times_s))[:, None]
        block = rasterize_box((column / 4, row / 4, (column + 1) / 4, (row + 1) / 4))
        tone = 0.6 * np.sin(2 * np.pi * 440 * np.arange(SECONDS * RATE_HZ) / RATE_HZ)
        return Footage(
            frames=frames,
            times_s=times_s,
            waveform=(tone * self.loud).astype(np.float32),
            waveform_start_s=0.0,
            truth=(marked[:, None, None] * block).astype(np.float32),
            judged=judged,
        )


@dataclass
class MadeCase:
    """A case with its arrays: a source of `extent` cells squared of 16 whose upper left cell is `corner`.

    Its kind is a channel of the tokens and of the colours of its frame, and an event in its sound.
    """

    kind: str
    corner: tuple[int, int]
    role: Role = Role.SCORED
    extent: int = 6
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.kind}-{self.corner[0]}-{self.corner[1]}"

    def block(self) -> tuple[slice, slice]:
        return tuple(slice(start, start + self.extent) for start in self.corner)


def encode(cases: list[MadeCase]) -> Encoded:
    n = len(cases)
    frames = np.zeros((n, FRAME_PX, FRAME_PX, 3), np.uint8)
    tokens, class_maps = np.zeros((n, 16, 16, 4), np.float16), np.zeros((n, 14, 14, 8), np.float16)
    truths, sounds = np.zeros((n, SIDE, SIDE), np.float16), []
    for index, case in enumerate(cases):
        channel = CHANNELS[case.kind]
        row, column = case.corner
        tokens[(index, *case.block(), channel)] = 1
        scale = FRAME_PX // 16
        rows, columns = (slice(part.start * scale, part.stop * scale) for part in case.block())
        frames[index, rows, columns, channel] = 255
        if case.role is Role.SCORED:
            box = np.array([column, row, column + case.extent, row + case.extent]) / 16
            truths[index] = rasterize_box(box)
        events = np.zeros((1, 5), np.float32)
        events[0, channel] = 1
        sounds.append(Sounds(events, np.full((1, 2), channel, np.float32)))
    listed = tuple(
        Case.of(Facts(case.id, (LABELS[case.kind],), **case.facts), role=case.role, time_s=1.0)
        for case in cases
    )
    return Encoded(listed, Pictures(frames, tokens, class_maps, truths), join(sounds))


def see(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `encode` made of frames: mean colour of each of 16 x 16 cells."""
    n, scale = len(frames), FRAME_PX // 16
    cells = frames.reshape(n, 16, scale, 16, scale, 3).mean(axis=(2, 4)) / 255
    tokens = np.concatenate([cells, np.zeros((n, 16, 16, 1))], axis=-1).astype(np.float32)
    return tokens, np.zeros((n, 14, 14, 8), np.float32)


def listener(tokens, class_map, events, embedding):
    """Marks what is heard: the channel of the tokens that the events select."""
    heatmap = np.einsum("nhwd,nd->nhw", tokens, events[:, :4])
    return heatmap, heatmap.max(axis=(1, 2))


def deaf(tokens, class_map, events, embedding):
    """Marks everything that could sound, whatever is heard."""
    heatmap = tokens.max(axis=3)
    return heatmap, heatmap.max(axis=(1, 2))


def sounds_of(events: np.ndarray) -> Sounds:
    return Sounds(np.asarray(events, np.float32), np.zeros((len(events), 2), np.float32))
