import numpy as np
import pytest
import torch

from tests.training.methods.made_scenes import scene, write_scenes
from training.cache.index import CacheError
from training.cache.reading import open_cache
from training.data.examples import Facts
from training.trial.gallery import Gallery, gallery_of, middle_rows


def gallery(*facts, **moments):
    return Gallery("made", moments, np.zeros((len(facts), 224, 224), bool), facts)


def labelled(*labels):
    return [Facts(f"{number}", labels=tuple(names.split())) for number, names in enumerate(labels)]


def test_the_middle_of_the_usable_rows_of_each_example():
    examples = torch.tensor([0, 0, 0, 2, 2, 5, 7, 7, 7, 7])
    usable = torch.tensor([1, 1, 1, 0, 1, 0, 1, 0, 1, 1], dtype=torch.bool)
    assert middle_rows(examples, usable).tolist() == [1, 4, 8]
    assert middle_rows(examples, torch.zeros(10, dtype=torch.bool)).tolist() == []


@pytest.mark.parametrize(
    ("labels", "others"),
    [
        (["a", "b", "a", "b"], [3, 0, 1, 2]),  # begins half-way round
        (["a", "a b", "b"], [2, 2, 0]),  # for the second there is none, so any other one
        (["a"], [0]),
    ],
)
def test_the_other_sound_has_no_label_in_common(labels, others):
    assert gallery(*labelled(*labels)).others().tolist() == others


def test_moments_of_one_video_or_scene_are_drawn_together():
    facts = [Facts("a", group="v"), Facts("b", scene="s"), Facts("c", group="v", scene="s"), Facts("d")]
    groups = gallery(*facts).groups
    assert groups[0] == groups[2]
    assert len(set(groups.tolist())) == 3


def test_maps_are_made_of_own_or_other_sounds():
    rising = torch.arange(40.0)[:, None]
    moments = {
        "tokens": rising[..., None, None],
        "class_map": torch.zeros(40, 1, 1, 1),
        "events": 100 * rising,
        "embedding": 10_000 * rising,
    }
    made = gallery(*labelled(*["x"] * 40), **moments)

    def total(tokens, class_map, events, embedding):
        return tokens[..., 0] + events[:, None] + embedding[:, None], None

    numbers = np.arange(40)
    assert made.maps(total).ravel().tolist() == (10_101 * numbers).tolist()
    turned = made.maps(total, sounds=torch.from_numpy(numbers[::-1].copy())).ravel()
    assert turned.tolist() == (numbers + 10_100 * numbers[::-1]).tolist()


def test_a_cache_becomes_one_moment_of_each_example_that_can_be_measured(tmp_path):
    made = [scene(0), scene(1, loud=0.05), scene(2, sounding=False), scene(3, judged=False), scene(4)]
    made[4][1].arrays["cover"][0, 1] *= 0.2  # in the second frame the source is hardly in sight
    cache = open_cache(write_scenes(tmp_path / "test", made))
    found = gallery_of(cache, "test")
    assert [facts.id for facts in found.facts] == ["scene-0", "scene-4"]
    assert found.places == ((0, 1), (4, 0))
    for row, (example, frame) in enumerate(found.places):
        arrays = cache.arrays(example)
        assert torch.equal(found.moments["tokens"][row], arrays["tokens"][0, frame])
        assert torch.equal(found.moments["class_map"][row], arrays["class_map"][0, frame])
        for name in ("events", "embedding"):
            assert torch.equal(found.moments[name][row], arrays[name][frame])
        cells = arrays["cover"][0, frame].numpy() > 0
        assert np.array_equal(found.truths[row], np.kron(cells, np.ones((56, 56), bool)))
    perfect = found.scores(found.truths[:, 28::56, 28::56].astype(np.float32))
    assert [score.hit for score in perfect] == [1, 1]
    assert list(found.trivial()) == ["whole image", "centre disc"]


def test_a_cache_with_nothing_to_measure_is_named(tmp_path):
    cache = open_cache(write_scenes(tmp_path / "cache", [scene(0, sounding=False)]))
    with pytest.raises(CacheError, match="mute has no moment whose source is heard, in sight and marked"):
        gallery_of(cache, "mute")
