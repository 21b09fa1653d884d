import pytest
import torch

from tests.training.methods.made_scenes import scene, write_scenes
from training.cache.index import CacheError
from training.cache.reading import open_cache
from training.methods.moments import AudibleMoments, RawAudibleMoments, next_frames


@pytest.fixture
def cache(tmp_path):
    """Four scenes of two moments: in 1 nothing is heard, in 2 nothing that is heard is in sight."""
    made = [scene(0), scene(1, loud=0.05), scene(2, sounding=False), scene(3, judged=False)]
    return open_cache(write_scenes(tmp_path / "cache", made))


def test_silent_moments_are_left_out(cache):
    moments = AudibleMoments(cache)
    batch = moments.__getitems__(list(range(len(moments))))
    assert batch["example"].tolist() == [0, 0, 2, 2, 3, 3]
    assert batch["judged"].tolist() == [True, True, False, False, False, False]
    assert batch["seen"].shape == (6, 2, 4, 4, 32)
    assert {"later", "moves"}.isdisjoint(batch)
    for row, (example, frame) in enumerate([(0, 0), (0, 1), (2, 0), (2, 1), (3, 0), (3, 1)]):
        arrays = cache.arrays(example)
        assert torch.equal(batch["seen"][row], arrays["tokens"][:, frame])
        assert torch.equal(batch["cover"][row], arrays["cover"][0, frame])
        for name in ("embedding", "events"):
            assert torch.equal(batch[name][row], arrays[name][frame])


def test_a_single_moment_is_a_row_of_a_batch(cache):
    moments = AudibleMoments(cache)
    batch = moments.__getitems__([4, 3])
    assert all(torch.equal(part, batch[name][1]) for name, part in moments[3].items())


def test_the_later_frame_is_of_the_same_example_or_there_is_none(cache):
    batch = AudibleMoments(cache, later=True).__getitems__([0, 1, 2])
    assert batch["moves"].tolist() == [True, False, True]
    second = cache.arrays(0)["tokens"][0, 1]
    assert torch.equal(batch["later"][:2], torch.stack([second, second]))
    assert next_frames(torch.tensor([0, 0, 0, 4, 7, 7])).tolist() == [1, 2, 2, 3, 5, 5]


def test_shuffled_sounds_are_those_of_others_and_pictures_stay(made_cache):
    cache = open_cache(made_cache).split("train")
    rows = list(range(192))
    plain, mixed, again = (
        AudibleMoments(cache, shuffle_seed=seed).__getitems__(rows) for seed in (None, 3, 3)
    )
    unlike = (plain["embedding"] != mixed["embedding"]).any(1)
    assert unlike.float().mean() > 0.95
    assert torch.equal(plain["embedding"].sort(0).values, mixed["embedding"].sort(0).values)
    assert (plain["events"] != mixed["events"]).any()
    assert torch.equal(plain["seen"], mixed["seen"])
    assert torch.equal(mixed["embedding"], again["embedding"])


def test_tokens_are_projected_once_for_all(cache):
    moments = AudibleMoments(cache)
    assert moments.tokens.shape == (8, 4, 4, 32)  # of all moments: silent ones are pictures, too
    assert moments.embedding.shape == (6, 24)
    moments.project(lambda tokens: 2 * tokens[..., :3])
    assert torch.equal(moments[0]["seen"], 2 * cache.arrays(0)["tokens"][:, 0, ..., :3])


def test_a_cache_in_which_nothing_is_heard_is_refused(tmp_path):
    cache = open_cache(write_scenes(tmp_path / "mute", [scene(0, loud=0)]))
    with pytest.raises(CacheError, match="in none of the 2 moments of this part of the cache is anything"):
        AudibleMoments(cache)


def test_raw_moments_are_the_same_ones(raw_cache):
    cache = open_cache(raw_cache).split("train")
    plain, mixed = RawAudibleMoments(cache), RawAudibleMoments(cache, shuffle_seed=0)
    assert len(plain) == len(mixed) == 8  # of three examples of four moments one is silent
    assert {int(plain[index]["example"]) for index in range(8)} == {0, 2}
    sounds = [torch.stack([part[index]["windows"] for index in range(8)]) for part in (plain, mixed)]
    assert not torch.equal(*sounds)
    assert torch.equal(*(part.flatten(1).sum(1).sort().values for part in sounds))
    assert all(torch.equal(plain[index]["frame"], mixed[index]["frame"]) for index in range(8))


def test_raw_moments_need_a_cache_of_them(cache):
    with pytest.raises(CacheError, match="--fields raw"):
        RawAudibleMoments(cache)
