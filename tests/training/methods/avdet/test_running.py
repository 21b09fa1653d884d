import dataclasses

import numpy as np
import pytest
import torch

from tests.training.methods.avdet.made_blocks import blocks, listener, scene
from tests.training.methods.made_scenes import save_untrained, write_scenes
from training.cache.index import CacheError
from training.cache.reading import open_cache
from training.loop.checkpoint import CheckpointError, read_checkpoint
from training.loop.errors import LoopError
from training.methods.avdet.loading import load_detector
from training.methods.avdet.running import train
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
from training.methods.localiser import Widths


@pytest.fixture
def plain(blocks_trained):
    """What a detector was trained on without any changes."""
    return blocks_trained[0].lessons


def state_of(fitted):
    return read_checkpoint(fitted.last).state


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def colours(lessons):
    """Share of the training boxes of each class (K, 2) whose place is red or green."""
    seen, boxes = lessons.train["seen"], (4 * lessons.train["boxes"][:, 0]).round().int()
    tokens = seen[..., :3].float() @ torch.linalg.pinv(lessons.inputs.tokens.basis)
    colour = [
        row[top:bottom, left:right].mean((0, 1))[:2].argmax().item()
        for row, (left, top, right, bottom) in zip(tokens, boxes.tolist(), strict=True)
    ]
    pairs = torch.zeros(2, 2)
    for kind, one in zip(lessons.train["classes"][:, 0].tolist(), colour, strict=True):
        pairs[kind, one] += 1
    return pairs / pairs.sum(1, keepdim=True)


def test_blocks_are_found_in_frames_that_have_no_sound_any_more(blocks_trained, block_cache):
    fitted = blocks_trained[0].fitted
    assert fitted.score > 0.9
    detector = load_detector(fitted.best)
    val = open_cache(block_cache).split("val")
    for index in range(4):
        arrays = val.arrays(index)
        found = detector.find(detector.inputs.seen(arrays["tokens"][0], arrays["class_map"][0]))
        for frame in range(2):
            best = np.flatnonzero(found.frame == frame)[found.score[found.frame == frame].argmax()]
            np.testing.assert_allclose(found.box[best], arrays["boxes"][frame, 0], atol=0.25)
            assert detector.names[found.label[best]] == val.record(index).things[0]
    assert detector.threshold != pytest.approx(0.3)  # calibrated


def test_a_checkpoint_holds_all_of_the_detector(blocks_trained, plain):
    first, again = (load_detector(blocks_trained[0].fitted.best) for _ in range(2))
    assert first.names == plain.names
    assert sorted(first.names) == ["cyan", "red"]
    assert (first.config.epochs, first.config.width) == (4, 16)
    assert not first.training
    assert same(plain.inputs.state_dict(), first.inputs.state_dict())
    assert all(map(np.array_equal, first.find(plain.val["seen"]), again.find(plain.val["seen"])))
    encoded = torch.randn(2, 4, 4, 3), torch.rand(2, 2, 2, 3)
    told, found = first(*encoded), first.find(first.inputs.seen(*encoded))
    assert told.scores.max().item() == pytest.approx(found.score.max())


def test_lessons_are_boxes_around_the_sounding_blocks_with_the_class_of_their_colour(blocks_trained, plain):
    boxes = plain.train["boxes"][:, 0]
    sides = boxes[:, 2:] - boxes[:, :2]
    assert sides.min() > 0.35
    assert sides.max() < 0.65
    assert sorted(colours(plain).flatten().tolist()) == [0, 0, 1, 1]
    assert plain.clustering.agreement == 1
    marked = dict(zip(plain.marked.tolist(), plain.labels, strict=True))
    assert plain.names == (marked[0], marked[1])
    said = blocks_trained[1]
    assert said[0].startswith("beta ")
    assert "with 48 marked validation frames" in said[0]
    assert "in 2 of 2 clusters; sound and sight agree on 100%" in said[1]


def test_all_views_of_the_kept_frames_are_learned_with_the_rule_that_was_given(request_of):
    said = []
    lessons = train(request_of(agreeing=1.0, beta=0.4), say=said.append).lessons
    assert len(lessons.train["boxes"]) == 2 * 96
    boxes = lessons.train["boxes"].reshape(96, 2, 4)
    assert torch.allclose(boxes[:, 0, 0], 1 - boxes[:, 1, 2], atol=0.02)
    assert (lessons.rule.beta, lessons.rule.faintest) == (0.4, 0.5)
    assert not said[0].startswith("beta")


def test_only_those_are_learned_on_which_sound_and_sight_agree_most(request_of):
    lessons = train(request_of(agreeing=0.5), say=str).lessons
    assert 90 <= len(lessons.train["boxes"]) <= 100


def test_sounds_of_others_are_not_what_is_in_sight(request_of, plain):
    mixed = train(request_of(shuffled_audio=True), say=str).lessons
    assert mixed.clustering.agreement < 0.75 < plain.clustering.agreement
    assert torch.equal(plain.val["truth"], mixed.val["truth"])
    assert torch.equal(plain.val["heat"], mixed.val["heat"])


