"""The baseline is worth comparing with only if it gives the same answers."""

import numpy as np
import pytest

from app.bench.clips import SAMPLE
from app.inference.bundle import find_bundle
from app.inference.manifest import read_manifest
from app.inference.registry import BundleRegistry
from app.media.stream import read_clip
from app.pipeline.analyze import analyze
from app.pipeline.options import AnalyzeOptions
from app.settings import InferenceSettings, Settings
from benchmarks import recipe
from benchmarks.compare import pointing_agreement
from benchmarks.decoding import read_frames, read_sound
from benchmarks.recipe import Answer, localize

FPS = 2.0


@pytest.fixture(scope="module")
def settings():
    return Settings(inference=InferenceSettings(device="cpu"))


@pytest.fixture(scope="module")
def ours(settings):
    bundle = BundleRegistry(settings).get("default")
    frames = analyze(SAMPLE, bundle=bundle, settings=settings, options=AnalyzeOptions(fps=FPS)).frames
    return Answer(frames.time_s, frames.heatmap, frames.presence)


def check_agreement(ours, theirs):
    assert theirs.time_s == pytest.approx(ours.time_s, abs=1e-3)
    assert np.abs(ours.heatmap - theirs.heatmap).mean() < 0.02
    assert theirs.presence == pytest.approx(ours.presence, abs=0.05)
    assert pointing_agreement(ours, theirs) > 0.9


@pytest.mark.weights
def test_pytorch_by_hand_gives_our_heatmaps(ours):
    from benchmarks.by_hand import EagerModel

    check_agreement(ours, localize(SAMPLE, EagerModel(), fps=FPS))


def test_the_graphs_behind_litserve_give_our_heatmaps(ours):
    pytest.importorskip("litserve", reason="the extra benchmarks is not installed")
    from benchmarks.behind_litserve import OnnxModel

    check_agreement(ours, localize(SAMPLE, OnnxModel("default"), fps=FPS))


@pytest.mark.parametrize("fps", [2.0, 7.0, 60.0])
def test_opencv_reads_the_same_frames_and_the_same_sound(fps, settings):
    clip = read_clip(SAMPLE, size=64, fps=fps, limits=settings.limits, decode=settings.decode)
    times_s, frames = zip(*read_frames(SAMPLE, size=64, fps=fps), strict=True)
    assert times_s == pytest.approx(clip.frame_times_s, abs=1e-3)
    assert np.abs(np.stack(frames).astype(int) - clip.frames).mean() < 4  # their colours differ a little
    np.testing.assert_array_equal(read_sound(SAMPLE, rate_hz=recipe.RATE_HZ), clip.waveform)


def test_the_recipe_follows_the_manifest_of_the_bundle(settings):
    manifest = read_manifest(find_bundle("default", settings.inference))
    assert manifest.audio.sample_rate_hz == recipe.RATE_HZ
    assert (manifest.audio.window_samples, manifest.audio.hop_samples) == (recipe.WINDOW, recipe.HOP)
    assert manifest.audio.context_s / 2 == recipe.REACH_S
    assert manifest.events.labels[recipe.SILENCE] == "Silence"


def test_answers_survive_their_way_over_http(ours):
    again = Answer.from_npz(ours.to_npz())
    np.testing.assert_array_equal(again.heatmap, ours.heatmap)
    np.testing.assert_array_equal(again.presence, ours.presence)


def test_peaks_that_touch_point_at_the_same_place():
    def answer(*cells, presence=0.9):
        heatmap = np.zeros((len(cells), 16, 16), np.float32)
        for row, cell in enumerate(cells):
            heatmap[row][cell] = 1
        return Answer(np.arange(len(cells)) / 2, heatmap, np.full(len(cells), presence, np.float32))

    ours = answer((3, 3), (3, 3), (8, 8), (0, 0))
    assert pointing_agreement(ours, answer((3, 3), (4, 2), (8, 10), (2, 0))) == 0.5
    theirs = answer((3, 3), (15, 15), (15, 15), (15, 15), presence=0.1)
    theirs.presence[0] = 0.9
    unsure = Answer(ours.time_s, ours.heatmap, theirs.presence)
    assert pointing_agreement(unsure, theirs) == 1.0
