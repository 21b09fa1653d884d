import numpy as np
import pytest

from training.metrics.detection import (
    TAUS,
    Boxes,
    box_iou,
    class_agnostic_ap,
    class_aps,
    mean_ap,
    mean_ap_over_taus,
)

LEFT, RIGHT = (0, 0, 10, 10), (20, 0, 30, 10)


def boxes(*rows):
    """(image, label, box) each."""
    images, labels, corners = zip(*rows, strict=True) if rows else ((), (), np.zeros((0, 4)))
    return Boxes(np.array(images, int), np.array(labels, int), np.array(corners, float))


def test_iou_of_boxes():
    # Shifted by half: 50 shared of 150. Apart: 0. A box without area: 0.
    overlaps = box_iou([LEFT, (5, 5, 5, 9)], [LEFT, (5, 0, 15, 10), RIGHT])
    np.testing.assert_allclose(overlaps, [[1, 1 / 3, 0], [0, 0, 0]])


def test_ap_worked_by_hand():
    # Two boxes; hit at .9, a false one at .8, hit at .7: recall 1/2, 1/2, 1, precision 1, 1/2, 2/3 -> 5/6.
    truth = boxes((0, 0, LEFT), (1, 0, RIGHT))
    found = boxes((0, 0, LEFT), (0, 0, RIGHT), (1, 0, RIGHT))
    assert mean_ap(found, [0.9, 0.8, 0.7], truth) == pytest.approx(5 / 6)
    assert mean_ap(found, [0.7, 0.8, 0.9], truth) == pytest.approx(5 / 6)  # hit, miss, hit again
    # The miss first: precision 0, 1/2, 2/3 at recall 0, 1/2, 1; interpolated 2/3 everywhere.
    assert mean_ap(found, [0.8, 0.9, 0.7], truth) == pytest.approx(2 / 3)


def test_a_box_is_found_once():
    truth = boxes((0, 0, LEFT))
    twice = boxes((0, 0, LEFT), (0, 0, LEFT))
    assert mean_ap(twice, [0.9, 0.8], truth) == 1.0
    # The worse of the two comes first and takes the box; the better one is then the false positive.
    shifted = boxes((0, 0, (2, 0, 12, 10)), (0, 0, LEFT))  # IoU 80/120 = 2/3
    assert mean_ap(shifted, [0.9, 0.8], truth, tau=0.5) == 1.0
    assert mean_ap(shifted, [0.9, 0.8], truth, tau=0.7) == 0.5


def test_a_detection_takes_the_free_box_that_it_overlaps_most():
    truth = boxes((0, 0, (0, 0, 10, 10)), (0, 0, (1, 0, 11, 10)))
    found = boxes((0, 0, (1, 0, 11, 10)), (0, 0, (1, 0, 11, 10)))
    # The second overlaps the left box by 90/110 = .818 and takes that one.
    assert mean_ap(found, [0.9, 0.8], truth, tau=0.8) == 1.0
    assert mean_ap(found, [0.9, 0.8], truth, tau=0.85) == 0.5


def test_another_class_is_wrong_unless_classes_do_not_count():
    truth = boxes((0, 0, LEFT), (0, 1, RIGHT))
    found = boxes((0, 1, LEFT), (0, 1, RIGHT), (0, 5, LEFT))
    # Class 0 is never found. Class 1: a false one at .9, then a hit: precision 1/2 at recall 1.
    assert class_aps(found, [0.9, 0.8, 0.7], truth) == {0: 0.0, 1: pytest.approx(0.5)}
    assert mean_ap(found, [0.9, 0.8, 0.7], truth) == pytest.approx(0.25)
    assert class_agnostic_ap(found, [0.9, 0.8, 0.7], truth) == 1.0


def test_a_box_of_another_picture_is_not_found():
    truth = boxes((0, 0, LEFT))
    assert mean_ap(boxes((1, 0, LEFT)), [0.9], truth) == 0.0
    assert mean_ap(boxes(), [], truth) == 0.0


def test_the_mean_over_taus_counts_how_far_the_overlap_reaches():
    # IoU 2/3 passes tau = .50, .55, .60, .65 and no other of ten.
    truth, found = boxes((0, 0, LEFT)), boxes((0, 0, (2, 0, 12, 10)))
    assert len(TAUS) == 10
    assert mean_ap_over_taus(found, [1.0], truth) == pytest.approx(0.4)


def test_without_boxes_there_is_no_figure():
    with pytest.raises(ValueError, match="no box"):
        mean_ap(boxes((0, 0, LEFT)), [0.9], boxes())
    with pytest.raises(ValueError, match="no box"):
        class_agnostic_ap(boxes((0, 0, LEFT)), [0.9], boxes())


def test_boxes_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="labels"):
        Boxes(np.zeros(2, int), np.zeros(1, int), np.zeros((2, 4)))
