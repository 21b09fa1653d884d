import pytest
import torch

from training.methods.localiser import Widths
from training.methods.sight import Sight

WIDTHS = Widths(token=6, sound=3, grid=4)


@pytest.fixture
def encoded():
    """Tokens, class maps of two by two places and embeddings of 30 frames."""
    torch.manual_seed(0)
    return torch.randn(30, 4, 4, 6), torch.rand(30, 2, 2, 5), torch.rand(30, 3)


def fitted(encoded, n_classes=5, **options):
    sight = Sight(WIDTHS, n_classes, **{"channels": 4, "looks": 2, **options})
    sight.fit(*encoded)
    return sight


def test_class_maps_stand_beside_the_tokens_of_each_cell(encoded):
    tokens, class_map, _ = encoded
    sight, alone = fitted(encoded), fitted(encoded, looks=0)
    seen = sight.seen(tokens, class_map)
    assert (sight.channels, seen.shape) == (6, (30, 4, 4, 6))
    assert torch.equal(seen[..., :4], alone.seen(tokens, class_map))
    # What the corners of the grid show is what the places of the class map show.
    corners = seen[:, ::3, ::3, 4:]
    assert torch.allclose(corners, sight.looks.seen(class_map.sqrt()), atol=1e-5)


def test_a_place_of_the_class_map_is_a_place_of_the_grid(encoded):
    tokens, class_map, _ = encoded
    sight = fitted(encoded)
    other = class_map.clone()
    other[:, 0, 1] = other[:, 0, 1].flip(-1)  # row 0, column 1: the upper right
    moved = (sight.seen(tokens, other) != sight.seen(tokens, class_map)).any(-1).any(0)
    assert moved.tolist() == [[False, True, True, True]] * 3 + [[False] * 4]


@pytest.mark.parametrize(("n_classes", "looks"), [(5, 0), (1, 2)])
def test_tokens_alone_are_seen_where_there_are_no_classes_or_none_are_wanted(encoded, n_classes, looks):
    tokens, class_map, embedding = encoded
    class_map = class_map[..., :n_classes]
    sight = fitted((tokens, class_map, embedding), n_classes, looks=looks)
    assert (sight.looks, sight.channels) == (None, 4)
    assert torch.equal(sight.seen(tokens, class_map), sight.tokens.seen(tokens))


def test_views_and_frames_may_have_axes_of_their_own(encoded):
    tokens, class_map, _ = encoded
    sight = fitted(encoded)
    seen = sight.seen(tokens.unflatten(0, (3, 10)), class_map.unflatten(0, (3, 10)))
    assert torch.allclose(seen.flatten(0, 1), sight.seen(tokens, class_map), atol=1e-6)


def test_half_precision_will_do(encoded):
    tokens, class_map, _ = encoded
    sight = fitted(encoded)
    rough = sight.seen(tokens.half(), class_map.half())
    assert rough.dtype == torch.float32
    assert torch.allclose(rough, sight.seen(tokens, class_map), atol=0.02)


def test_sounds_are_scaled(encoded):
    heard = fitted(encoded).heard(encoded[2])
    assert torch.allclose(heard.mean(0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(heard.std(0), torch.ones(3), atol=1e-5)
