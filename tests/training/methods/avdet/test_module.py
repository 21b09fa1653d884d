import numpy as np
import pytest
import torch
from torch import nn

from tests.training.methods.avdet.made_blocks import CLASS_MAP, WIDTHS
from training.methods.avdet.config import AvdetConfig
from training.methods.avdet.detector import Answers
from training.methods.avdet.module import (
    Avdet,
    BoxedFrames,
    Found,
    Truth,
    agnostic_ap,
    joined,
    mirrored,
)

LEFT, RIGHT, NONE = [0.0, 0.0, 0.5, 1.0], [0.5, 0.0, 1.0, 1.0], [float("nan")] * 4


class Table(nn.Module):
    """A head that says what it is given: tokens (N, G, G, 5) are boxes and scores."""

    def forward(self, seen):
        flat = seen.flatten(1, 2)
        odds = torch.logit(flat[:, :, 4])
        return Answers(flat[:, :, :4], torch.stack([odds, odds - 30], 2), odds)


@pytest.fixture
def detector():
    """Tells what is written in its tokens; all that it logs is in `scores`."""
    module = Avdet(AvdetConfig(width=16, suppression=0.5), WIDTHS, CLASS_MAP, ("one", "two")).eval()
    module.head = Table()
    module.scores = []
    module.log_score = lambda score, *, count: module.scores.append((score, count))
    return module


def frame(*told):
    """(2, 2, 5): of up to four cells a box and a score."""
    cells = [[*box, score] for box, score in told] + [[0.0, 0.0, 1.0, 1.0, 1e-6]] * (4 - len(told))
    return torch.tensor(cells).reshape(2, 2, 5)


def test_weaker_boxes_of_the_same_thing_are_left_out(detector):
    near = [0.1, 0.0, 0.5, 1.0]  # 0.8 of LEFT
    half = [0.0, 0.0, 0.5, 0.5]  # 0.5 of it: stays
    found = detector.find(torch.stack([frame((near, 0.8), (LEFT, 0.9), (half, 0.6)), frame((near, 0.8))]))
    assert found.frame.tolist() == [0, 0, 1]
    assert found.score.tolist() == pytest.approx([0.9, 0.6, 0.8])
    np.testing.assert_allclose(found.box, [LEFT, half, near])
    assert found.label.tolist() == [0, 0, 0]


def test_boxes_end_with_the_frame_and_faint_ones_are_no_answer(detector):
    found = detector.find(torch.stack([frame(([-0.5, 0.2, 0.5, 1.5], 0.03), (RIGHT, 0.019)), frame()]))
    assert found.frame.tolist() == [0]
    np.testing.assert_allclose(found.box, [[0, 0.2, 0.5, 1]])
    assert len(detector.find(frame()[None]).frame) == 0


def validated(detector, seen, truth, *, marked, sounds=None, heat=None):
    truth, count = torch.tensor(truth), len(seen)
    batch = {
        "seen": torch.stack(seen),
        "truth": truth,
        "sounds": torch.ones(truth.shape[:2], dtype=torch.bool) if sounds is None else sounds,
        "heat": torch.zeros(count, 4, 4) if heat is None else heat,
        "marked": torch.tensor(marked),
    }
    for rows in torch.arange(count).split(2):
        detector.validation_step({name: part[rows] for name, part in batch.items()}, 0)
    detector.on_validation_epoch_end()
    return detector.scores[-1]


def test_the_score_is_the_precision_in_marked_and_in_other_frames(detector):
    hit, miss = frame((LEFT, 0.9)), frame((RIGHT, 0.9))
    truth = [[LEFT, NONE]] * 3
    assert validated(detector, [hit, hit, hit], truth, marked=[True] * 3) == (1.0, 3)
    assert validated(detector, [hit, hit, miss], truth, marked=[True, True, False]) == (0.5, 3)
    # Three marked boxes of which one is found: area 1/3.
    two = [[LEFT, RIGHT], [LEFT, NONE], [LEFT, NONE]]
    assert validated(detector, [hit, frame(), miss], two, marked=[True, True, False])[0] == pytest.approx(
        1 / 6
    )


