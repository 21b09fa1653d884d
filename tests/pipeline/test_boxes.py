import numpy as np

from app.pipeline.boxes import iou, mean_inside, share_inside

ONES = np.array([[0, 0, 0.5, 1], [0.5, 0, 1, 1]])
OTHERS = np.array([[0.25, 0, 0.75, 1], [0, 0, 0.5, 0.5]])


def test_overlap_of_boxes_worked_out_by_hand():
    np.testing.assert_allclose(iou(ONES, OTHERS), [[1 / 3, 0.5], [1 / 3, 0]])


def test_how_much_of_a_box_lies_in_another_worked_out_by_hand():
    np.testing.assert_allclose(share_inside(ONES, OTHERS), [[0.5, 0.5], [0.5, 0]])
    np.testing.assert_allclose(share_inside(OTHERS, ONES), [[0.5, 0.5], [1, 0]])


def test_mean_inside_a_box_counts_cells_by_their_part():
    maps = np.arange(4.0).reshape(1, 2, 2, 1)  # 0 1 / 2 3
    boxes = np.array([[0, 0, 0.5, 0.5], [0, 0, 1, 1], [0.5, 0, 1, 1], [0.25, 0, 1, 0.5]])
    np.testing.assert_allclose(
        mean_inside(np.repeat(maps, 4, axis=0), boxes), [[0], [1.5], [2], [2 / 3]], rtol=1e-6
    )


def test_each_map_has_a_box_of_its_own():
    maps = np.array([[[[1.0, 2.0]]], [[[3.0, 4.0]]]])
    boxes = np.array([[0, 0, 1, 1], [0.2, 0.3, 0.4, 0.5]])
    np.testing.assert_allclose(mean_inside(maps, boxes), [[1, 2], [3, 4]])
