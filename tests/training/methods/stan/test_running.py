from dataclasses import replace

import numpy as np
import pytest
import torch

import training.methods.stan.running
from tests.tiny_bundle import LABELS
from tests.training.methods.made_scenes import save_untrained
from tests.training.methods.stan.made_clips import clip, clips, write_clips
from training.cache.index import CacheError
from training.cache.reading import open_cache
from training.encoders.weights import WeightsMissing
from training.loop.checkpoint import CheckpointError, read_checkpoint
from training.loop.errors import LoopError
from training.methods.cmc.config import CmcConfig
from training.methods.cmc.module import Cmc
from training.methods.localiser import Widths
from training.methods.stan.loading import load_explainer
from training.methods.stan.module import clips_of
from training.methods.stan.running import prepare, train
from training.methods.stan.scenes import batch_of, gather_scenes


@pytest.fixture(scope="module")
def cache(clip_cache):
    return open_cache(clip_cache)


@pytest.fixture
def scenes_seen(monkeypatch):
    """What `train` gives to the loop: its clips to train on and to choose by."""
    seen = []
    plain = training.methods.stan.running.fit

    def fit(module, data, run, **options):
        seen.append((data.train.scenes, data.val.scenes))
        return plain(module, data, run, **options)

    monkeypatch.setattr(training.methods.stan.running, "fit", fit)
    return seen


def test_a_checkpoint_holds_all_of_the_explainer(request_of, cache, tiny_bundle):
    said = []
    request = request_of(epochs=2)
    fitted = train(request, say=said.append)
    assert fitted.outcome == "finished"
    assert fitted.best == request.run.out / "best.ckpt"
    assert 0 < fitted.score <= 1
    assert said[0] == "16 training clips, 16 of them with another's sound; 6 to validate"
    first, again = (load_explainer(fitted.best) for _ in range(2))
    assert not first.training
    assert first.events == LABELS
    assert (first.config.epochs, first.config.width) == (2, 4)
    scenes = gather_scenes(cache.split("val"), tiny_bundle.localize, first.perception)
    batch = batch_of(scenes)
    with torch.no_grad():
        told = first(clips_of(batch))[0].logits
        assert torch.equal(told, again(clips_of(batch))[0].logits)
    # What is seen and heard is scaled as it was in training.
    prepared = prepare(request, cache.split("train"))
    assert all(map(torch.equal, prepared.perception.buffers(), first.perception.buffers()))
    assert not torch.equal(prepared.network.values, first.network.values)


def test_what_stands_in_for_hidden_sound_is_what_the_bundle_hears_in_silence(request_of, cache, tiny_bundle):
    train_part = cache.split("train")
    stan = prepare(request_of(), train_part)
    assert torch.equal(stan.network.names, torch.eye(4, 96))
    _, silence = tiny_bundle.audio(np.zeros((1, 3200), np.float32))
    heard, told = stan.perception.hear(torch.from_numpy(silence))
    assert silence.tolist() == [[0, 1]]
    assert torch.equal(stan.network.silence_heard, heard[0])
    assert torch.equal(stan.network.silence_told, told[0])
    windows = torch.cat([train_part.arrays(index, ("window",))["window"] for index in range(16)])
    usual = stan.perception.hear(windows)[1].mean(0)
    assert torch.allclose(stan.network.usual_told, usual, atol=1e-5)
    # The tone is loud in two of six frames.
    loud = 8 * torch.tanh(torch.tensor(0.5))
    assert stan.network.usual_told[0].item() == pytest.approx((2 * loud - 4 * loud).item() / 6, abs=0.02)


def test_a_share_of_the_clips_is_shown_again_with_the_sound_of_another(request_of, scenes_seen):
    train(request_of(mismatched=0.5), say=str)
    train(request_of(out="none", mismatched=0.0), say=str)
    (train_scenes, val_scenes), (alone, _) = scenes_seen
    assert [len(train_scenes), len(val_scenes), len(alone)] == [16 + 8, 6, 16]
    assert [scene.known for scene in train_scenes] == [True] * 16 + [False] * 8
    assert all(scene.known for scene in val_scenes)


