import csv

import numpy as np
import onnxruntime
import pytest
import torch
from scipy.signal import get_window

from training.encoders.events import EVENT_NAMES
from training.encoders.weights import YAMNET
from training.encoders.yamnet import (
    SAMPLE_RATE_HZ,
    LogMel,
    YamNet,
    load_yamnet,
    mel_matrix,
    read_published_graph,
)


def reference_log_mel(wave: np.ndarray) -> np.ndarray:
    """(96, 64), in double precision, with a Fourier transform and one triangle at a time."""
    window = get_window("hann", 400)
    starts = range(0, len(wave) - 400 + 1, 160)
    frames = np.stack([wave[start : start + 400].astype(np.float64) * window for start in starts])
    spectrum = np.abs(np.fft.rfft(frames, 512))
    bin_mel = [1127 * np.log(1 + k * SAMPLE_RATE_HZ / 512 / 700) for k in range(257)]
    low, high = 1127 * np.log(1 + 125 / 700), 1127 * np.log(1 + 7500 / 700)
    step = (high - low) / 65
    bands = np.zeros((len(frames), 64))
    for band in range(64):
        centre = low + (band + 1) * step
        for k in range(1, 257):
            bands[:, band] += spectrum[:, k] * max(0.0, 1 - abs(bin_mel[k] - centre) / step)
    return np.log(bands + 0.001)


def test_log_mel_is_the_one_of_the_definition(sounds):
    log_mel = LogMel()
    for name, wave in sounds.items():
        found = log_mel(torch.from_numpy(wave)[None])[0].numpy()
        assert found.shape == (96, 64)
        # Single precision: beside a loud tone, an empty band is known to about 1e-5 of its 1e-3 offset.
        np.testing.assert_allclose(found, reference_log_mel(wave), atol=2e-2, err_msg=name)
        assert np.abs(found - reference_log_mel(wave)).mean() < 1e-3, name


def test_every_mel_band_hears_something_and_none_hears_a_constant():
    matrix = mel_matrix()
    assert (matrix.max(0) > 0.4).all()
    assert (matrix[0] == 0).all()
    assert matrix.argmax(0).tolist() == sorted(matrix.argmax(0))


def test_shapes_and_ranges_of_the_network(sounds):
    torch.manual_seed(0)
    scores, embedding = YamNet().eval()(torch.from_numpy(sounds["note"])[None])
    assert scores.shape == (1, 521)
    assert embedding.shape == (1, 1024)
    assert scores.min() >= 0
    assert scores.max() <= 1


def test_event_names_stand_in_the_order_of_the_scores():
    assert len(EVENT_NAMES) == 521
    assert (EVENT_NAMES[0], EVENT_NAMES[494]) == ("Speech", "Silence")


@pytest.mark.weights
def test_event_names_are_the_published_ones(published):
    with published(YAMNET).with_name("yamnet_class_map.csv").open(newline="", encoding="utf-8") as handle:
        assert tuple(row["display_name"] for row in csv.DictReader(handle)) == EVENT_NAMES


@pytest.mark.weights
def test_our_network_computes_what_the_published_graph_computes(published, sounds):
    path = published(YAMNET)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it remarks on the scales that dropping the quantisation leaves unused
    graph = onnxruntime.InferenceSession(read_published_graph(path).SerializeToString(), options)
    entry = graph.get_inputs()[0].name
    network = load_yamnet()
    for name, wave in sounds.items():
        log_mel = network.log_mel(torch.from_numpy(wave)[None])
        ours = network.classify(log_mel)[0].numpy()
        theirs = graph.run(None, {entry: log_mel[None].numpy()})[0]
        assert np.abs(theirs).max() > 1, name
        np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-5, err_msg=name)


@pytest.mark.weights
@pytest.mark.parametrize(
    ("sound", "event"),
    [("silence", "Silence"), ("tone", "Beep, bleep"), ("note", "Music"), ("noise", "Water")],
)
def test_yamnet_names_what_it_hears(published, sounds, sound, event):
    published(YAMNET)
    scores = load_yamnet()(torch.from_numpy(sounds[sound])[None])[0]
    assert EVENT_NAMES[int(scores.argmax())] == event
