import numpy as np

from app.pipeline.boxes import iou, share_inside

ONES = np.array([[0, 0, 0.5, 1], [0.5, 0, 1, 1]])
OTHERS = np.array([[0.25, 0, 0.75, 1], [0, 0, 0.5, 0.5]])


def test_overlap_of_boxes_worked_out_by_hand():
    np.testing.assert_allclose(iou(ONES, OTHERS), [[1 / 3, 0.5], [1 / 3, 0]])


def test_how_much_of_a_box_lies_in_another_worked_out_by_hand():
    np.testing.assert_allclose(share_inside(ONES, OTHERS), [[0.5, 0.5], [0.5, 0]])
    np.testing.assert_allclose(share_inside(OTHERS, ONES), [[0.5, 0.5], [1, 0]])
