from dataclasses import replace

import pytest
import torch

from tests.training.methods.stan.made_clips import clip, tiny_teacher, write_clips
from training.cache.index import CacheError
from training.cache.reading import open_cache
from training.methods.localiser import Widths
from training.methods.stan.perception import Perception
from training.methods.stan.scenes import (
    Windows,
    audio_visual_events,
    batch_of,
    gather_scenes,
    with_other_sounds,
)

# Logits of `tiny_teacher`, within +-8.
LOUD, QUIET = (8 * torch.tanh(torch.tensor(told) / 8) for told in ((4.0, 0, -20, -4), (-4.0, -4, -20, -4)))


@pytest.fixture
def perception():
    made = Perception(Widths(3, 2, 4), 3, 4, channels=8, looks=2)
    tiny_teacher(made)
    return made


@pytest.fixture
def scenes_of(tiny_bundle, perception, tmp_path):
    """Gathers the scenes of clips; gives the cache, too."""

    def gather(*made, localize=tiny_bundle.localize):
        cache = open_cache(write_clips(tmp_path / "cache", tiny_bundle, made))
        return cache, gather_scenes(cache, localize, perception)

    return gather


def test_a_scene_is_what_the_encoders_and_the_localiser_give(scenes_of, perception):
    cache, (scene,) = scenes_of(clip("a", tone=(1, 3), cell=(1, 2)))
    arrays = cache.arrays(0)
    seen = perception.see(arrays["tokens"][0], arrays["class_map"][0])
    assert scene.seen.shape == (6, 16, perception.channels)
    assert torch.allclose(scene.seen.float(), seen, atol=1e-3, rtol=1e-3)
    assert scene.seen.dtype == scene.heat.dtype == scene.heard.dtype == scene.told.dtype == torch.float16
    wanted = torch.stack([QUIET, LOUD, LOUD, QUIET, QUIET, QUIET])
    assert torch.allclose(scene.told.float(), wanted, atol=5e-3)
    assert torch.allclose(scene.heard.float(), perception.hear(arrays["window"])[0], atol=1e-3)
    # The tiny localiser marks what is bright as far as something is heard.
    assert scene.heat.shape == (6, 16)
    assert scene.heat[:, 4 + 2].tolist() == pytest.approx([0, 1, 1, 0, 0, 0], abs=2e-3)
    assert scene.heat.sum() == pytest.approx(2, abs=1e-2)
    assert scene.there.all()
    assert scene.times_s.tolist() == [0.25, 0.75, 1.25, 1.75, 2.25, 2.75]
    assert (scene.labels, scene.known, scene.example) == (("tone",), True, 0)
    assert scene.boxes[3, 0].tolist() == [0.5, 0.25, 0.75, 0.5]
    assert scene.box_sounding[:, 0].tolist() == [False, True, True, False, False, False]


def test_a_data_set_that_tells_times_alone_gives_times_alone(scenes_of):
    made = clip("a", tone=(1, 3), known=False)
    facts = replace(made.facts, extra={"onset_s": "0.5", "offset_s": "2"})
    _, (scene,) = scenes_of(replace(made, facts=facts))
    assert (scene.labels, scene.known, scene.timed) == (("tone",), False, True)
    assert scene.box_sounding[:, 0].tolist() == [False, True, True, True, False, False]
    assert scene.boxes.shape == (6, 1, 4)
    assert scene.boxes.isnan().all()


def silent_localiser(tokens, class_map, events, embedding):
    """Sees a source everywhere, a quarter sure."""
    return tokens.mean(3), tokens[:, 0, 0, 0] * 0 + 0.25


def test_presence_is_what_is_known_or_else_what_the_localiser_says(scenes_of):
    _, (known, unknown) = scenes_of(
        clip("known", tone=(1, 3)), clip("unknown", tone=(1, 3), known=False), localize=silent_localiser
    )
    assert known.presence.tolist() == [0, 1, 1, 0, 0, 0]
    assert unknown.presence.tolist() == [0.25] * 6
    assert not unknown.known
    assert unknown.labels == ()
    assert torch.allclose(known.events, LOUD.sigmoid(), atol=1e-3)
    assert torch.allclose(unknown.events, 0.25 * LOUD.sigmoid(), atol=1e-3)


def test_events_are_what_is_heard_while_its_source_is_in_sight():
    told = torch.tensor([[2.0, -1.0], [0.0, 3.0], [9.0, 9.0]])
    events = audio_visual_events(told, torch.tensor([0.5, 1.0, 0.0]))
    # 0.5 s(2) and s(0); 0.5 s(-1) and s(3)
    assert events.tolist() == pytest.approx([0.5, 0.9526], abs=1e-4)