def test_shuffled_audio_gives_every_clip_to_train_on_the_sound_of_another(request_of, scenes_seen):
    train(request_of(shuffled_audio=True), say=str)
    train(request_of(out="plain", mismatched=0.0), say=str)
    (mixed, mixed_val), (plain, plain_val) = scenes_seen
    assert len(mixed) == len(plain) == 16
    own = {scene.example: scene for scene in plain}
    assert {scene.example for scene in mixed} == set(own)
    moved = [not torch.equal(scene.told, own[scene.example].told) for scene in mixed]
    assert np.mean(moved) > 0.6  # one in five tones sounds at the same time as another
    assert all(torch.equal(scene.seen, own[scene.example].seen) for scene in mixed)
    for scene, same in zip(mixed_val, plain_val, strict=True):
        assert torch.equal(scene.told, same.told)


def test_the_same_seed_gives_the_same_explainer_and_another_does_not(request_of):
    first, again, other = (
        read_checkpoint(train(request_of(out=name, seed=seed), say=str).last).state
        for name, seed in (("first", 0), ("again", 0), ("other", 1))
    )
    assert all(torch.equal(part, again[name]) for name, part in first.items())
    assert not torch.equal(first["network.values"], other["network.values"])


@pytest.mark.parametrize(
    ("made", "options", "message"),
    [
        (clips(6, split="train"), {}, "hold no validation examples: add a cache that does"),
        (clips(6, split="val"), {}, "hold no training examples: add a cache that does"),
        (
            [clip("mute", sound=False), *clips(2, split="val")],
            {},
            "no example of the cache has sound and two frames",
        ),
    ],
)
def test_a_cache_that_does_not_serve_is_refused(request_of, tiny_bundle, tmp_path, made, options, message):
    cache = write_clips(tmp_path / "cache", tiny_bundle, made)
    with pytest.raises(CacheError, match=message):
        train(request_of(cache=cache, **options), say=str)
    assert not (tmp_path / "run").exists()


def test_a_cache_without_class_maps_is_refused(request_of, tiny_bundle, tmp_path):
    made = [*clips(4, split="train"), *clips(2, split="val")]
    cache = write_clips(tmp_path / "cache", tiny_bundle, made, class_map=False)
    with pytest.raises(CacheError, match="no class maps: make it anew with --fields class_map"):
        train(request_of(cache=cache), say=str)


def test_names_and_teacher_that_were_not_fetched_are_named(request_of, monkeypatch):
    request = request_of()

    def missing(_perception):
        raise WeightsMissing("run `earsight-train fetch-weights` first")

    monkeypatch.setattr(training.methods.stan.running, "take_published", missing)
    with pytest.raises(WeightsMissing):
        train(request, say=str)
    assert not request.run.out.exists()


def test_a_run_that_is_there_is_not_written_over(request_of):
    request = request_of()
    train(request, say=str)
    with pytest.raises(LoopError, match="add --resume"):
        train(request, say=str)
    resumed = replace(request, run=replace(request.run, resume=True))
    assert train(resumed, say=str).outcome == "finished"


def test_no_other_checkpoint_is_taken_for_an_explainer(request_of, tmp_path):
    localiser = save_untrained(Cmc(CmcConfig(width=16), Widths(3, 2, 4)), tmp_path / "cmc.ckpt")
    with pytest.raises(CheckpointError, match=r"cmc\.ckpt holds cmc, not an explainer"):
        load_explainer(localiser)
    content = torch.load(train(request_of(), say=str).best, weights_only=True)
    del content["state_dict"]["network.prior"]
    torch.save(content, tmp_path / "old.ckpt")
    with pytest.raises(CheckpointError, match=r"old\.ckpt does not fit stan as it is here"):
        load_explainer(tmp_path / "old.ckpt")
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    with pytest.raises(CheckpointError):
        load_explainer(tmp_path / "text.ckpt")
