import importlib

import pytest
import torch

from training.encoders.efficientnet_lite import EfficientNetLite, SameConv2d, load_efficientnet_lite
from training.encoders.weights import (
    EFFICIENTNET_LITE0,
    EFFICIENTNET_LITE2,
    EFFICIENTNET_LITE_CODE,
    IMAGENET_NAMES,
)

WEIGHTS = {"lite0": EFFICIENTNET_LITE0, "lite2": EFFICIENTNET_LITE2}


@pytest.mark.parametrize(("size", "cells"), [(8, 4), (9, 5), (12, 6)])
def test_same_padding_gives_as_many_cells_as_strides_begun(size, cells):
    convolution = SameConv2d(1, 1, 3, 2, trained_size=size)
    assert convolution(torch.zeros(1, 1, size, size)).shape == (1, 1, cells, cells)


@pytest.mark.parametrize(("trained_size", "counted"), [(4, [[9, 6], [6, 4]]), (5, [[4, 6], [6, 9]])])
def test_padding_stays_that_of_the_size_the_network_was_trained_at(trained_size, counted):
    convolution = SameConv2d(1, 1, 3, 2, trained_size=trained_size)
    with torch.no_grad():
        convolution.weight.fill_(1.0)
    assert convolution(torch.ones(1, 1, 4, 4))[0, 0].tolist() == counted


@pytest.mark.parametrize(("variant", "millions"), [("lite0", 4.7), ("lite2", 6.1)])
def test_size_of_the_network_is_the_published_one(variant, millions):
    network = EfficientNetLite(variant)
    assert sum(parameter.numel() for parameter in network.parameters()) / 1e6 == pytest.approx(
        millions, abs=0.06
    )


def test_the_class_map_says_at_each_cell_what_the_classifier_says_of_the_whole():
    torch.manual_seed(0)
    network = EfficientNetLite("lite0").eval()
    pictures = 255 * torch.rand(2, 3, 96, 64)
    class_map, logits = network(pictures), network.logits_map(pictures)
    assert class_map.shape == (2, 3, 2, 1000)
    torch.testing.assert_close(class_map.sum(3), torch.ones(2, 3, 2))
    torch.testing.assert_close(logits.mean((2, 3)), network.classify(pictures), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("variant", "widths"), [("lite0", (112, 320)), ("lite2", (120, 352))])
def test_the_maps_are_the_last_ones_at_strides_16_and_32(variant, widths):
    network = EfficientNetLite(variant).eval()
    maps = network.maps(network.trunk(torch.zeros(2, 3, 96, 64), 0), 0)
    assert [tuple(one.shape) for one in maps] == [(2, widths[0], 6, 4), (2, widths[1], 3, 2)]
    assert network.widths == widths


@pytest.mark.parametrize("blocks", [1, 8, 11])
def test_maps_and_classes_are_the_same_wherever_the_network_is_cut(blocks):
    torch.manual_seed(0)
    network = EfficientNetLite("lite0").eval()
    pictures = 255 * torch.rand(1, 3, 64, 64)
    whole = network.maps(network.trunk(pictures, 0), 0)
    cut = network.maps(network.trunk(pictures, blocks), blocks)
    for one, other in zip(whole, cut, strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(network.classify_map(cut[1]), network.logits_map(pictures))


@pytest.mark.weights
@pytest.mark.parametrize("variant", ["lite0", "lite2"])
def test_logits_are_those_of_the_published_code(variant, published, pictures, monkeypatch):
    path = published(WEIGHTS[variant])
    monkeypatch.syspath_prepend(published(EFFICIENTNET_LITE_CODE).parent)
    code = importlib.import_module("efficientnet_lite_pytorch")
    theirs = code.EfficientNet.from_name(f"efficientnet-{variant}").eval()
    theirs.load_state_dict(torch.load(path, weights_only=True))
    batch = torch.from_numpy(pictures[:2]).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        expected = theirs((batch - 127) / 128)
        torch.testing.assert_close(
            load_efficientnet_lite(variant).classify(batch), expected, atol=1e-4, rtol=0
        )
    assert expected.abs().max() > 1


@pytest.mark.weights
def test_classes_stand_in_the_order_of_the_imagenet_synsets(published):
    synsets = (published(IMAGENET_NAMES) / "imagenet_synsets.txt").read_text(encoding="utf-8").split()
    assert len(synsets) == 1000
    assert synsets == sorted(synsets)