def test_examples_without_sound_or_with_one_frame_are_left_out(scenes_of):
    _, scenes = scenes_of(
        clip("mute", sound=False),
        clip("a", cell=(0, 0)),
        clip("still", n_frames=1, tone=(0, 1)),
        clip("two", n_frames=2, tone=(0, 1), cell=(3, 3)),
    )
    assert [scene.example for scene in scenes] == [1, 3]
    assert [len(scene.there) for scene in scenes] == [6, 2]
    assert [int(scene.heat.float().sum(0).argmax()) for scene in scenes] == [0, 15]
    brightest = [int(scene.seen[0, :, :3].float().sum(1).argmax()) for scene in scenes]
    assert brightest == [0, 15]


def test_a_cache_that_does_not_serve_is_refused(scenes_of, tiny_bundle, perception, tmp_path):
    with pytest.raises(CacheError, match="no example of the cache has sound and two frames"):
        scenes_of(clip("mute", sound=False), clip("still", n_frames=1, tone=(0, 1)))
    plain = open_cache(write_clips(tmp_path / "plain", tiny_bundle, [clip("a")], class_map=False))
    with pytest.raises(CacheError, match="no class maps: make it anew with --fields class_map"):
        gather_scenes(plain, tiny_bundle.localize, perception)


def test_shorter_scenes_are_padded_by_steps_that_are_not_there(scenes_of):
    _, scenes = scenes_of(clip("long"), clip("short", n_frames=4, tone=(2, 4)))
    batch = batch_of(scenes)
    assert batch["seen"].shape[:2] == (2, 6)
    assert batch["there"].tolist() == [[True] * 6, [True] * 4 + [False] * 2]
    for name in ("seen", "heat", "heard", "told", "presence"):
        assert not batch[name][1, 4:].any()
        assert torch.equal(batch[name][1, :4], getattr(scenes[1], name))
    assert torch.equal(batch["events"], torch.stack([scene.events for scene in scenes]))
    windows = Windows(scenes, [replace(scenes[1], events=scenes[1].events + 1)])
    assert len(windows) == 3
    third = windows.__getitems__([2, 0])
    assert torch.equal(third["events"], torch.stack([scenes[1].events + 1, scenes[0].events]))
    assert torch.equal(windows[1]["heat"], scenes[1].heat)


@pytest.fixture
def different(scenes_of):
    """Clips of which each has its tone at another time, the last one none, and the square in another cell."""
    made = [clip(str(n), cell=(n, 3), n_frames=7 - n, tone=(n, n + 1)) for n in range(4)]
    return scenes_of(*made, clip("quiet", cell=(0, 0), tone=(6, 6)))


def test_all_can_be_shown_with_the_sound_of_another(different, tiny_bundle):
    cache, scenes = different
    generator = torch.Generator().manual_seed(0)
    swapped = with_other_sounds(cache, scenes, tiny_bundle.localize, 1.0, generator)
    assert sorted(scene.example for scene in swapped) == [0, 1, 2, 3, 4]
    givers = []
    for scene in swapped:
        own = scenes[scene.example]
        assert scene.seen is own.seen
        assert torch.equal(scene.boxes.nan_to_num(-1), own.boxes.nan_to_num(-1))
        loud = (scene.told[:, 0] > 0).tolist()
        matches = []
        for other in scenes:
            rows = torch.arange(len(scene.there)) % len(other.there)  # from the start again where it ends
            matches.append(torch.equal(scene.told, other.told[rows]))
        assert matches.count(True) == 1
        givers.append(matches.index(True))
        # The square is hot while the other's tone sounds.
        square = (3, 7, 11, 15, 0)[own.example]
        hot = (scene.heat[:, square] > 0.9).tolist()
        assert hot == loud
        assert not scene.presence.any()
        # What is heard counts as far as it is an event of the picture's own sound.
        heard = torch.maximum(LOUD, QUIET) if any(loud) else QUIET
        known = torch.maximum(LOUD, QUIET).sigmoid() if own.example < 4 else torch.zeros(4)
        assert torch.allclose(scene.events, heard.sigmoid() * known, atol=2e-3)
        assert not scene.known
        assert not scene.box_sounding.any()
    assert sorted(givers) == [0, 1, 2, 3, 4]
    assert all(giver != scene.example for giver, scene in zip(givers, swapped, strict=True))


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.3, 1), (0.5, 2), (0.8, 4)])
def test_a_share_can_be_shown_with_the_sound_of_another(different, tiny_bundle, share, count):
    cache, scenes = different
    pairs = [
        [scene.example for scene in with_other_sounds(cache, scenes, tiny_bundle.localize, share, generator)]
        for generator in (torch.Generator().manual_seed(seed) for seed in (0, 0))
    ]
    assert len(pairs[0]) == count
    assert pairs[0] == pairs[1]
