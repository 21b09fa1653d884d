import pytest
import torch
from torch import nn

from training.methods.cmc_images.encoder import SplitEncoder
from training.methods.cmc_images.pictures import Pictures, read_folder
from training.methods.cmc_images.probe import frozen_features, majority_share, settle_statistics


@pytest.fixture
def parts(folder):
    found = read_folder(folder, side=32)
    return Pictures(found.train, side=32), Pictures(found.val, side=32)


def test_the_largest_class_is_that_of_training(parts):
    train, val = parts
    assert majority_share(train, val) == pytest.approx(
        float((val.labels == int(train.labels.float().mean() > 0.5)).float().mean())
    )


def test_features_come_in_the_order_of_the_pictures_and_do_not_change_the_encoder(parts):
    _, val = parts
    encoder = SplitEncoder("lab", width=0.1, features=16)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    features = frozen_features(encoder, val, crop=32)
    assert torch.equal(features.labels, val.labels)
    alone = encoder(val[1]["picture"][None] / 255).seen[0]
    assert torch.allclose(features.seen[1], alone, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_settled_statistics_are_those_of_the_pictures_and_the_weights_stay(parts):
    train, _ = parts
    encoder = SplitEncoder("lab", width=0.1, features=16)
    before = [weights.clone() for weights in encoder.parameters()]
    unsettled = frozen_features(encoder, train, crop=32).seen.std(0).mean()
    settle_statistics(encoder, train, crop=32)
    assert all(torch.equal(now, then) for now, then in zip(encoder.parameters(), before, strict=True))
    first = next(layer for layer in encoder.light.modules() if isinstance(layer, nn.BatchNorm2d))
    assert first.running_var.min() < 0.9
    assert frozen_features(encoder, train, crop=32).seen.std(0).mean() > 3 * unsettled
