import pytest
import torch

from training.methods.avdet.detector import Answers, cell_centres
from training.methods.avdet.targets import assign, generalised_iou, losses, pairwise_iou

CELLS = cell_centres(4)  # at 1/8, 3/8, 5/8 and 7/8
NONE = [float("nan")] * 4


def assigned(boxes, classes, radius=0.5):
    """Classes (4, 4) that the cells are to tell, and their boxes."""
    targets = assign(torch.tensor([boxes]), torch.tensor([classes]), CELLS, radius=radius)
    return targets.classes[0].reshape(4, 4).tolist(), targets.boxes[0].reshape(4, 4, 4)


def test_the_middle_of_a_box_learns_it_and_the_rest_of_it_does_not_matter():
    classes, boxes = assigned([[0.0, 0.0, 0.75, 0.75]], [7])
    assert classes == [[-2, -2, -2, -1], [-2, 7, -2, -1], [-2, -2, -2, -1], [-1, -1, -1, -1]]
    assert boxes[1, 1].tolist() == [0, 0, 0.75, 0.75]


def test_the_radius_says_how_much_of_the_box_is_its_middle():
    classes, _ = assigned([[0.0, 0.0, 0.75, 0.75]], [7], radius=1.5)
    assert classes == [[7, 7, 7, -1]] * 3 + [[-1] * 4]
    outside = assigned([[0.25, 0.25, 0.5, 0.5]], [7], radius=1.5)[0]
    assert sum(row.count(7) for row in outside) == 1  # cells near its middle, but outside


def test_the_smallest_box_wins():
    whole, part = [0.0, 0.0, 0.75, 0.75], [0.25, 0.25, 0.5, 0.5]
    for boxes, numbers in (([whole, part], [1, 2]), ([part, whole], [2, 1])):
        classes, told = assigned(boxes, numbers, radius=1.5)
        assert classes == [[1, 1, 1, -1], [1, 2, 1, -1], [1, 1, 1, -1], [-1, -1, -1, -1]]
        assert told[1, 1].tolist() == part
        assert told[0, 1].tolist() == whole


def test_a_box_between_the_centres_gets_the_nearest_cell():
    classes, boxes = assigned([[0.55, 0.05, 0.6, 0.1]], [3])
    assert classes == [[-1, -1, 3, -1]] + [[-1] * 4] * 3
    assert boxes[0, 2].tolist() == pytest.approx([0.55, 0.05, 0.6, 0.1])


def test_places_without_a_box_are_ignored():
    box = [0.0, 0.0, 0.75, 0.75]
    assert assigned([NONE, box, NONE], [5, 7, 5])[0] == assigned([box], [7])[0]
    assert assigned([NONE], [5])[0] == [[-1] * 4] * 4


def test_each_frame_has_its_own_boxes():
    boxes = torch.tensor([[[0.0, 0.0, 0.25, 0.25]], [NONE], [[0.75, 0.75, 1.0, 1.0]]])
    targets = assign(boxes, torch.tensor([[0], [1], [2]]), CELLS, radius=1.5)
    assert [(row >= 0).nonzero().tolist() for row in targets.classes] == [[[0]], [], [[15]]]
    assert targets.classes[2, 15] == 2


@pytest.mark.parametrize(
    ("first", "second", "iou", "giou"),
    [
        ([0, 0, 2, 2], [1, 1, 3, 3], 1 / 7, 1 / 7 - 2 / 9),
        ([0, 0, 1, 1], [2, 0, 3, 1], 0, -1 / 3),
        ([0, 0, 4, 2], [1, 0, 2, 2], 1 / 4, 1 / 4),
        ([1, 2, 3, 4], [1, 2, 3, 4], 1, 1),
    ],
)
def test_overlap_of_two_boxes(first, second, iou, giou):
    pair = torch.tensor([first, second], dtype=torch.float32).split(1)
    for one, other in (pair, pair[::-1]):
        assert pairwise_iou(one, other).item() == pytest.approx(iou)
        assert generalised_iou(one, other).item() == pytest.approx(giou)


@pytest.fixture
def targets():
    """Of the left half of a frame, which is of class 1 of 3."""
    return assign(torch.tensor([[[0.0, 0.0, 0.5, 1.0]]]), torch.tensor([[1]]), CELLS, radius=0.5)


def answers(targets, *, sure=0.0, shift=0.0, fit=0.0):
    """What is wanted, with so much certainty, and with boxes that stand so far off."""
    classes = torch.full((1, 16, 3), -sure)
    classes[targets.classes >= 0, 1] = sure
    return Answers(targets.boxes + shift, classes, torch.full((1, 16), fit))


def lost(given, targets):
    return losses(given, targets, alpha=0.25, gamma=2.0)


def test_better_answers_cost_less(targets):
    doubtful, sure = (lost(answers(targets, sure=value), targets) for value in (0.0, 4.0))
    assert sure.classes < 0.1 * doubtful.classes
    assert sure.boxes == 0
    near, far = (lost(answers(targets, shift=value), targets) for value in (0.05, 0.2))
    assert 0 < near.boxes < far.boxes
    # A box that fits should say so, and one that stands beside its place should not.
    assert lost(answers(targets, fit=4.0), targets).fit < lost(answers(targets, fit=-4.0), targets).fit
    off = [lost(answers(targets, shift=2.0, fit=value), targets).fit for value in (4.0, -4.0)]
    assert off[1] < off[0]


def test_cells_count_as_the_targets_say(targets):
    plain = answers(targets, sure=1.0)
    before = lost(plain, targets)
    for kind, counts in ((-2, False), (-1, True), (1, True)):
        cell = (targets.classes[0] == kind).nonzero()[0, 0]
        other = answers(targets, sure=1.0)
        other.classes[0, cell] += 1
        assert (lost(other, targets).classes != before.classes) == counts
    moved = answers(targets, sure=1.0)
    moved.boxes[targets.classes < 0] = 9.0
    assert lost(moved, targets).boxes == before.boxes


def test_losses_are_means_over_the_cells_that_learn(targets):
    twice = [torch.cat([part, part]) for part in targets]
    once = lost(answers(targets, sure=1.0, shift=0.1), targets)
    given = Answers(*(torch.cat([part, part]) for part in answers(targets, sure=1.0, shift=0.1)))
    assert torch.allclose(torch.stack(lost(given, type(targets)(*twice))), torch.stack(once))


def test_frames_without_a_box_cost_something_only_for_the_classes():
    empty = assign(torch.full((1, 1, 4), torch.nan), torch.tensor([[0]]), CELLS, radius=1.5)
    given = Answers(torch.rand(1, 16, 4), torch.zeros(1, 16, 3), torch.zeros(1, 16))
    result = lost(given, empty)
    assert (result.boxes, result.fit) == (0, 0)
    assert result.classes > 0
