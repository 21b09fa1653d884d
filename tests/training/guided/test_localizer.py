"""The localiser on made-up evidence: half a picture looks like a dog, and a dog barks or not."""

import numpy as np
import pytest
import torch

from training.encoders.events import EVENT_NAMES
from training.guided.calibrator import GRID
from training.guided.localizer import load_localizer

BEAGLE = 162


@pytest.fixture(scope="module")
def localizer():
    return load_localizer()


@pytest.fixture(scope="module")
def picture():
    """Left 6 columns of 16 show a beagle, the rest a background of its own texture."""
    rng = np.random.default_rng(3)
    dog, grass = rng.standard_normal((2, 384)) * 2
    tokens = rng.standard_normal((GRID, GRID, 384)) * 0.3 + grass
    tokens[4:12, :6] += dog - grass
    classes = np.full((14, 14, 1000), 1e-4)
    classes[4:10, :5, BEAGLE] = 0.9
    return tokens.astype(np.float32), classes.astype(np.float32)


def run(localizer, picture, events):
    tokens, classes = (torch.from_numpy(part)[None] for part in picture)
    with torch.inference_mode():
        heatmap, presence = localizer(tokens, classes, torch.from_numpy(events)[None])
    return heatmap[0].numpy(), float(presence[0])


def events_of(**scores):
    events = np.zeros(len(EVENT_NAMES), np.float32)
    for name, score in scores.items():
        events[EVENT_NAMES.index(name)] = score
    return events


def test_the_map_lies_on_what_sounds(localizer, picture):
    heatmap, presence = run(localizer, picture, events_of(Bark=0.9, Dog=0.9, Animal=0.9))
    assert heatmap.shape == (GRID, GRID)
    assert presence == pytest.approx(heatmap.max())
    assert presence > 0.5
    row, column = divmod(int(heatmap.argmax()), GRID)
    assert 4 <= row < 12
    assert column < 6
    assert heatmap[4:12, :6].mean() > 3 * heatmap[:, 8:].mean()


def test_silence_gives_a_map_of_zeros(localizer, picture):
    heatmap, presence = run(localizer, picture, events_of())
    assert heatmap.max() == 0
    assert presence == 0


def test_the_sound_of_something_else_marks_nothing(localizer, picture):
    heatmap, _ = run(localizer, picture, events_of(Helicopter=0.9, Aircraft=0.9))
    assert (heatmap < 0.5).all()


@pytest.mark.parametrize("name", ["White noise", "Pink noise", "Static"])
def test_noise_marks_nothing(localizer, picture, name):
    heatmap, _ = run(localizer, picture, events_of(**{name: 0.8, "Noise": 0.8, "Hair dryer": 0.3}))
    assert (heatmap < 0.5).all()


def test_frames_of_a_batch_do_not_influence_each_other(localizer, picture):
    events = np.stack([events_of(Bark=0.9), events_of(), events_of(Moo=0.7)])
    tokens, classes = (torch.from_numpy(np.stack([part] * 3)) for part in picture)
    with torch.inference_mode():
        together = localizer(tokens, classes, torch.from_numpy(events))[0].numpy()
    for index, row in enumerate(events):
        np.testing.assert_allclose(together[index], run(localizer, picture, row)[0], atol=1e-5)
