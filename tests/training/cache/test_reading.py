import json
import pickle

import numpy as np
import pytest
import torch

import training.cache.writing
from training.cache.filling import fill_cache
from training.cache.index import CacheError
from training.cache.reading import open_cache
from training.data.examples import Visible


@pytest.fixture
def made(tmp_path, example, encoder):
    """Two caches, `first` with two examples and class maps, `second` with one and more views."""
    first = [example("a", split="train"), example("b", split="val", cell=(0, 0))]
    fill_cache(tmp_path / "first", first, encoder=encoder(views=1, class_map=True), source={})
    fill_cache(tmp_path / "second", [example("c", split="test")], encoder=encoder(views=2), source={})
    return tmp_path


def test_several_caches_read_as_one(made, example, encoder):
    cache = open_cache(made / "first", made / "second")
    assert [facts.id for facts in cache.examples] == ["a", "b", "c"]
    assert [facts.id for facts in cache.split("val").examples] == ["b"]
    assert [facts.id for facts in cache.where(lambda facts: facts.id > "a").examples] == ["b", "c"]
    assert cache.views == 1  # what all of them have
    assert cache.fields == ()
    assert open_cache(made / "first").fields == ("class_map",)
    footage = example("b", cell=(0, 0)).footage(size=32, fps=2.0)
    expected = encoder(views=1).encode("b", footage).arrays
    stored = cache.arrays(1)
    assert set(stored) == set(expected) | {"class_map"}
    for name, array in expected.items():
        assert torch.equal(stored[name], torch.from_numpy(array)), name
    assert torch.equal(cache.split("val").arrays(0)["tokens"], stored["tokens"])


def test_things_are_read_with_their_boxes(tmp_path, example, encoder):
    boxes = np.array([[0, 0, 0.5, 1]] * 3 + [[np.nan] * 4], np.float32)
    dog = Visible("dog", boxes, np.array([True, False, True, False]))
    cat = Visible("cat", boxes[::-1], np.zeros(4, bool))
    fill_cache(tmp_path, [example("a", things=(dog, cat)), example("b")], encoder=encoder(), source={})
    cache = open_cache(tmp_path)
    assert [cache.record(index).things for index in range(2)] == [("dog", "cat"), ()]
    stored = cache.arrays(0, ["boxes", "box_sounding"])
    np.testing.assert_array_equal(stored["boxes"], np.stack([dog.boxes, cat.boxes], axis=1))
    np.testing.assert_array_equal(stored["box_sounding"], np.stack([dog.sounding, cat.sounding], axis=1))
    assert cache.arrays(1)["boxes"].shape == (4, 0, 4)


def test_a_cache_from_before_there_were_boxes_can_still_be_read(made):
    path = made / "first" / "index.json"
    index = json.loads(path.read_text())
    for record in index["examples"]:
        del record["things"]
    path.write_text(json.dumps(index))
    cache = open_cache(made / "first")
    assert [cache.record(index).things for index in range(len(cache))] == [(), ()]
    assert cache.arrays(0, ["tokens"])["tokens"].shape[0] == 2


def test_arrays_are_mapped_not_read(made):
    cache = open_cache(made / "first")
    one, two = cache.arrays(0, ["tokens"]), cache.arrays(0, ["tokens"])
    assert list(one) == ["tokens"]
    assert one["tokens"].data_ptr() == two["tokens"].data_ptr()


def test_a_cache_can_be_sent_to_another_process(made):
    cache = open_cache(made / "first")
    before = cache.arrays(0)["tokens"].clone()
    assert torch.equal(pickle.loads(pickle.dumps(cache)).arrays(0)["tokens"], before)


def test_an_array_that_is_not_there_is_named(made):
    with pytest.raises(CacheError, match="second holds no class_map"):
        open_cache(made / "second").arrays(0, ["class_map"])


def test_caches_of_different_encoders_do_not_mix(made):
    path = made / "second" / "index.json"
    path.write_text(path.read_text().replace('"input_size":32', '"input_size":64'))
    with pytest.raises(CacheError, match="input_size: 32 there, 64 here"):
        open_cache(made / "first", made / "second")


def test_a_missing_an_empty_and_a_damaged_cache_are_named(made, example, encoder, tmp_path):
    with pytest.raises(CacheError, match=r"nowhere is no feature cache.*earsight-train cache"):
        open_cache(tmp_path / "nowhere")
    fill_cache(tmp_path / "none", [example("x", event="corrupt")], encoder=encoder(), source={})
    with pytest.raises(
        CacheError, match="none is empty: all of 1 examples were left out, x since media_corrupt"
    ):
        open_cache(tmp_path / "none")
    shard = made / "first" / "00000.safetensors"
    content = shard.read_bytes()
    shard.write_bytes(content[:-10])
    with pytest.raises(CacheError, match=f"has {len(content) - 10} of {len(content)} bytes"):
        open_cache(made / "first")
    shard.unlink()
    with pytest.raises(CacheError, match=r"00000.safetensors is missing"):
        open_cache(made / "first")
    (made / "first" / "index.json").write_text('{"schema": "earsight.cache/9"}')
    with pytest.raises(CacheError, match=r"of another version of Earsight.*--force"):
        open_cache(made / "first")


def test_a_shard_of_the_right_length_that_is_no_shard_is_named(made):
    shard = made / "second" / "00000.safetensors"
    shard.write_bytes(b"\xff" * shard.stat().st_size)
    with pytest.raises(CacheError, match=r"00000.safetensors cannot be read"):
        open_cache(made / "second").arrays(0)


def test_a_shard_is_closed_when_it_grows_large(tmp_path, example, encoder, monkeypatch):
    monkeypatch.setattr(training.cache.writing, "SHARD_BYTES", 1)
    fill_cache(tmp_path, [example("a"), example("b")], encoder=encoder(), source={})
    assert [open_cache(tmp_path).record(index).shard for index in range(2)] == [0, 1]
