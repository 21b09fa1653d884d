import json
from functools import partial

import numpy as np
import pytest
import torch

import training.trial.boxed_report
from training.evaluation.tables import to_markdown
from training.methods.avdet.evidence import Things
from training.methods.avdet.module import Found
from training.trial.boxed import BoxedGallery
from training.trial.boxed_arms import CENTRE, TRAINED, BoxedArm
from training.trial.boxed_report import report_on, tables, write_json

BOXES = np.float32([[0, 0, 0.5, 0.5], [0.1, 0.1, 0.9, 0.9], [0.5, 0.5, 1, 1]])
MIDDLE = [0.5 - 0.5**1.5, 0.5 - 0.5**1.5, 0.5 + 0.5**1.5, 0.5 + 0.5**1.5]


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    fewer = partial(training.trial.boxed_report.bootstrap_each, resamples=100)
    monkeypatch.setattr(training.trial.boxed_report, "bootstrap_each", fewer)


def gallery_of(*kinds, sounding=(True, True, False)):
    """Three frames with a thing each; the last does not sound."""
    things = Things(np.arange(3), BOXES, kinds or ("dog", "cat", "dog"), np.array(sounding))
    empty = torch.zeros(3, 1, 1, 1)
    return BoxedGallery("unseen", empty, empty, np.zeros((3, 4, 4)), np.arange(3), things)


def found(*labels, boxes=BOXES, scores=(0.7, 0.8, 0.9)):
    """A box in each frame."""
    return Found(np.arange(3), np.float32(boxes), np.float32(scores), np.array(labels or (0, 1, 0)))


def nothing():
    return Found(np.zeros(0, np.int64), np.zeros((0, 4), np.float32), np.zeros(0), np.zeros(0, np.int64))


def report_of(*arms, known=(), val=None, gallery=None):
    val = val or gallery_of()
    return report_on(gallery or gallery_of(), arms, val=val, known=known)


def test_a_perfect_detector_and_one_that_looks_at_the_middle():
    middle = found(boxes=[MIDDLE] * 3, scores=(1, 1, 1))
    report = report_of(BoxedArm(TRAINED, [found()]), BoxedArm(CENTRE, [middle]))
    perfect, centre = report.rows
    assert (report.n, report.n_things) == (3, 3)
    assert (perfect.every.value, perfect.at_30, perfect.over_taus, perfect.ahead) == (100, 100, 100, None)
    assert perfect.every.n == 3
    # The middle has half the area. Its IoU with the corners is 0.125 / 0.625, with the middle one 0.5 / 0.64:
    # the second of three is a hit up to 0.75, six of the ten thresholds.
    assert centre.every.value == pytest.approx(100 / 6)
    assert centre.at_30 == pytest.approx(100 / 6)
    assert centre.over_taus == pytest.approx(100 / 6 * 6 / 10)
    assert centre.ahead.value == pytest.approx(500 / 6)
    assert centre.ahead.low <= centre.ahead.value <= centre.ahead.high


def test_what_does_not_sound_is_a_false_alarm_among_what_does():
    sure_of_it, doubtful = (found(scores=scores) for scores in ((0.7, 0.8, 0.9), (0.8, 0.9, 0.7)))
    rows = report_of(BoxedArm(TRAINED, [sure_of_it]), BoxedArm("doubtful", [doubtful])).rows
    # Precision at the two hits: 1/2 and 2/3, of which the larger counts.
    assert [row.sounding.value for row in rows] == pytest.approx([200 / 3, 100])
    assert [row.every.value for row in rows] == [100, 100]


def test_the_figure_is_the_mean_over_the_seeds():
    row, other = report_of(BoxedArm(TRAINED, [found(), nothing()]), BoxedArm("blind", [nothing()])).rows
    assert row.every.value == 50
    assert row.seeds == (100, 0)
    assert (other.every.value, other.ahead.value) == (0, 50)


def test_frames_of_one_video_are_drawn_together():
    gallery = gallery_of()
    gallery.groups[:] = 0
    report = report_of(BoxedArm(TRAINED, [found()]), gallery=gallery)
    assert report.rows[0].every.n == 1


