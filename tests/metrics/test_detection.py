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
    ranked_hits,
    taken_boxes,
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


def test_detections_are_matched_once_by_falling_score():
    truth = boxes((0, 0, LEFT), (2, 1, LEFT), (2, 0, RIGHT))
    found = boxes((2, 0, RIGHT), (1, 0, LEFT), (0, 7, LEFT), (0, 0, LEFT))
    hits = ranked_hits(found, [0.6, 0.7, 0.9, 0.8], truth, n_images=4)
    assert hits.image.tolist() == [0, 0, 1, 2]
    assert hits.hit.tolist() == [True, False, False, True]  # labels do not count, and a box is found once
    assert hits.boxes.tolist() == [1, 0, 2, 0]
    # Recall 1/3, 1/3, 1/3, 2/3, precision 1, 1/2, 1/3, 2/4: 1/3 * 1 + 1/3 * 1/2.
    assert hits.ap() == pytest.approx(1 / 2)


def test_ap_of_pictures_that_are_drawn_worked_by_hand():
    truth = boxes((0, 0, LEFT), (1, 0, LEFT))
    found = boxes((0, 0, RIGHT), (1, 0, LEFT))
    hits = ranked_hits(found, [0.9, 0.8], truth, n_images=2)
    # A false one, then a hit: precision 1/2 up to recall 1/2.
    assert hits.ap(np.array([1, 1])) == pytest.approx(1 / 4)
    # Three boxes, two of them hit after one false: recall 2/3 at precision 2/3.
    assert hits.ap(np.array([1, 2])) == pytest.approx(4 / 9)
    # Three boxes, one of them hit after two false: recall 1/3 at precision 1/3.
    assert hits.ap(np.array([2, 1])) == pytest.approx(1 / 9)
    assert hits.ap(np.array([0, 1])) == 1.0  # the false one lies in a picture that was not drawn
    assert hits.ap(np.array([1, 0])) == 0.0


@pytest.fixture
def many():
    """Detections near and far from one or two boxes in each of eight pictures, and their scores."""
    rng = np.random.default_rng(4)
    truth = boxes(*((image, image % 3, box) for image in range(8) for box in (LEFT, RIGHT)[: 1 + image % 2]))
    found = boxes(
        *(
            (image, 0, np.add(box, (shift, 0, shift, 0)))
            for image in range(8)
            for box in (LEFT, LEFT, RIGHT)
            for shift in (rng.uniform(0, 6),)
        )
    )
    return found, rng.permutation(len(found.image)) / len(found.image), truth


def select(given, images):
    """The boxes of these pictures, which are numbered anew, and where they were."""
    where = [np.flatnonzero(given.image == image) for image in images]
    chosen = np.concatenate(where)
    numbers = np.repeat(np.arange(len(images)), [len(part) for part in where])
    return Boxes(numbers, given.label[chosen], given.box[chosen]), chosen


@pytest.mark.parametrize("tau", [0.3, 0.5, 0.7])
def test_when_every_picture_is_there_once_it_is_the_class_agnostic_ap(many, tau):
    found, scores, truth = many
    expected = class_agnostic_ap(found, scores, truth, tau=tau)
    assert 0.05 < expected < 0.95
    hits = ranked_hits(found, scores, truth, n_images=8, tau=tau)
    assert hits.ap() == pytest.approx(expected)
    assert hits.ap(np.ones(8, int)) == pytest.approx(expected)


@pytest.mark.parametrize("drawn", [[0, 0, 1, 2, 3, 4, 5, 6, 7], [1, 1, 1, 4, 6, 6], [5]])
def test_a_picture_that_is_there_several_times_counts_as_its_copies_would(many, drawn):
    found, scores, truth = many
    copies, chosen = select(found, drawn)
    expected = class_agnostic_ap(copies, scores[chosen], select(truth, drawn)[0])
    hits = ranked_hits(found, scores, truth, n_images=8)
    assert hits.ap(np.bincount(drawn, minlength=8)) == pytest.approx(expected)
    assert hits.ap() != pytest.approx(expected)


def test_where_nothing_is_to_be_found_there_is_no_ap():
    hits = ranked_hits(boxes((0, 0, LEFT), (1, 0, LEFT)), [0.9, 0.8], boxes((0, 0, LEFT)), n_images=2)
    assert hits.ap() == 1.0
    assert np.isnan(hits.ap(np.array([0, 3])))
    assert np.isnan(ranked_hits(boxes((0, 0, LEFT)), [0.9], boxes(), n_images=1).ap())


def test_without_detections_ap_is_zero():
    assert ranked_hits(boxes(), [], boxes((0, 0, LEFT)), n_images=1).ap() == 0.0


def test_every_box_is_taken_once_by_the_surest_detection_of_its_picture():
    left, right = [0, 0, 0.5, 1], [0.5, 0, 1, 1]
    found = Boxes.of_one_class([0, 0, 0, 1, 2], [left, left, right, left, left])
    truth = Boxes.of_one_class([0, 1, 0], [right, right, left])
    # The second takes the left box of picture 0; picture 1 has none there, and picture 2 none at all.
    assert taken_boxes(found, [0.5, 0.9, 0.3, 0.8, 0.7], truth).tolist() == [-1, 2, 0, -1, -1]


def test_half_an_overlap_is_enough_to_take_a_box():
    for width, wanted in ((0.5, 0), (0.49, -1)):
        found, truth = Boxes.of_one_class([0], [[0, 0, width, 1]]), Boxes.of_one_class([0], [[0, 0, 1, 1]])
        assert taken_boxes(found, [1.0], truth).tolist() == [wanted]
