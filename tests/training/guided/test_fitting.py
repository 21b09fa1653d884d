import numpy as np
import pytest
import torch

from training.guided.calibrate import SHARES, Row, Source, cover_of, fit_calibrator, soft_iou, wrong
from training.guided.calibrator import GRID, N_DIRECTIONS, N_FEATURES
from training.guided.person import empty_views, fit_person
from training.guided.pictures import Mosaic, Picture, Thing, around, mosaics, part_of, read_drawn, zoom
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
    tokens = torch.rand(8, GRID * GRID, 384, generator=generator)
    target = (features[:, :, 0] > 0.6).float().numpy().reshape(64, GRID, GRID)
    rows = [Row(k % 8, np.zeros(521, np.float32), cells, Source.CLIP) for k, cells in enumerate(target)]
    calibrator = fit_calibrator(features, torch.ones(64), rows, tokens, seed=0, members=1, steps=80)
    with torch.inference_mode():
        p = calibrator(features, tokens[torch.arange(64) % 8])
    assert ((p.numpy().reshape(target.shape) >= 0.5) == (target > 0)).mean() > 0.9


def test_looks_have_unit_variance_over_the_pictures_of_the_fit():
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randn(4, GRID * GRID, 384, generator=generator) * torch.linspace(0.5, 5, 384) + 3
    rows = [Row(0, np.zeros(521, np.float32), np.ones((GRID, GRID), np.float32), Source.CLIP)] * 2
    features = torch.rand(2, GRID * GRID, N_FEATURES, generator=generator)
    calibrator = fit_calibrator(features, torch.ones(2), rows, tokens, seed=0, members=1, steps=1)
    looks = calibrator.looks(tokens[:1]).reshape(-1, N_DIRECTIONS)
    assert looks.mean(0).abs().max() < 0.01
    assert looks.std(0).numpy() == pytest.approx(1, abs=0.01)


def test_the_shares_of_the_sources_are_those_of_a_whole():
    assert set(SHARES) == set(Source)
    assert sum(SHARES.values()) == pytest.approx(1)


def test_a_wrong_sound_marks_no_cell_and_weighs_more():
    row = wrong(3, np.ones(521, np.float32), Source.SWAPPED)
    assert not row.target.any()
    assert row.weight > Row(3, row.events, row.target, Source.SWAPPED).weight


def test_the_person_probe_learns_a_direction():
    rng = np.random.default_rng(0)
    person = np.zeros((GRID, GRID, 2), np.float32)
    person[:8, :, 0] = 1
    views = empty_views(["a.jpg"] * 4)
    views += [type(views[0])(view.picture, person, view.weight) for view in views]
    tokens = rng.standard_normal((8, GRID * GRID, 384)).astype(np.float32)
    tokens[4:, :128, 0] += 8
    probe = fit_person(torch.from_numpy(tokens), views, seed=0, steps=200)
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


def test_a_random_part_holds_most_of_the_things():
    whole = Picture("a.jpg", (Thing("dog", (0.1, 0.1, 0.4, 0.4)), Thing("cat", (0.3, 0.3, 0.5, 0.5))))
    rng = np.random.default_rng(0)
    parts = [part for _ in range(20) if (part := part_of(whole, rng))]
    assert parts
    for part in parts:
        x0, y0, x1, y1 = part.crop
        assert 0.5 <= x1 - x0 <= 0.9
        kept = sum(thing.area for thing in part.things) * (x1 - x0) * (y1 - y0)
        assert kept >= 0.6 * (0.09 + 0.04) - 1e-9


def test_there_is_no_part_of_things_at_opposite_ends():
    ends = Picture("a.jpg", (Thing("dog", (0, 0, 1, 0.02)), Thing("cat", (0, 0.98, 1, 1))))
    assert part_of(ends, np.random.default_rng(0)) is None


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
