from dataclasses import replace

import numpy as np
import pytest
import torch

import training.trial.boxed_arms
from tests.training.methods.avdet.made_blocks import SMALL, blocks, bright, scene
from tests.training.methods.made_scenes import write_scenes
from training.cache.reading import open_cache
from training.loop.fitting import RunOptions
from training.methods.avdet.config import AvdetConfig
from training.methods.avdet.loading import load_detector
from training.methods.avdet.running import Request
from training.trial.boxed import boxed_gallery
from training.trial.boxed_arms import (
    CENTRE,
    HEAT_BOX,
    SALIENCY_BOX,
    WHOLE,
    WITH_SOUND,
    find,
    fixed_arms,
    learned_arms,
    trained_detector,
    with_sound,
)


@pytest.fixture(scope="module")
def request_of(tmp_path_factory):
    """Makes the request to train on blocks for two epochs, in a directory of that name."""
    root = tmp_path_factory.mktemp("arms")
    cache = write_scenes(root / "cache", blocks(24, 24))

    def make(name, **options):
        run = RunOptions(root / name, 2, devices=1, accelerator="cpu", **options)
        config = AvdetConfig(**{**SMALL, "heads": 1, "rounds": 0, "epochs": 2})
        return Request(config, (cache,), bright, run)

    return make


@pytest.fixture(scope="module")
def detector(request_of):
    return load_detector(trained_detector(request_of("trained"), say=str))


@pytest.fixture
def gallery(tmp_path):
    """Five frames, the second without a sound."""
    made = [scene(number, split="test", loud=0.0 if number == 101 else 0.9) for number in range(100, 105)]
    return boxed_gallery(open_cache(write_scenes(tmp_path / "unseen", made)), "unseen", bright)


def test_frames_are_numbered_through_whatever_the_batch(detector, gallery, monkeypatch):
    at_once = find(detector, gallery)
    monkeypatch.setattr(training.trial.boxed_arms, "_BATCH", 2)
    in_parts = find(detector, gallery)
    assert set(at_once.frame.tolist()) == {0, 1, 2, 3, 4}
    assert at_once.frame.tolist() == in_parts.frame.tolist()
    np.testing.assert_allclose(at_once.score, in_parts.score, atol=1e-5)


def test_with_the_sound_a_box_counts_as_far_as_it_sounds(detector, gallery):
    detector.sounding.copy_(torch.tensor([1.0, 0.0, 0.5]))  # the probability is the overlap
    deaf = find(detector, gallery)
    heard = with_sound(deaf, detector, gallery)
    assert np.array_equal(heard.box, deaf.box)
    assert (heard.score < deaf.score).all()
    share = heard.score / deaf.score
    assert share[deaf.frame == 1] == pytest.approx(0.001, rel=0.01)  # silent
    best = [share[deaf.frame == frame].max() for frame in (0, 2, 3, 4)]
    assert min(best) > 0.3


def test_each_seed_has_its_row_in_every_arm(detector, gallery):
    arms = learned_arms(gallery, [detector, detector], [detector], [])
    assert [len(arm.found) for arm in arms] == [2, 2, 1, 0]
    assert len({arm.name for arm in arms}) == 4
    assert arms[1].name == WITH_SOUND
    assert np.array_equal(arms[0].found[0].score, find(detector, gallery).score)


def test_boxes_that_nothing_was_trained_for(gallery):
    arms = {arm.name: arm.found[0] for arm in fixed_arms(gallery)}
    assert list(arms) == [HEAT_BOX, SALIENCY_BOX, CENTRE, WHOLE]
    assert arms[HEAT_BOX].frame.tolist() == [0, 2, 3, 4]  # in the dark there is none
    np.testing.assert_allclose(arms[HEAT_BOX].box, gallery.things.box[[0, 2, 3, 4]], atol=0.13)
    assert arms[HEAT_BOX].score.min() > 0.7
    assert arms[SALIENCY_BOX].frame.tolist() == [0, 1, 2, 3, 4]  # which hears nothing
    sides = arms[CENTRE].box[:, 2:] - arms[CENTRE].box[:, :2]
    np.testing.assert_allclose(sides.prod(1), 0.5, atol=1e-6)
    np.testing.assert_allclose((arms[CENTRE].box[:, 2:] + arms[CENTRE].box[:, :2]) / 2, 0.5, atol=1e-6)
    assert arms[WHOLE].box.tolist() == [[0, 0, 1, 1]] * 5


def test_what_was_trained_is_not_trained_again(request_of, detector):
    said = []
    path = trained_detector(request_of("trained"), say=said.append)
    assert said == []
    assert path == request_of("trained").run.out / "best.ckpt"


def test_a_training_that_was_broken_off_is_gone_on_with(request_of):
    request = request_of("broken")
    with pytest.raises(KeyboardInterrupt):
        trained_detector(replace(request, run=replace(request.run, minutes=0.0)), say=str)
    said = []
    trained_detector(request, say=said.append)
    assert said[0] == f"{request.run.out} (going on)"
    assert said[-1].startswith("Finished: 2 epochs")


def test_one_that_was_broken_off_before_anything_was_written_begins_anew(request_of):
    request = request_of("early")
    (request.run.out / "logs").mkdir(parents=True)
    said = []
    assert trained_detector(request, say=said.append).exists()
    assert said[0] == str(request.run.out)
