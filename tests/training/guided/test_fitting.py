import numpy as np
import pytest
import torch

from training.guided.calibrate import Row, cover_of, fit_calibrator, soft_iou
from training.guided.localizer import GRID, N_FEATURES
from training.guided.person import empty_views, fit_person
from training.guided.pictures import Mosaic, Picture, Thing, around, mosaics, read_drawn, zoom
from training.guided.soundtracks import Soundtracks, read_labels, shifted


def test_a_cell_is_covered_by_the_share_inside_the_boxes():
    cover = cover_of([(0.0, 0.0, 0.5, 0.5), (0.0, 0.0, 0.25, 0.25)])
    assert cover.sum() / GRID**2 == pytest.approx(0.25)
    half_a_cell = cover_of([(0.0, 0.0, 1 / 32, 1 / 16)])
    assert half_a_cell[0, 0] == pytest.approx(0.5)


def test_soft_iou_is_one_only_for_the_target_itself():
    target = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    assert soft_iou(target, target) == pytest.approx(1.0)
    assert soft_iou(torch.ones(1, 4), target) == pytest.approx(0.5, abs=0.001)


def test_the_calibrator_learns_which_feature_tells():
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(64, GRID * GRID, N_FEATURES, generator=generator)
    target = (features[:, :, 0] > 0.6).float().numpy().reshape(64, GRID, GRID)
    rows = [Row(0, np.zeros(521, np.float32), cells) for cells in target]
    calibrator = fit_calibrator(features, torch.ones(64), rows, seed=0)
    with torch.inference_mode():
        marked = calibrator(features).numpy().reshape(64, GRID, GRID) >= 0.5
    assert (marked == (target > 0)).mean() > 0.95


def test_the_person_probe_learns_a_direction():
    rng = np.random.default_rng(0)
    person = np.zeros((GRID, GRID, 2), np.float32)
    person[:8, :, 0] = 1
    views = empty_views(["a.jpg"] * 4)
    views += [type(views[0])(view.picture, person, view.weight) for view in views]
    tokens = rng.standard_normal((8, GRID * GRID, 384)).astype(np.float32)
    tokens[4:, :128, 0] += 8
    probe = fit_person(torch.from_numpy(tokens), views, seed=0)
    with torch.inference_mode():
        p = torch.sigmoid(probe(torch.from_numpy(tokens)))[..., 0]
    assert p[4:, :128].mean() > 0.9
    assert p[:4].mean() < 0.1


def test_a_zoom_moves_boxes_and_drops_what_it_cuts_away():
    whole = Picture("a.jpg", (Thing("dog", (0.2, 0.2, 0.4, 0.4)), Thing("cat", (0.0, 0.0, 0.3, 0.1))))
    closer = zoom(whole, (0.2, 0.2, 0.6, 0.6))
    assert [thing.label for thing in closer.things] == ["dog"]
    assert closer.things[0].box == pytest.approx((0.0, 0.0, 0.5, 0.5))


@pytest.mark.parametrize("shift", [(-0.5, 0.0), (0.5, 0.5)])
def test_a_crop_stays_inside_the_picture(shift):
    x0, y0, x1, y1 = around((0.8, 0.0, 1.0, 0.3), 2.0, shift)
    assert x0 >= 0
    assert y0 >= 0
    assert x1 <= 1 + 1e-9
    assert y1 <= 1 + 1e-9
    assert x1 - x0 == pytest.approx(0.6)


def test_a_mosaic_shows_different_labels_and_places_their_boxes():
    box = (0.2, 0.2, 0.8, 0.8)
    pictures = [Picture(f"{name}.jpg", (Thing(name, box),)) for name in ("dog", "cat", "car", "bus")]
    made = mosaics(pictures, {"dog", "cat", "car", "bus"}, 20, np.random.default_rng(0))
    assert all(isinstance(one, Mosaic) and len(one.labels()) == len(one.cells) for one in made)
    for one in made:
        for thing, cell in zip(one.things, one.cells, strict=True):
            assert cell[0] <= thing.box[0] < thing.box[2] <= cell[2]
            assert cell[1] <= thing.box[1] < thing.box[3] <= cell[3]


def test_drawn_boxes_lie_in_their_pictures():
    drawn = read_drawn()
    assert len(drawn) > 150
    for picture in drawn:
        for thing in picture.things:
            assert 0 <= thing.box[0] < thing.box[2] <= 1
            assert 0 <= thing.box[1] < thing.box[3] <= 1


def test_a_simulated_sound_track_shows_one_of_its_events():
    labels = read_labels()
    sounds, rng = Soundtracks(labels, {}), np.random.default_rng(0)
    for name, entry in labels.items():
        events = sounds.draw(name, rng)
        assert events[list(entry.events)].max() >= 0.08
        assert 0 <= events.min() <= events.max() <= 1


def test_wrong_sounds_are_never_of_what_is_in_the_picture():
    labels = read_labels()
    sounds, rng = Soundtracks(labels, {}), np.random.default_rng(0)
    for _ in range(50):
        assert (
            sounds.other({"guitar"}, rng)[135] < 0.6
        )  # speech or music may be mixed in, a guitar never leads


def test_shifting_keeps_the_order_and_zero_shift_changes_nothing():
    events = np.array([0.01, 0.3, 0.9], np.float32)
    np.testing.assert_allclose(shifted(events, 0.0), events, rtol=1e-5)
    assert (np.diff(shifted(events, -1.0)) > 0).all()
    assert (shifted(events, -1.0) < events).all()
