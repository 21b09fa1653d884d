import numpy as np
import torch

from training.cache.views import ViewMaker, view_seed

SIZE = 64


def half_lit(count):
    """White left of the middle, black right of it; the truth is the white part, at 224 pixels."""
    frames = np.zeros((count, SIZE, SIZE, 3), np.uint8)
    frames[:, :, : SIZE // 2] = 255
    truth = np.zeros((count, 224, 224), np.float32)
    truth[:, :, :112] = 1
    return frames, truth


def test_the_truth_is_warped_with_the_picture():
    frames, truth = half_lit(12)
    seen, shares = ViewMaker(SIZE).view(frames, truth, seed=3)
    assert seen.shape == frames.shape
    assert seen.dtype == np.uint8
    assert shares.shape == (12, SIZE, SIZE)
    lit = seen.mean(-1) > 90  # the light changes a little, black and white stay apart
    assert np.mean(lit != (shares > 0.5)) < 0.02
    mirrored = [shares[index, :, :4].mean() < shares[index, :, -4:].mean() for index in range(12)]
    assert 0 < sum(mirrored) < 12
    assert len(np.unique(shares.sum((1, 2)))) > 6  # each frame has a crop of its own


def test_a_seed_decides_and_the_global_generator_is_left_alone():
    frames, truth = half_lit(2)
    maker = ViewMaker(SIZE)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = maker.view(frames, truth, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    again = maker.view(frames, truth, seed=1)
    other = maker.view(frames, truth, seed=2)
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def test_the_seed_of_a_view_is_the_same_everywhere():
    # BLAKE2b with 7 bytes of digest, as `b2sum -l 56` prints it, read as a big-endian number.
    assert view_seed("a", 1) == int("e035914474fda7", 16)
    assert len({view_seed(name, view) for name in "ab" for view in (1, 2)}) == 4
