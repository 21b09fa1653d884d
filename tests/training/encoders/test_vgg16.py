import pytest
import torch
from torch import nn

from training.encoders.vgg16 import Vgg16Features


@pytest.fixture(scope="module")
def network():
    """Random weights at which differences live through thirteen layers."""
    torch.manual_seed(0)
    network = Vgg16Features().requires_grad_(False)
    for layer in network.features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    return network


@pytest.fixture(scope="module")
def tokens(network):
    """Of a grey picture, and of one with a bright cell in row 3 and column 10."""
    pictures = torch.full((2, 3, 224, 224), 120.0)
    pictures[1, :, 48:64, 160:176] = 255
    return network(pictures)


def test_parameters_are_those_of_the_published_convolutions(network):
    parameters = dict(network.named_parameters())
    assert len(parameters) == 26
    assert parameters["features.0.weight"].shape == (64, 3, 3, 3)
    assert parameters["features.28.weight"].shape == (512, 512, 3, 3)
    assert sum(value.numel() for value in parameters.values()) == 14_714_688


def test_a_picture_of_224_pixels_has_14_x_14_tokens(tokens):
    assert tokens.shape == (2, 14, 14, 512)


def test_a_bright_patch_moves_the_token_at_its_place_most(tokens):
    moved = (tokens[1] - tokens[0]).square().sum(-1)
    assert divmod(int(moved.argmax()), 14) == (3, 10)


def test_the_last_convolution_is_taken_before_its_relu(tokens):
    assert 0.3 < (tokens < 0).float().mean() < 0.7


def test_pictures_are_standardised_by_the_statistics_of_imagenet(network, monkeypatch):
    monkeypatch.setattr(network, "features", nn.Identity())
    mean = torch.tensor([123.675, 116.28, 103.53])
    std = torch.tensor([58.395, 57.12, 57.375])
    picture = (mean + std * torch.tensor([1.0, -1.0, 2.0])).view(1, 3, 1, 1)
    torch.testing.assert_close(network(picture), torch.tensor([[[[1.0, -1.0, 2.0]]]]))
