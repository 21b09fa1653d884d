import numpy as np
import pytest
import torch

from tests.training.trial.made_views import scene, write_views
from training.cache.index import CacheError
from training.cache.reading import open_cache
from training.data.examples import Facts
from training.trial.distilled import need_pictures, seen_by
from training.trial.gallery import Gallery


def test_the_gallery_shows_what_the_student_makes_of_each_frame_and_leaves_the_sounds():
    n = 35  # more than two batches
    moments = {"tokens": torch.zeros(n, 1), "class_map": torch.zeros(n, 1), "events": torch.arange(n)}
    gallery = Gallery("made", moments, np.zeros((n, 1, 1), bool), tuple(Facts(str(k)) for k in range(n)))
    frames = torch.arange(n)[:, None]

    def student(some):
        assert len(some) <= 16
        return 10 * some, 100 * some

    seen = seen_by(student, gallery, frames)
    assert torch.equal(seen.moments["tokens"], 10 * frames)
    assert torch.equal(seen.moments["class_map"], 100 * frames)
    assert torch.equal(seen.moments["events"], torch.arange(n))
    assert not moments["tokens"].any()
    assert seen.facts == gallery.facts


def test_a_cache_without_frames_or_class_maps_is_named(tmp_path):
    made = [scene(0, "test")]
    need_pictures(open_cache(write_views(tmp_path / "whole", made)), "whole")
    plain = open_cache(write_views(tmp_path / "plain", made, fields=("class_map",)))
    with pytest.raises(CacheError, match=r"^plain holds no frames: make it anew with --fields class_map,raw"):
        need_pictures(plain, "plain")
    deaf = open_cache(write_views(tmp_path / "deaf", made, fields=("raw",)))
    with pytest.raises(CacheError, match=r"^deaf has no class maps"):
        need_pictures(deaf, "deaf")
