"""The shipped bundle on the shipped clip: the map moves with the sound and goes dark in silence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.inference.bundle import find_bundle, load_bundle
from app.pipeline.analyze import analyze
from app.pipeline.options import AnalyzeOptions
from app.settings import Settings

SAMPLES = Path(__file__).parents[2] / "app" / "samples"
TRUTH = json.loads((SAMPLES / "sample.json").read_text(encoding="utf-8"))
HEARS_S = 1.5  # a frame hears a second to each side, in windows of a second


@pytest.fixture(scope="module")
def result():
    settings = Settings()
    bundle = load_bundle(find_bundle("default", settings.inference), settings.inference)
    return analyze(SAMPLES / "sample.mp4", bundle=bundle, settings=settings, options=AnalyzeOptions(fps=5))


def within(result, span):
    times = result.frames.time_s
    return np.flatnonzero((times >= span["from_s"]) & (times < span["to_s"]))


def cells(result, box):
    """(G, G) bool: cells whose centre lies in the box."""
    grid = result.frames.heatmap.shape[1]
    centres = (np.arange(grid) + 0.5) / grid
    inside_x = (centres >= box[0]) & (centres <= box[2])
    inside_y = (centres >= box[1]) & (centres <= box[3])
    return inside_y[:, None] & inside_x[None]


def middle(result, turn):
    """Frames that hear this turn alone."""
    index = within(result, turn)
    times = result.frames.time_s[index]
    first = turn["from_s"] == 0
    return index[(first | (times >= turn["from_s"] + HEARS_S)) & (times < turn["to_s"] - 1)]


@pytest.mark.parametrize("turn", TRUTH["turns"], ids=lambda turn: turn["object"])
def test_the_map_lies_on_the_object_that_sounds(result, turn):
    others = [other for other in TRUTH["turns"] if other is not turn]
    here = cells(result, turn["box"])
    frames = middle(result, turn)
    assert len(frames) >= 2
    for index in frames:
        heatmap = result.frames.heatmap[index]
        assert here.flat[heatmap.argmax()]
        assert result.frames.presence[index] > 0.5
        for other in others:
            elsewhere = cells(result, other["box"]) & ~here
            assert (heatmap[elsewhere] >= 0.5).mean() < 0.05


@pytest.mark.parametrize("turn", TRUTH["turns"], ids=lambda turn: turn["object"])
def test_its_sound_is_named(result, turn):
    for index in middle(result, turn):
        assert {heard.label for heard in result.frames.heard[index]} & set(turn["events"])


def test_the_map_is_dark_in_the_silence(result):
    silent = within(result, TRUTH["silence"])
    silent = silent[result.frames.time_s[silent] >= TRUTH["silence"]["from_s"] + HEARS_S]
    assert len(silent) >= 2
    assert result.frames.heatmap[silent].max() < 0.02
    assert result.frames.presence[silent].max() < 0.02
    assert not any(result.frames.heard[index] for index in silent)
