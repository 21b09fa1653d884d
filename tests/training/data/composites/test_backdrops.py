import numpy as np
import pytest
from PIL import Image

from training.data.composites import CompositeError
from training.data.composites.backdrops import SIDE, Backdrop, draw_backdrop
from training.data.composites.painting import STYLES


@pytest.mark.parametrize("style", sorted(STYLES))
def test_a_painted_scene_is_a_picture_with_something_in_it(style):
    first, second = (STYLES[style].paint(96, np.random.default_rng(seed)) for seed in (0, 1))
    assert first.shape == (96, 96, 3)
    assert np.isfinite(first).all()
    assert first.clip(0, 255).std() > 5
    assert not np.allclose(first, second, atol=10)


def test_splits_have_painted_scenes_of_their_own():
    seeds = {
        split: {draw_backdrop(np.random.default_rng(k), split, ()).seed for k in range(100)}
        for split in ("train", "val", "test")
    }
    assert not seeds["train"] & seeds["test"]
    assert not seeds["train"] & seeds["val"]
    assert len(seeds["train"]) > 30


def test_every_style_is_used():
    drawn = {draw_backdrop(np.random.default_rng(k), "train", ()).style for k in range(200)}
    assert drawn == set(STYLES)


def test_a_photograph_is_squashed_to_a_square_the_right_way_up(tmp_path):
    photo = Image.new("RGB", (200, 100), (10, 10, 10))
    photo.paste((240, 240, 240), (0, 0, 100, 100))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    photo.save(tmp_path / "photo.jpg", exif=exif)
    shown = np.asarray(Backdrop("photo.jpg", source=tmp_path / "photo.jpg").picture())
    assert shown.shape == (SIDE, SIDE, 3)
    assert shown[:, : SIDE // 2 - 10].mean() < 30
    mirrored = np.asarray(Backdrop("photo.jpg", source=tmp_path / "photo.jpg", flip=True).picture())
    assert mirrored[:, : SIDE // 2 - 10].mean() > 220


def test_a_broken_photograph_is_named(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    with pytest.raises(CompositeError, match=r"broken\.jpg cannot be opened"):
        Backdrop("broken.jpg", source=tmp_path / "broken.jpg").picture()
