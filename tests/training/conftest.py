"""Made-up clips, whose kind is a block in their tokens and an event in their sound; the published weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from training.encoders.weights import PublishedWeights, WeightsMissing, published_path
from training.evaluation.features import ClipFeatures

KINDS = ("human", "animal", "music")
MakeFeatures = Callable[..., ClipFeatures]


@pytest.fixture
def make_features() -> MakeFeatures:
    def make(
        kind: str, corner: tuple[int, int], *, tier: str = "official", extent: int = 6, instrument: str = ""
    ) -> ClipFeatures:
        """A source of `extent` cells squared whose upper left cell is `corner` (row, column)."""
        channel = KINDS.index(kind)
        row, column = corner
        tokens = np.zeros((16, 16, 4), np.float32)
        tokens[row : row + extent, column : column + extent, channel] = 1.0
        events = np.zeros(5, np.float32)
        events[channel] = 1.0
        box = np.array([[column, row, column + extent, row + extent]]) / 16
        return ClipFeatures(
            file=f"{kind}-{row}-{column}.mp4",
            tier=tier,
            sounds=kind,
            kinds=frozenset({kind}),
            instruments=frozenset({instrument} if instrument else ()),
            boxes=box,
            time_s=1.0,
            frame=np.full((448, 448, 3), 40 * channel, np.uint8),
            tokens=tokens,
            class_map=np.zeros((14, 14, 8), np.float32),
            events=events,
            waveform=np.zeros(16_000, np.float32),
            waveform_start_s=0.0,
        )

    return make


@pytest.fixture
def made_clips(make_features: MakeFeatures) -> list[ClipFeatures]:
    """Two clips of each kind, none covering the centre but the first; one is weak."""
    return [
        make_features("human", (5, 5)),
        make_features("human", (0, 9)),
        make_features("animal", (9, 0)),
        make_features("animal", (9, 9), tier="weak"),
        make_features("music", (0, 0), instrument="drums"),
        make_features("music", (1, 1), instrument="bowed"),
    ]


@pytest.fixture(scope="session")
def published() -> Callable[[PublishedWeights], Path]:
    """Path of published weights; skips the test where they have not been fetched."""

    def find(weights: PublishedWeights) -> Path:
        try:
            return published_path(weights)
        except WeightsMissing as missing:
            pytest.skip(str(missing))

    return find
