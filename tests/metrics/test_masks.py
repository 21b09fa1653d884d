import numpy as np
import pytest

from training.metrics.masks import (
    SIDE,
    clean_boxes,
    consensus,
    rasterize,
    rasterize_box,
    tight_boxes,
    upsample,
)


def test_truncation_and_rounding_differ_by_a_pixel():
    box = (0.25, 0.25, 0.5025, 0.4975)  # 56, 56, 112.56, 111.44 in pixels
    truncated = np.argwhere(rasterize_box(box, rounding="truncate"))
    rounded = np.argwhere(rasterize_box(box, rounding="round"))
    assert truncated.min(0).tolist() == [56, 56]
    assert truncated.max(0).tolist() == [110, 111]  # half-open: rows 56..110, columns 56..111
    assert rounded.max(0).tolist() == [110, 112]


def test_boxes_are_united_not_added():
    mask = rasterize([(0, 0, 0.5, 1), (0.25, 0, 0.75, 1)])
    assert mask.dtype == bool
    assert mask.mean() == pytest.approx(0.75)


def test_broken_coordinates_are_clipped_and_empty_boxes_dropped():
    boxes = [(-0.1, 0.2, 1.3, 0.8), (0.5, 0.5, -2.88e16, 0.9), (0.4, 0.4, 0.4, 0.9)]
    assert clean_boxes(boxes).tolist() == [[0.0, 0.2, 1.0, 0.8]]
    assert clean_boxes([]).shape == (0, 4)


def test_the_tight_box_reaches_from_the_first_to_behind_the_last_pixel():
    mask = np.zeros((4, 8), bool)
    mask[1, 2] = mask[2, 5] = True  # rows 1 and 2 of 4, columns 2 to 5 of 8
    box = tight_boxes(mask)
    assert box.dtype == np.float32
    assert box.tolist() == [2 / 8, 1 / 4, 6 / 8, 3 / 4]
    assert tight_boxes(np.ones((4, 8), bool)).tolist() == [0, 0, 1, 1]
    mask[:] = False
    mask[3, 7] = True
    assert tight_boxes(mask).tolist() == [7 / 8, 3 / 4, 1, 1]


def test_an_empty_mask_has_no_tight_box():
    masks = np.zeros((2, 3, 4, 4), bool)
    masks[1, 0, 0, :2] = True
    boxes = tight_boxes(masks)
    assert boxes.shape == (2, 3, 4)
    assert boxes[1, 0].tolist() == [0, 0, 0.5, 0.25]
    assert np.isnan(boxes).all(axis=-1).tolist() == [[True] * 3, [False, True, True]]
    assert np.isfinite(boxes[1, 0]).all()
    assert tight_boxes(np.zeros((0, 2, 4, 4), bool)).shape == (0, 2, 4)


def test_a_box_that_was_rasterised_is_found_again():
    box = (0.25, 0.5, 0.75, 0.875)  # whole pixels of 224
    assert tight_boxes(rasterize_box(box)).tolist() == list(box)


def test_consensus_weighs_one_annotator_half_and_two_fully():
    first, second = rasterize_box((0, 0, 0.5, 0.5)), rasterize_box((0.25, 0, 0.5, 0.5))
    weight = consensus([first, second])
    assert weight[0, 0] == 0.5
    assert weight[0, SIDE // 4] == 1.0
    assert consensus([first, first, first]).max() == 1.0


def test_upsampling_keeps_the_range_and_the_place_of_the_peak():
    heatmap = np.zeros((16, 16))
    heatmap[3, 12] = 1.0
    large = upsample(heatmap)
    assert large.shape == (SIDE, SIDE)
    assert large.min() == 0.0
    assert 0.9 < large.max() <= 1.0
    row, column = np.unravel_index(large.argmax(), large.shape)
    assert (row // 14, column // 14) == (3, 12)


def test_upsampling_puts_pixel_centres_at_half():
    # Two cells on four pixels: centres at 0.5 and 2.5, pixels at 0, 1, 2, 3 -> 0, 1/4, 3/4, 1.
    assert upsample([[0.0, 1.0], [0.0, 1.0]], side=4)[0].tolist() == [0.0, 0.25, 0.75, 1.0]


def test_upsampling_a_stack_equals_upsampling_each():
    stack = np.random.default_rng(0).random((2, 3, 16, 16)).astype(np.float32)
    large = upsample(stack)
    assert large.dtype == np.float32
    np.testing.assert_allclose(large[1, 2], upsample(stack[1, 2]), rtol=1e-6)
