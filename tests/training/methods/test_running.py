import dataclasses

import pytest
import torch
from torch import nn

from tests.training.methods.made_scenes import WIDTHS, scene, scenes, write_scenes
from training.cache.index import CacheError
from training.cache.reading import open_cache
from training.checkpoints import load_localizer, load_method
from training.loop.checkpoint import CheckpointError, read_checkpoint
from training.loop.end_to_end import EndToEndEncoders
from training.methods.running import fitting_batch, prepare, train, widths_of


@pytest.fixture
def seen_state(request_of):
    """State of the last checkpoint of a request."""

    def run(**options):
        return read_checkpoint(train(request_of(**options)).last).state

    return run


def test_a_run_writes_a_checkpoint_of_its_best_epoch(request_of, made_cache, tmp_path):
    fitted = train(request_of(epochs=2))
    assert (fitted.outcome, fitted.epochs, fitted.steps) == ("finished", 2, 12)
    assert fitted.best == tmp_path / "run" / "best.ckpt"
    checkpoint = read_checkpoint(fitted.best)
    assert (checkpoint.method, checkpoint.about["widths"]) == ("cmc", [32, 24, 4])
    assert checkpoint.state["slope"] != 5  # calibrated
    assert widths_of(open_cache(made_cache)) == WIDTHS


def test_going_on_with_a_finished_run_changes_nothing(request_of):
    first = train(request_of(epochs=2))
    before = read_checkpoint(first.best).state
    again = train(request_of(epochs=2, resume=True))
    assert dataclasses.replace(again, best=first.best) == first
    assert again.best.samefile(first.best)
    assert all(torch.equal(value, before[name]) for name, value in read_checkpoint(again.best).state.items())


def test_seed_and_shuffled_sound_decide_the_result(seen_state):
    plain, again, mixed, other = (
        seen_state(out=name, shuffled=name == "mixed", seed=1 if name == "other" else 0)
        for name in ("plain", "again", "mixed", "other")
    )
    assert all(torch.equal(value, again[name]) for name, value in plain.items())
    for unlike in (mixed, other):
        assert not torch.equal(plain["sound.1.weight"], unlike["sound.1.weight"])


def test_validation_keeps_its_sounds(request_of):
    plain, mixed = (prepare(request_of(shuffled=shuffled)).data for shuffled in (False, True))
    rows = list(range(64))
    for part, same in (("val", True), ("train", False)):
        sounds = [getattr(data, part).__getitems__(rows)["embedding"] for data in (plain, mixed)]
        assert torch.equal(*sounds) == same


@pytest.mark.parametrize(("n_train", "n_val", "lacking"), [(4, 0, "validation"), (0, 4, "training")])
def test_a_cache_without_one_of_the_parts_is_refused(request_of, tmp_path, n_train, n_val, lacking):
    cache = write_scenes(tmp_path / "cache", scenes(n_train, n_val))
    with pytest.raises(CacheError, match=f"cache hold no {lacking} examples: add a cache that does"):
        train(request_of(cache=cache))


def test_one_moment_is_too_few_for_validation(request_of, tmp_path):
    facts, encoded = scene(5, split="val")
    encoded.arrays["events"][1] = 0
    cache = write_scenes(tmp_path / "cache", [*scenes(4, 0), (facts, encoded)])
    with pytest.raises(CacheError, match="1 validation moment is too few"):
        train(request_of(cache=cache))


class MeanColour(nn.Module):
    """Tokens: the mean colour of each of 4 x 4 cells, times a weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, pictures):
        return pictures.unflatten(2, (4, -1)).unflatten(4, (4, -1)).mean((3, 5)).movedim(1, 3) * self.weight


class Level(nn.Module):
    """Scores and embedding: the level of a window, times a weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, windows):
        level = windows.abs().amax(1, keepdim=True) * self.weight
        return level.clamp(0, 1), level


def test_encoders_are_trained_along_and_kept_in_the_checkpoint(request_of, raw_cache):
    encoders = EndToEndEncoders(MeanColour(), Level(), silence=None)
    request = request_of(cache=raw_cache, batch=4, rate=0.05, frame="learned")
    fitted = train(dataclasses.replace(request, encoders=encoders))
    checkpoint = read_checkpoint(fitted.best)
    assert checkpoint.about["encoders"] == "end-to-end"
    assert checkpoint.about["widths"] == [3, 2, 4]
    for name in ("tokens", "audio"):
        assert (checkpoint.state[f"encoders.{name}.weight"] != 1).any(), name
    with pytest.raises(CheckpointError, match="encoders of its own: export it to a bundle"):
        load_localizer(fitted.best)
    fresh = EndToEndEncoders(MeanColour(), Level(), silence=None)
    module = load_method(checkpoint, path=fitted.best, encoders=fresh)
    assert torch.equal(module.encoders.tokens.weight, checkpoint.state["encoders.tokens.weight"])


def test_few_moments_make_small_batches_and_say_so(capsys):
    assert fitting_batch(128, 1000) == 128
    assert capsys.readouterr().out == ""
    assert fitting_batch(128, 40) == 10
    assert "40 moments to train on, so 10 in a batch instead of 128" in capsys.readouterr().out
    assert fitting_batch(128, 3) == 2


@pytest.mark.parametrize("method", ["cmc", "sspl"])
def test_a_run_that_was_broken_off_ends_as_one_without_a_break(request_of, method):
    straight = train(request_of(method, out="straight", epochs=2))
    request = request_of(method, out="broken", epochs=2)
    broken = train(dataclasses.replace(request, run=dataclasses.replace(request.run, minutes=0.0)))
    assert (broken.outcome, broken.steps) == ("out of time", 1)
    resumed = train(request_of(method, out="broken", epochs=2, resume=True))
    assert dataclasses.replace(resumed, best=straight.best, last=straight.last) == straight
    states = [read_checkpoint(fitted.last).state for fitted in (straight, resumed)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
