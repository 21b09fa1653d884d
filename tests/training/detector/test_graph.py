import numpy as np
import onnxruntime
import pytest
import torch

from training.detector.graph import detect_graph
from training.methods.avdet.module import LEAST_SCORE, MOST_BOXES


@pytest.fixture(autouse=True)
def without_the_rule_behind_the_graph(monkeypatch):
    """Boxes around several things are dropped by the pipeline, not by the graph."""
    monkeypatch.setattr(
        "training.methods.avdet.module.around_several",
        lambda boxes, *_: np.zeros(len(boxes), np.bool_),
    )


def encoded(count, *, grid=4):
    """Tokens and class maps of frames."""
    return 2 * torch.randn(count, grid, grid, 3), torch.rand(count, 2, 2, 3)


def graph_of(detector):
    """Runs the graph of a detector: tokens and class maps to boxes, scores and labels."""
    session = onnxruntime.InferenceSession(
        detect_graph(detector).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    read = [spec.name for spec in session.get_inputs()]

    def run(tokens, class_map):
        inputs = {"tokens": tokens.numpy(), "class_map": class_map.numpy()}
        return session.run(["boxes", "scores", "labels"], {name: inputs[name] for name in read})

    return run


def rows_of(boxes, scores, labels):
    """What counts of one frame, by falling score."""
    order = [index for index in np.argsort(-scores) if scores[index] > 0]
    return boxes[order], scores[order], labels[order]


def found_in(detector, given):
    """The same by the detector itself, of each frame."""
    found = detector.find(detector.inputs.seen(*given))
    frames = [found.frame == frame for frame in range(len(given[0]))]
    return [rows_of(found.box[rows], found.score[rows], found.label[rows]) for rows in frames]


def test_the_graph_finds_what_the_detector_finds_in_any_number_of_frames(random_detector):
    detector = random_detector()
    run = graph_of(detector)
    for count in (1, 2, 5):
        given = encoded(count)
        boxes, scores, labels = run(*given)
        assert (boxes.shape, scores.shape, labels.shape) == ((count, 16, 4), (count, 16), (count, 16))
        assert (boxes.dtype, scores.dtype, labels.dtype) == (np.float32, np.float32, np.int64)
        wanted = found_in(detector, given)
        for frame, (box, score, label) in enumerate(wanted):
            told = rows_of(boxes[frame], scores[frame], labels[frame])
            np.testing.assert_allclose(told[0], box, atol=1e-4)
            np.testing.assert_allclose(told[1], score, atol=1e-4)
            assert told[2].tolist() == label.tolist()
        assert 0 < sum(len(score) for _, score, _ in wanted) < 16 * count
        # The others are there, in their places, but have no score.
        with torch.no_grad():
            answers = detector(*given)
        np.testing.assert_allclose(boxes, answers.boxes.clamp(0, 1), atol=1e-4)
        assert np.array_equal(labels, answers.classes.argmax(2))
        raw = answers.scores.numpy()
        np.testing.assert_allclose(scores[scores > 0], raw[scores > 0], atol=1e-4)
        assert (raw > LEAST_SCORE).all()


def test_frames_in_which_nothing_is_found_do_not_disturb(random_detector):
    detector, given = random_detector(surely=-30.0), encoded(3)
    _, scores, _ = graph_of(detector)(*given)
    assert scores.tolist() == [[0.0] * 16] * 3
    assert len(detector.find(detector.inputs.seen(*given)).frame) == 0


def test_faint_boxes_are_left_out_as_the_detector_does(random_detector):
    detector = random_detector(surely=-8.0)
    given = encoded(4)
    _, scores, _ = graph_of(detector)(*given)
    faint = detector(*given).scores.detach().numpy() < LEAST_SCORE
    assert 0 < faint.sum() < faint.size
    assert not scores[faint].any()
    for row, (_, wanted, _) in zip(scores, found_in(detector, given), strict=True):
        np.testing.assert_allclose(np.sort(row[row > 0])[::-1], wanted, atol=1e-4)


def test_where_there_are_many_cells_both_keep_as_many_boxes(random_detector):
    detector, given = random_detector(grid=12), encoded(2, grid=12)
    boxes, scores, labels = graph_of(detector)(*given)
    for frame, wanted in enumerate(found_in(detector, given)):
        told = rows_of(boxes[frame], scores[frame], labels[frame])
        assert len(told[0]) <= MOST_BOXES
        for one, other in zip(told, wanted, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "read"),
    [({}, ["tokens", "class_map"]), ({"looks": 0}, ["tokens"]), ({"n_classes": 1}, ["tokens"])],
)
def test_the_graph_asks_for_class_maps_only_if_it_looks_at_them(random_detector, options, read):
    detector, given = random_detector(**options), encoded(2)
    assert [spec.name for spec in detect_graph(detector).graph.input] == read
    _, scores, _ = graph_of(detector)(*given)
    for row, (_, wanted, _) in zip(scores, found_in(detector, given), strict=True):
        np.testing.assert_allclose(np.sort(row[row > 0])[::-1], wanted, atol=1e-4)


def test_the_same_detector_gives_the_same_file(random_detector):
    first, again = (detect_graph(random_detector()).SerializeToString(deterministic=True) for _ in range(2))
    assert first == again
