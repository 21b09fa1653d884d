import numpy as np
import pytest
import torch
from torch import nn

from training.encoders.vggish import Vggish
from training.encoders.yamnet import LogMel


@pytest.fixture(scope="module")
def network():
    """The layers of 70 million parameters are made once, and stay as PyTorch draws them."""
    torch.manual_seed(0)
    return Vggish().requires_grad_(False)


def test_parameters_are_those_of_the_published_layers(network):
    parameters = dict(network.named_parameters())
    assert len(parameters) == 18
    assert parameters["features.0.weight"].shape == (64, 1, 3, 3)
    assert parameters["features.13.weight"].shape == (512, 512, 3, 3)
    assert parameters["embeddings.0.weight"].shape == (4096, 12_288)
    assert parameters["embeddings.4.weight"].shape == (128, 4096)
    # Convolutions 640 + 73,856 + 295,168 + 590,080 + 1,180,160 + 2,359,808,
    # then 12,288 x 4096 + 4096, 4096 x 4096 + 4096 and 4096 x 128 + 128.
    assert sum(value.numel() for value in parameters.values()) == 4_499_712 + 67_641_472


def test_a_window_has_one_certain_event_and_an_embedding_that_is_not_negative(network, sounds):
    scores, embedding = network(torch.from_numpy(np.stack([sounds["tone"], sounds["noise"]])))
    assert scores.tolist() == [[1], [1]]
    assert embedding.shape == (2, 128)
    assert embedding.min() == 0
    assert embedding.max() > 0


def test_no_windows_have_no_embeddings(network):
    scores, embedding = network(torch.zeros(0, 15_600))
    assert scores.shape == (0, 1)
    assert embedding.shape == (0, 128)


def test_samples_after_the_first_96_frames_are_not_heard(network, sounds):
    window = torch.from_numpy(sounds["note"])[None]
    longer = torch.cat([window, torch.ones(1, 400)], 1)
    torch.testing.assert_close(network(longer)[1], network(window)[1])


@pytest.mark.parametrize(("hertz", "band"), [(440, 8), (1500, 27), (4000, 48)])
def test_a_tone_is_loudest_in_the_band_around_it(network, hertz, band):
    """125 to 7500 Hz are 185.2 to 2773.3 mel (HTK), 65 steps of 39.82 mel, and band k peaks k + 1 steps up.
    440, 1500 and 4000 Hz are 549.6, 1290.5 and 2146.1 mel: 9.15, 27.76 and 49.25 steps up."""
    times_s = torch.arange(15_600) / 16_000
    log_mel = network.log_mel(0.5 * torch.sin(2 * torch.pi * hertz * times_s)[None])
    assert log_mel.shape == (1, 96, 64)
    assert set(log_mel[0].argmax(1).tolist()) == {band}


def test_the_logarithm_is_taken_of_the_spectrum_of_yamnet_and_a_hundredth(network, sounds):
    window = torch.from_numpy(sounds["noise"])[None]
    spectrum = LogMel()(window).exp() - 0.001
    torch.testing.assert_close(network.log_mel(window), torch.log(spectrum + 0.01), atol=1e-4, rtol=0)
    torch.testing.assert_close(network.log_mel(torch.zeros(1, 400))[0, 0, 0].exp(), torch.tensor(0.01))


def test_features_are_flattened_with_channels_fastest(network, monkeypatch):
    class Numbered(nn.Module):
        """Channel c, frame f and band b hold 100 c + 10 f + b."""

        def forward(self, _):
            channels, frames, bands = torch.meshgrid(*map(torch.arange, (512, 6, 4)), indexing="ij")
            return (100 * channels + 10 * frames + bands)[None]

    monkeypatch.setattr(network, "features", Numbered())
    monkeypatch.setattr(network, "embeddings", nn.Identity())
    flat = network(torch.zeros(1, 15_600))[1][0]
    assert flat[:3].tolist() == [0, 100, 200]
    assert flat[512] == 1  # after all channels the next band, and after all bands the next frame
    assert flat[4 * 512] == 10
