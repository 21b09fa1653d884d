import pytest
import torch

from training.methods.cmc_images.encoder import AlexNetHalf, SplitEncoder


def test_a_half_has_the_layers_that_were_published():
    half = AlexNetHalf(2, width=1.0, features=128)
    shapes = [tuple(weights.shape) for weights in half.parameters() if weights.dim() > 1]
    assert shapes == [
        (48, 2, 11, 11),
        (128, 48, 5, 5),
        (192, 128, 3, 3),
        (192, 192, 3, 3),
        (128, 192, 3, 3),
        (2048, 4608),
        (2048, 2048),
        (128, 2048),
    ]
    assert half.cells(torch.zeros(1, 2, 224, 224)).shape == (1, 128, 13, 13)


@pytest.mark.parametrize("side", [32, 64, 100, 224])
def test_pictures_of_any_size_become_unit_vectors_and_features(side):
    encoder = SplitEncoder("lab", width=0.1, features=16)
    encoded = encoder(torch.rand(3, 3, side, side))
    assert encoded.seen.shape == (3, 410)  # 205 of each view
    for vectors in (encoded.light, encoded.colour):
        assert vectors.shape == (3, 16)
        assert torch.allclose(vectors.norm(dim=1), torch.ones(3))


def test_the_encoders_share_nothing_and_see_one_view_each():
    encoder = SplitEncoder("lab", width=0.1, features=16)
    light, colour = ({id(part) for part in half.parameters()} for half in (encoder.light, encoder.colour))
    assert not light & colour
    encoder.eval()
    grey = torch.rand(4, 1, 64, 64).expand(4, 3, 64, 64)
    encoded = encoder(grey)
    # All greys have one colour, so only the lightness tells the pictures apart.
    assert torch.allclose(encoded.colour[0], encoded.colour[1], atol=1e-4)
    assert not torch.equal(encoded.light[0], encoded.light[1])
