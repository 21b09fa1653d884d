import numpy as np
import pytest
import torch

from tests.training.methods.simkd.made_students import made, write_pictures
from training.cache.index import CacheError
from training.cache.reading import open_cache
from training.methods.simkd.lessons import Lessons, shrunk


def as_seen(frames):
    """In place of the frozen blocks: all pixels as they come, which half precision holds exactly."""
    return frames.transpose(0, 3, 1, 2).astype(np.float32)


def lessons_of(*caches, side=32, **options):
    return Lessons(open_cache(*caches), as_seen, side=side, **options)


def test_the_student_sees_the_very_pictures_that_the_teacher_saw(tiny_bundle, tmp_path):
    examples = [made("a", cell=(1, 1), n_frames=3), made("b", cell=(2, 0), n_frames=3)]
    lessons = lessons_of(write_pictures(tmp_path / "cache", tiny_bundle, examples, views=2))
    assert len(lessons) == 2 * 3 * 3
    shown = np.stack([lesson["trunk"].permute(1, 2, 0).numpy().astype(np.uint8) for lesson in lessons])
    tokens, class_map = tiny_bundle.visual(shown)
    for number, lesson in enumerate(lessons):
        np.testing.assert_allclose(lesson["tokens"], tokens[number], atol=1e-3)
        np.testing.assert_allclose(lesson["class_map"], class_map[number], atol=1e-3)
    assert len(np.unique(shown.reshape(18, -1), axis=0)) > 12  # the views differ, from frame to frame too


def test_truth_and_sound_go_with_the_frame(pictures):
    cache = open_cache(pictures).split("train")
    lessons = Lessons(cache, as_seen, side=32)
    judged = [bool(lesson["judged"]) for lesson in lessons]
    assert judged == [True, True, False, False] * 3  # two views of the first frame, two of the second
    for number in (0, 1, 9):
        example, frame, view = number // 4, number % 4 // 2, number % 2
        stored = cache.arrays(example)
        assert torch.equal(lessons[number]["cover"], stored["cover"][view, frame].float())
        assert torch.equal(lessons[number]["events"], stored["events"][frame].float())
    assert lessons[0]["cover"].sum() == 1  # the plain square fills a cell
    assert lessons[0]["events"][0] == 1  # the tone
    assert not lessons[4]["events"].any()  # no sound


def test_mute_frames_are_left_out_on_demand(pictures, tiny_bundle, tmp_path):
    assert len(lessons_of(pictures)) == 16
    heard = lessons_of(pictures, heard_only=True)
    assert len(heard) == 12
    assert all(lesson["events"].any() for lesson in heard)
    mute = write_pictures(tmp_path / "mute", tiny_bundle, [made("mute", sound=False)])
    with pytest.raises(CacheError, match="nothing is heard in the cache"):
        lessons_of(mute, heard_only=True)


def test_each_cache_gives_all_its_views(tiny_bundle, tmp_path):
    plain = write_pictures(tmp_path / "plain", tiny_bundle, [made("a")], views=0)
    varied = write_pictures(tmp_path / "varied", tiny_bundle, [made("b")], views=2)
    cache = open_cache(plain, varied)
    assert (cache.views, cache.views_of(0), cache.views_of(1)) == (0, 0, 2)
    assert len(lessons_of(plain, varied)) == 2 * 1 + 2 * 3


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"raw": False}, "holds no frames: make it anew with --fields class_map,raw"),
        ({"class_map": False}, "no class maps: make it anew with --fields class_map"),
    ],
)
def test_a_cache_that_lacks_what_is_needed_is_refused(tiny_bundle, tmp_path, recipe, message):
    with pytest.raises(CacheError, match=message):
        lessons_of(write_pictures(tmp_path / "cache", tiny_bundle, [made("a")], **recipe))


def test_frames_are_brought_to_the_size_of_the_student(pictures):
    assert lessons_of(pictures, side=64)[0]["trunk"].shape == (3, 64, 64)


def test_a_smaller_frame_is_smoothed():
    frame = torch.zeros(4, 4, 3, dtype=torch.uint8)
    frame[:, 2:] = 200
    # Weights fall with the distance from the middle of a pixel, 0.75, 0.75 and 0.25: 200 / 7 is 28.57.
    assert shrunk(frame, 2)[:, :, 0].tolist() == [[29, 171], [29, 171]]
    same = shrunk(frame, 4)
    assert torch.equal(same, frame)
    assert same.data_ptr() != frame.data_ptr()
