import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from app.pipeline.encode import encode_audio
from training.cache.filling import fill_cache
from training.cache.index import CacheError
from training.cache.moments import Moments
from training.cache.raw_moments import RawMoments
from training.cache.reading import open_cache
from training.loop.end_to_end import EndToEndEncoders


@pytest.fixture
def cache(tmp_path, example, encoder):
    """Three examples of four, two and four frames; `b` has no sound, nobody judged `c`."""
    examples = [
        example("a", judged=(0, 1, 2, 3)),
        example("b", n_frames=2, judged=(1,), sound=False, cell=(0, 0)),
        example("c", judged=(), split="val"),
    ]
    maker = encoder(views=2, class_map=True, raw=True)
    fill_cache(tmp_path, examples, encoder=maker, source={})
    return open_cache(tmp_path)


def test_a_moment_is_one_frame_with_the_sound_around_it(cache):
    moments = Moments(cache, class_map=True)
    assert len(moments) == 10
    assert [int(moments[index]["example"]) for index in range(10)] == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2]
    moment, arrays = moments[5], cache.arrays(1)
    assert {name: tuple(part.shape) for name, part in moment.items()} == {
        "tokens": (4, 4, 3),
        "tokens_views": (2, 4, 4, 3),
        "cover": (4, 4),
        "cover_views": (2, 4, 4),
        "class_map": (2, 2, 3),
        "embedding": (2,),
        "events": (4,),
        **dict.fromkeys(("has_sound", "time_s", "judged", "sounding", "index", "example"), ()),
    }
    assert torch.equal(moment["tokens"], arrays["tokens"][0, 1].float())
    assert torch.equal(moment["tokens_views"], arrays["tokens"][1:, 1].float())
    assert torch.equal(moment["cover_views"], arrays["cover"][1:, 1].float())
    assert torch.equal(moment["class_map"], arrays["class_map"][0, 1].float())
    assert (bool(moment["has_sound"]), bool(moment["judged"]), bool(moment["sounding"])) == (
        False,
        True,
        True,
    )
    assert not moments[4]["judged"]
    assert float(moment["time_s"]) == 0.75
    assert moments.facts(5).id == "b"


def test_only_judged_frames_if_wanted(cache):
    moments = Moments(cache, judged_only=True)
    assert [(int(moment["example"]), float(moment["time_s"])) for moment in moments_of(moments)] == [
        (0, 0.25),
        (0, 0.75),
        (0, 1.25),
        (0, 1.75),
        (1, 0.75),
    ]
    with pytest.raises(CacheError, match="1 examples and no judged frame"):
        Moments(cache.split("val"), judged_only=True)


def test_in_memory_gives_the_same_without_the_files(cache, tmp_path):
    lazy, kept = Moments(cache), Moments(cache, in_memory=True)
    expected = [lazy[index] for index in range(len(lazy))]
    for path in tmp_path.glob("*.safetensors"):
        path.unlink()
    for index, moment in enumerate(expected):
        assert moment.keys() == kept[index].keys()
        assert all(torch.equal(part, kept[index][name]) for name, part in moment.items())


def test_half_precision_is_passed_on_if_wanted(cache):
    moment = Moments(cache, dtype=torch.float16)[0]
    assert moment["tokens"].dtype == moment["embedding"].dtype == torch.float16
    assert Moments(cache)[0]["tokens"].dtype == torch.float32


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_stacks_moments_also_in_another_process(cache, workers):
    with warnings.catch_warnings():
        # Python says so of every fork in a process with threads; the worker touches none of theirs.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        batch = next(iter(DataLoader(Moments(cache), batch_size=3, num_workers=workers)))
    assert batch["tokens_views"].shape == (3, 2, 4, 4, 3)
    assert batch["index"].tolist() == [0, 1, 2]


def test_class_maps_that_are_not_there_are_asked_for_in_vain(tmp_path, example, encoder):
    fill_cache(tmp_path, [example("a")], encoder=encoder(), source={})
    with pytest.raises(CacheError, match="--fields class_map"):
        Moments(open_cache(tmp_path), class_map=True)
    with pytest.raises(CacheError, match="--fields raw"):
        RawMoments(open_cache(tmp_path))


def test_raw_windows_pool_to_what_the_service_hears(cache, tiny_bundle, example):
    moments = RawMoments(cache)
    assert moments.most_windows == 5  # centres every 0.1 s within 0.2 s on either side
    footage = example("a").footage(size=32, fps=2.0)
    events, embedding = encode_audio(tiny_bundle, footage.waveform, 0.0, footage.times_s)
    for frame in range(4):
        moment = moments[frame]
        scores, codes = tiny_bundle.audio(moment["windows"][moment["heard"]].numpy())
        weighed = scores * (1 - scores[:, 2:3])  # the third event is "Silence"
        np.testing.assert_allclose(weighed.max(0), events[frame], atol=1e-6)
        np.testing.assert_allclose(codes.mean(0), embedding[frame], atol=1e-6)
        assert np.array_equal(moment["frame"].numpy(), footage.frames[frame])
    assert not moments[4]["heard"].any()  # `b` has no sound
    assert not moments[4]["has_sound"]
    assert torch.equal(moments[5]["cover"], Moments(cache)[5]["cover"])


class TinyAudio(nn.Module):
    """The audio graph of the tiny bundle."""

    def forward(self, windows):
        loud = (2 * windows.abs().amax(1)).clamp(0, 1)
        scores = torch.stack([loud, 0.6 * loud, 1 - loud, 0 * loud], 1)
        return scores, torch.stack([loud, torch.ones_like(loud)], 1)


class TinyTokens(nn.Module):
    """The tokens of the tiny bundle, with a weight to be trained."""

    def __init__(self):
        super().__init__()
        self.white = nn.Parameter(torch.tensor(255.0))

    def forward(self, pictures):
        return nn.functional.avg_pool2d(pictures, 8).permute(0, 2, 3, 1) / self.white


def test_encoders_trained_end_to_end_start_from_what_is_cached(cache):
    encoders = EndToEndEncoders(TinyTokens(), TinyAudio(), silence=cache.encoders.silence, shrink=1)
    raw = next(iter(DataLoader(RawMoments(cache), batch_size=10)))
    cached = next(iter(DataLoader(Moments(cache), batch_size=10)))
    perceived = encoders(raw["frame"], raw["windows"], raw["heard"])
    torch.testing.assert_close(perceived.tokens, cached["tokens"], atol=1e-3, rtol=0)
    torch.testing.assert_close(perceived.embedding, cached["embedding"], atol=1e-3, rtol=0)
    torch.testing.assert_close(perceived.events, cached["events"], atol=1e-3, rtol=0)
    assert torch.equal(raw["has_sound"], cached["has_sound"])
    perceived.tokens.sum().backward()
    assert encoders.tokens.white.grad.abs() > 0


def moments_of(dataset):
    return [dataset[index] for index in range(len(dataset))]