@pytest.mark.parametrize(("shuffled", "least", "most"), [(False, 1.0, 1.0), (True, 0.25, 0.75)])
def test_a_localiser_that_hears_the_sound_of_others_looks_in_vain(request_of, shuffled, least, most):
    options = {"localize": listener, "agreeing": 1.0, "shuffled_audio": shuffled}
    lessons = train(request_of(**options), say=str).lessons
    assert least <= len(lessons.train["boxes"]) / (2 * 96) <= most


def test_shuffled_labels_leave_boxes_and_how_many_of_each_there_are(request_of, plain):
    mixed = train(request_of(shuffled_labels=True), say=str).lessons
    assert torch.equal(plain.train["boxes"], mixed.train["boxes"])
    classes = [lessons.train["classes"][::2, 0] for lessons in (plain, mixed)]  # a view of each frame
    assert 0.2 < (classes[0] != classes[1]).float().mean() < 0.8
    assert torch.equal(classes[0].sort().values, classes[1].sort().values)
    assert colours(mixed).max() < 0.8


def test_the_same_seed_gives_the_same_detector_and_another_does_not(request_of):
    first, again, other = (
        state_of(train(request_of(out=name, seed=seed, heads=1), say=str).fitted)
        for name, seed in (("first", 0), ("again", 0), ("other", 1))
    )
    assert same(first, again)
    assert not torch.equal(first["head.classes.weight"], other["head.classes.weight"])


def test_a_run_that_was_broken_off_ends_as_one_without_a_break(request_of):
    options = {"epochs": 2, "dropout": 0.2, "heads": 1, "rounds": 0}
    straight = train(request_of(out="straight", **options), say=str).fitted
    broken = train(request_of(out="broken", minutes=0.0, **options), say=str).fitted
    assert (broken.outcome, broken.steps) == ("out of time", 1)
    resumed = train(request_of(out="broken", resume=True, **options), say=str).fitted
    assert dataclasses.replace(resumed, last=straight.last, best=straight.best) == straight
    assert same(state_of(straight), state_of(resumed))
    assert same(read_checkpoint(straight.best).state, read_checkpoint(resumed.best).state)
    with pytest.raises(LoopError, match="add --resume"):
        train(request_of(out="broken", **options), say=str)


def test_without_marks_boxes_of_the_heat_choose_and_the_bridge_gives_the_names(request_of, tmp_path):
    made = blocks(24, 12, marked=False, bridged=True)
    trained = train(request_of(cache=write_scenes(tmp_path / "cache", made), epochs=4, looks=0), say=str)
    assert set(trained.lessons.names) == {"dog", "car"}
    assert trained.lessons.rule.beta == 0.5
    assert not trained.lessons.val["marked"].any()
    assert trained.fitted.score > 0.5
    assert load_detector(trained.fitted.best).threshold == pytest.approx(0.3)  # the usual one


def test_marked_things_without_a_sound_are_to_be_found_as_well(request_of, tmp_path):
    made = [*blocks(24, 0), *(scene(n, split="val", loud=0.0) for n in range(50, 54))]
    made += [scene(n, split="val") for n in range(54, 60)]
    lessons = train(request_of(cache=write_scenes(tmp_path / "cache", made)), say=str).lessons
    assert len(lessons.val["truth"]) == 20
    assert lessons.val["marked"].all()
    assert len(lessons.labels) == 12  # of those that are heard


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (blocks(24, 0), "cache hold no validation examples: add a cache that does"),
        (blocks(0, 6), "cache hold no training examples: add a cache that does"),
        (blocks(3, 6), "only 6 of 6 training frames give a plausible box, 8 are needed"),
        (blocks(24, 6, loud=0.0), "nothing is heard in any training frame"),
        (
            [*blocks(24, 0, bridged=True), scene(30, split="val", loud=0.0, marked=False, bridged=True)],
            "no validation frame is marked or gives a plausible box",
        ),
        (blocks(24, 6, boxes=False), "holds no boxes"),
    ],
)
def test_a_cache_that_does_not_serve_is_refused(request_of, tmp_path, made, message):
    cache = write_scenes(tmp_path / "cache", made)
    with pytest.raises(CacheError, match=message):
        train(request_of(cache=cache), say=str)
    assert not (tmp_path / "run").exists()


def test_a_cache_without_class_maps_is_refused(request_of, tmp_path):
    cache = write_scenes(tmp_path / "cache", blocks(24, 6, class_map=False), class_map=False)
    with pytest.raises(CacheError, match=r"no class maps: make .* anew with --fields class_map"):
        train(request_of(cache=cache), say=str)


def test_no_other_checkpoint_is_taken_for_a_detector(blocks_trained, tmp_path):
    localiser = save_untrained(Cmc(CmcConfig(width=16), Widths(3, 2, 4)), tmp_path / "cmc.ckpt")
    with pytest.raises(CheckpointError, match=r"cmc\.ckpt holds cmc, not a detector"):
        load_detector(localiser)
    content = torch.load(blocks_trained[0].fitted.best, weights_only=True)
    del content["state_dict"]["head.shape.weight"]
    torch.save(content, tmp_path / "old.ckpt")
    with pytest.raises(CheckpointError, match=r"old\.ckpt does not fit avdet as it is here"):
        load_detector(tmp_path / "old.ckpt")
