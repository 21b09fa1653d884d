import numpy as np
import pytest
import torch

from tests.training.methods.avdet.made_blocks import bright, scene
from tests.training.methods.made_scenes import write_scenes
from training.cache.index import CacheError
from training.cache.reading import open_cache
from training.trial.boxed import boxed_gallery


@pytest.fixture
def cache(tmp_path):
    """Four marked scenes, the second without a sound, the third of a thing that is silent, and an unmarked
    one. That thing and the last one are of one video."""
    made = [
        scene(0, split="test"),
        scene(1, loud=0.0, split="test"),
        scene(2, sounding=False, group="video", split="test"),
        scene(3, marked=False, split="test"),
        scene(4, group="video", split="test"),
    ]
    return open_cache(write_scenes(tmp_path / "unseen", made))


def test_one_marked_frame_of_each_example_is_taken(cache):
    gallery = boxed_gallery(cache, "unseen", bright)
    assert (gallery.name, len(gallery)) == ("unseen", 4)
    for row, example in enumerate((0, 1, 2, 4)):
        arrays = cache.arrays(example)
        assert torch.equal(gallery.tokens[row], arrays["tokens"][0, 1])
        assert torch.equal(gallery.class_map[row], arrays["class_map"][0, 1])
        assert gallery.things.box[row].tolist() == arrays["boxes"][1, 0].tolist()
    assert gallery.things.frame.tolist() == [0, 1, 2, 3]
    assert gallery.things.label == ("red", "cyan", "red", "red")
    groups = gallery.groups.tolist()
    assert groups[2] == groups[3]
    assert len(set(groups)) == 3


def test_heat_is_that_of_the_sound_of_the_frame(cache):
    gallery = boxed_gallery(cache, "unseen", bright)
    assert gallery.heat.shape == (4, 4, 4)
    assert not gallery.heat[1].any()
    for row, (left, top, right, bottom) in enumerate((4 * gallery.things.box).astype(int)):
        if row != 1:
            inside = gallery.heat[row, top:bottom, left:right]
            assert inside.min() > 0.7 > inside.mean() - 0.3
            assert gallery.heat[row].sum() == pytest.approx(inside.sum(), rel=0.3)


def test_what_sounds_is_a_part_of_what_is_marked(cache):
    sounding = boxed_gallery(cache, "unseen", bright).sounding
    assert sounding.frame.tolist() == [0, 1, 3]
    assert sounding.label == ("red", "cyan", "red")
    assert sounding.sounding.all()


def test_things_that_are_not_in_sight_are_not_listed(tmp_path):
    facts, encoded = scene(0)
    encoded.arrays["boxes"][1] = np.nan
    gallery = boxed_gallery(
        open_cache(write_scenes(tmp_path / "cache", [(facts, encoded), scene(1)])), "x", bright
    )
    assert len(gallery) == 2
    assert gallery.things.frame.tolist() == [1]


def test_a_cache_with_nothing_to_measure_is_named(tmp_path):
    unmarked = open_cache(write_scenes(tmp_path / "unmarked", [scene(0, marked=False)]))
    with pytest.raises(CacheError, match="mine has no frame whose things are marked"):
        boxed_gallery(unmarked, "mine", bright)
    plain = open_cache(write_scenes(tmp_path / "plain", [scene(0, class_map=False)], class_map=False))
    with pytest.raises(CacheError, match="mine has no class maps: make it anew with --fields class_map"):
        boxed_gallery(plain, "mine", bright)
