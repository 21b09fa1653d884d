import numpy as np
import pytest
import torch

from tests.training.methods.avdet.made_blocks import WIDTHS, blocks, bright, listener, scene
from tests.training.methods.made_scenes import write_scenes
from training.cache.index import CacheError
from training.cache.reading import open_cache
from training.methods.avdet.evidence import fit_inputs, gather, listed
from training.methods.sight import Sight


@pytest.fixture
def inputs(block_cache):
    """Of a detector that sees tokens only."""
    scales = Sight(WIDTHS, 3, channels=8, looks=0)
    fit_inputs(scales, open_cache(block_cache))
    return scales


@pytest.fixture
def cache(tmp_path):
    """A marked scene, one without a sound and an unmarked one, of two frames in two views each."""
    made = [
        scene(0, labels=("bark",)),
        scene(1, loud=0.05, labels=("bark", "speech")),
        scene(2, marked=False, labels=()),
    ]
    return open_cache(write_scenes(tmp_path / "cache", made))


def test_inputs_are_scaled_by_the_cache(inputs, block_cache):
    cache = open_cache(block_cache)
    seen = torch.cat([inputs.seen(cache.arrays(n)["tokens"][0], None) for n in range(len(cache))])
    assert torch.allclose(seen.flatten(0, 2).mean(0), torch.zeros(3), atol=1e-3)


def test_every_view_of_a_frame_is_localised(cache, inputs):
    evidence = gather(cache, bright, inputs)
    assert len(evidence) == 6
    assert evidence.frame.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert evidence.plain.tolist() == [0, 2, 4, 6, 8, 10]
    assert evidence.example.tolist() == [0, 0, 1, 1, 2, 2]
    assert (evidence.seen.shape, evidence.heat.shape) == ((12, 4, 4, 3), (12, 4, 4))
    assert torch.equal(evidence.heat[1::2], evidence.heat[0::2].flip(2))  # the other view is the mirrored one
    assert torch.equal(evidence.seen[1::2], evidence.seen[0::2].flip(2))
    tokens = cache.arrays(2)["tokens"].float().numpy()
    heat, _ = bright(tokens[0], None, np.full((2, 1), 0.9, np.float32), None)
    np.testing.assert_allclose(evidence.plain_heat[4:], heat, atol=1e-3)
    assert np.array_equal(evidence.plain_heat, evidence.heat[0::2].float().numpy())


def test_class_maps_are_seen_if_the_detector_looks_at_them(block_cache):
    cache = open_cache(block_cache).split("val")
    inputs = Sight(WIDTHS, 3, channels=8, looks=2)
    fit_inputs(inputs, cache)
    evidence = gather(cache, bright, inputs)
    assert evidence.seen.shape == (4 * 24, 4, 4, 3 + 2)
    arrays = cache.arrays(1)
    wanted = inputs.seen(arrays["tokens"][0], arrays["class_map"][0])
    assert torch.allclose(evidence.seen[4:8:2].float(), wanted, atol=0.01)
    assert evidence.place.shape == (48, 3 + 2)


def test_views_can_be_left_out(cache, inputs):
    evidence = gather(cache, bright, inputs, views=False)
    assert evidence.frame.tolist() == evidence.plain.tolist() == list(range(6))
    assert torch.equal(evidence.heat, gather(cache, bright, inputs).heat[0::2])


def test_what_is_known_of_the_frames_comes_along(cache, inputs):
    evidence = gather(cache, bright, inputs)
    assert evidence.audible.tolist() == [True, True, False, False, True, True]
    assert evidence.known.tolist() == [True] * 4 + [False] * 2
    assert evidence.label == ("bark", "bark", "", "", "", "")  # of two one cannot tell which is meant
    assert evidence.things.frame.tolist() == [0, 1, 2, 3]
    assert evidence.things.label == ("red", "red", "cyan", "cyan")
    assert evidence.things.sounding.all()
    assert torch.equal(torch.from_numpy(evidence.things.box[2:]), cache.arrays(1)["boxes"][:, 0])


def test_a_place_is_described_by_what_stands_where_the_sound_comes_from(tmp_path, inputs):
    """The class map of a dog at the bark and of a car elsewhere is that of the dog."""
    facts, encoded = scene(0, bridged=True)
    tokens, looks = encoded.arrays["tokens"], encoded.arrays["class_map"]
    tokens[:] = 0
    tokens[:, :, :2, :2, 0] = 2
    looks[:] = 0
    looks[:, :, 0, 0, 151] = looks[:, :, 0, 1, 817] = looks[:, :, 1, :, 817] = 1
    cache = open_cache(write_scenes(tmp_path / "one", [(facts, encoded)]))
    evidence = gather(cache, bright, inputs)
    assert evidence.looks[0, 151] > 0.9 > 0.1 > evidence.looks[0, 817]
    block = inputs.seen(torch.tensor([2.0, 0, 0]), None)
    assert torch.allclose(evidence.place[0].float(), block, atol=0.02)


def test_the_dark_is_described_by_the_whole(tmp_path, inputs):
    facts, encoded = scene(0, loud=0.0)
    cache = open_cache(write_scenes(tmp_path / "one", [(facts, encoded)]))
    seen = inputs.seen(torch.from_numpy(encoded.arrays["tokens"][0]), None)
    assert torch.allclose(gather(cache, bright, inputs).place.float(), seen.mean((1, 2)), atol=2e-3)


def test_shuffled_sounds_come_from_other_audible_frames(tmp_path, inputs):
    made = [*blocks(20, 0), scene(50, loud=0.0), scene(51, loud=0.0)]
    cache = open_cache(write_scenes(tmp_path / "cache", made))
    plain, mixed, other = (gather(cache, listener, inputs, shuffle_seed=seed) for seed in (None, 0, 1))
    moved = (plain.embedding[:40] != mixed.embedding[:40]).any(1)
    assert moved.float().mean() > 0.9
    assert torch.equal(plain.embedding[40:], mixed.embedding[40:])
    assert torch.equal(plain.audible, mixed.audible)
    assert sorted(plain.embedding.tolist()) == sorted(mixed.embedding.tolist())
    assert not torch.equal(mixed.embedding, other.embedding)
    assert torch.equal(plain.seen, mixed.seen)
    # What listens looks for another colour in half of the frames then.
    dark = mixed.plain_heat[:40].max((1, 2)) < 0.5
    assert 0.25 < dark.mean() < 0.75
    assert (plain.plain_heat[:40].max((1, 2)) > 0.8).all()


@pytest.mark.parametrize(
    ("lacking", "message"),
    [("class_map", "no class maps: make it anew with --fields class_map"), ("boxes", "holds no boxes")],
)
def test_a_cache_without_what_is_needed_is_refused(tmp_path, inputs, lacking, message):
    made = [scene(0, **{lacking: False})]
    cache = open_cache(write_scenes(tmp_path / "cache", made, class_map=lacking != "class_map"))
    with pytest.raises(CacheError, match=message):
        gather(cache, bright, inputs)


def test_things_of_some_frames_are_numbered_anew():
    box = np.arange(4, dtype=np.float32)
    things = listed(
        [(0, box, "a", True), (2, box + 1, "b", False), (2, box + 2, "c", True), (3, box, "d", True)]
    )
    kept = things.of(np.array([False, True, True, False]))
    assert kept.frame.tolist() == [1, 1]
    assert kept.label == ("b", "c")
    assert kept.box[:, 0].tolist() == [1, 2]
    assert kept.sounding.tolist() == [False, True]
    assert listed([]).box.shape == (0, 4)