def test_marked_frames_calibrate_and_others_do_not(detector):
    hits, rest = [frame((LEFT, 0.8), (RIGHT, 0.7))] * 20, [frame((RIGHT, 0.6))] * 20
    truth = [[LEFT, RIGHT]] * 20 + [[LEFT, NONE]] * 20
    sounds = torch.tensor([[True, False]] * 40)
    heat = torch.zeros(40, 4, 4)
    heat[:, :, :2] = 1
    validated(detector, hits + rest, truth, marked=[False] * 40, sounds=sounds, heat=heat)
    assert (detector.threshold.item(), detector.sounding.tolist()) == (pytest.approx(0.3), [1, 0, 0.5])
    validated(detector, hits + rest, truth, marked=[True] * 40, sounds=sounds, heat=heat)
    assert detector.threshold.item() == pytest.approx(0.7)
    scale, _, least = detector.sounding.tolist()
    assert scale > 0
    assert least != 0.5


def test_nothing_found_is_a_score_of_nothing(detector):
    assert validated(detector, [frame()], [[LEFT]], marked=[True]) == (0.0, 1)
    assert validated(detector, [frame((LEFT, 0.9))], [[NONE]], marked=[True]) == (0.0, 1)


def test_precision_by_hand():
    truth = Truth(np.array([0, 1]), np.float32([LEFT, LEFT]), np.ones(2, bool))
    found = Found(
        np.array([0, 0, 1]), np.float32([LEFT, RIGHT, LEFT]), np.float32([0.5, 0.9, 0.4]), np.zeros(3)
    )
    # By falling score: a miss, a hit (precision 1/2), a hit (2/3); the ceiling is 2/3 all along.
    assert agnostic_ap(found, truth) == pytest.approx(2 / 3)
    one = np.array([True, False])
    assert agnostic_ap(found.of(one), truth.of(one)) == pytest.approx(1 / 2)


def test_batches_are_numbered_through():
    parts = [
        Found(np.array(rows), np.zeros((len(rows), 4)), np.zeros(len(rows)), np.zeros(len(rows)))
        for rows in ([0, 2], [], [1])
    ]
    assert joined(parts, [3, 2, 4]).frame.tolist() == [0, 2, 6]


def test_mirroring_turns_frame_and_boxes_together():
    torch.manual_seed(0)
    seen = torch.zeros(40, 4, 4, 2)
    seen[:, 1, 0, :] = 1  # stands at the left end of the second row
    boxes = torch.tensor([[[0.0, 0.25, 0.25, 0.5], NONE]]).repeat(40, 1, 1)
    views, turned = mirrored(seen, boxes)
    columns = views[:, 1, :, 0].argmax(1)
    assert 10 < (columns == 3).sum() < 30
    assert set(columns.tolist()) == {0, 3}
    assert torch.equal(turned[:, 0, 0], columns / 4)
    assert torch.equal(turned[:, 0, 2], (columns + 1) / 4)
    assert torch.equal(turned[:, 0, 1::2], boxes[:, 0, 1::2])
    assert turned[:, 1].isnan().all()
    assert boxes[0, 0].tolist() == [0, 0.25, 0.25, 0.5]  # as it was


def test_frames_are_given_in_batches_or_one_by_one():
    frames = BoxedFrames({"seen": torch.arange(6.0).reshape(3, 2), "classes": torch.tensor([[0], [1], [2]])})
    assert len(frames) == 3
    batch = frames.__getitems__([2, 0])
    assert batch["seen"].tolist() == [[4, 5], [0, 1]]
    assert batch["classes"].tolist() == [[2], [0]]
    assert frames[1]["seen"].tolist() == [2, 3]
