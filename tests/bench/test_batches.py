import time
from dataclasses import replace

import pytest

from app.bench import batches
from app.bench.batches import batch_figures
from app.inference.bundle import load_bundle


@pytest.fixture
def inference(tiny_settings):
    return tiny_settings.inference.model_copy(update={"device": "cpu", "threads": 2, "chunk_frames": 8})


class Slow:
    """A visual graph of which each run takes a while, however many frames it has."""

    def __init__(self, runner):
        self._runner = runner

    def __getattr__(self, name):
        return getattr(self._runner, name)

    def run(self, feeds):
        time.sleep(0.02)
        return self._runner.run(feeds)


def test_runs_of_all_sizes_are_tried_alone_and_side_by_side(inference):
    *tried, _ = batch_figures(inference)
    names = [figure.name.removeprefix("visual graph, frames in a run: ") for figure in tried]
    # Those in use come first.
    assert names[0] == "4, at a time: 2"
    assert sorted(names[1:]) == [
        *("1, at a time: 1", "2, at a time: 1", "2, at a time: 2", "4, at a time: 1"),
        *("8, at a time: 1", "8, at a time: 2"),
    ]
    assert all(figure.interval is not None and figure.value > 0 for figure in tried)


def test_the_fastest_is_named_with_the_settings_that_it_takes(inference, monkeypatch):
    def load(directory, settings):
        bundle = load_bundle(directory, settings)
        return replace(bundle, runners={**bundle.runners, "visual": Slow(bundle.runners["visual"])})

    monkeypatch.setattr(batches, "load_bundle", load)
    used = inference.model_copy(update={"batch_frames": 1, "streams": 1})
    gain = batch_figures(used)[-1]
    assert gain.name.startswith("visual graph, BATCH_FRAMES=8, STREAMS=")
    assert gain.name.endswith(" against 1, 1")
    assert gain.value > 4