def named(val_labels, labels, *kinds):
    arms = [BoxedArm(TRAINED, [found(*labels)])]
    report = report_of(*arms, known=[BoxedArm(TRAINED, [found(*val_labels)])], gallery=gallery_of(*kinds))
    return report.naming.get(TRAINED)


def test_classes_that_are_kinds():
    naming = named((0, 1, 0), (0, 1, 0))
    assert naming.hits == 3
    figures = (naming.nmi, naming.ari, naming.purity, naming.one_to_one, naming.many_to_one)
    assert figures == pytest.approx([100] * 5)


def test_one_class_for_everything():
    naming = named((0, 0, 0), (0, 0, 0))
    assert (naming.nmi, naming.ari) == pytest.approx((0, 0), abs=1e-4)
    assert naming.purity == pytest.approx(200 / 3)
    # All are called dogs: by falling score a dog, the cat and a dog, so 1/2 + 1/2 * 2/3; no cat is found.
    assert (naming.one_to_one, naming.many_to_one) == pytest.approx((500 / 12, 500 / 12))


def test_a_class_for_every_thing():
    naming = named((0, 1, 2), (0, 1, 2))
    assert naming.purity == pytest.approx(100)
    assert naming.many_to_one == pytest.approx(100)
    assert naming.one_to_one == pytest.approx(75)  # one of the two classes of dogs is left without a name


def test_names_come_from_the_validation_frames():
    naming = named((1, 0, 1), (0, 1, 0))  # there dogs were class 1
    assert naming.purity == pytest.approx(100)
    assert (naming.one_to_one, naming.many_to_one) == (0, 0)


def test_other_kinds_have_no_names():
    assert named((0, 1, 0), (0, 1, 0), "owl", "drum", "owl") is None


def test_a_detector_that_hits_nothing_has_no_classes_that_could_fit():
    far = BoxedArm(TRAINED, [found(boxes=BOXES / 9)])
    naming = report_of(far, known=[BoxedArm(TRAINED, [found()])]).naming[TRAINED]
    assert (naming.hits, naming.nmi, naming.ari, naming.purity, naming.one_to_one) == (0, 0, 0, 0, 0)
    unknown = report_of(BoxedArm(TRAINED, [found()]), known=[BoxedArm(TRAINED, [nothing()])])
    assert (unknown.naming[TRAINED].hits, unknown.naming[TRAINED].many_to_one) == (3, 0)
    assert report_of(BoxedArm(TRAINED, [nothing()]), known=[far]).naming[TRAINED].hits == 0


def test_tables_and_file_give_the_same_figures(tmp_path):
    arms = [BoxedArm(TRAINED, [found(), nothing()]), BoxedArm("blind", [nothing()])]
    report = report_of(*arms, known=[BoxedArm(TRAINED, [found(), found()])])
    rows, names = map(to_markdown, tables(report))
    assert "unseen: 3 frames, 3 things" in rows
    assert f"| {TRAINED} | 50.0" in rows
    assert "| 100.0 0.0 |" in rows
    assert "| blind | 0.0" in rows
    assert f"| {TRAINED} | 2 |" in names  # of three and none
    write_json(tmp_path / "trial.json", [report], {"seeds": 2})
    content = json.loads((tmp_path / "trial.json").read_text())
    assert content["about"] == {"seeds": 2}
    (gallery,) = content["galleries"]
    assert gallery["rows"][0]["every"]["value"] == 50
    assert gallery["rows"][0]["ahead"] is None
    assert gallery["rows"][1]["ahead"]["value"] == 50
    assert gallery["naming"][TRAINED]["purity"] == 50


def test_where_nothing_sounds_there_is_no_such_figure():
    silent = gallery_of(sounding=(False, False, False))
    report = report_of(BoxedArm(TRAINED, [found()]), gallery=silent)
    assert report.rows[0].sounding is None
    (table,) = tables(report)
    column = table.header.index("AP50, sounding")
    assert table.rows[0][column] == "-"
