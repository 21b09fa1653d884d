"""Caches in a store, for which memory stands in: what is written there, and what is read on this machine."""

import pickle
import uuid

import pytest
import torch

from training.cache.filling import fill_cache
from training.cache.places import CacheError, Place
from training.cache.reading import open_cache
from training.encoders.weights import CACHE_VARIABLE


@pytest.fixture
def url():
    return f"memory://{uuid.uuid4().hex}/cache"


@pytest.fixture
def copies(tmp_path, monkeypatch):
    """Where copies of shards go."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "kept"))
    return tmp_path / "kept" / "shards"


def test_a_cache_in_a_store_is_that_of_a_directory(url, copies, tmp_path, example, encoder, monkeypatch):
    monkeypatch.setattr("training.cache.writing.SHARD_EXAMPLES", 2)
    examples = [example(name, cell=(1, column)) for column, name in enumerate("abc")]
    for where in (url, tmp_path / "here"):
        filled = fill_cache(where, examples, encoder=encoder(views=1), source={})
        assert filled.n_encoded == 3
    assert Place(url).sizes() == {
        name: size for name, size in Place(tmp_path / "here").sizes().items() if name != ".lock"
    }
    there, here = pickle.loads(pickle.dumps(open_cache(url))), open_cache(tmp_path / "here")
    assert there.examples == here.examples
    for index in range(3):
        for name, array in here.arrays(index).items():
            assert torch.equal(there.arrays(index)[name], array)
    assert len(list(copies.iterdir())) == 2  # each shard once


def test_a_run_goes_on_with_a_cache_in_a_store(url, copies, example, encoder):
    fill_cache(url, [example("a")], encoder=encoder(), source={})
    again = fill_cache(url, [example("a"), example("b")], encoder=encoder(), source={})
    assert (again.n_there, again.n_encoded) == (1, 1)
    with pytest.raises(CacheError, match=f"{url} was made in another way .views: 2 there, 1 here"):
        fill_cache(url, [example("c")], encoder=encoder(views=1), source={})


def test_a_shard_that_was_replaced_is_read_anew(url, copies, example, encoder):
    for column in (0, 3):
        fill_cache(url, [example("a", cell=(0, column))], encoder=encoder(), source={}, force=True)
        tokens = open_cache(url).arrays(0, ["tokens"])["tokens"]
        assert tokens[0, 0].mean(-1).argmax() == column
    assert set(Place(url).sizes()) == {"index.json", "00000.safetensors"}


def test_what_is_wrong_with_a_store_is_named(url, copies, example, encoder):
    with pytest.raises(CacheError, match=f"{url} is no feature cache"):
        open_cache(url)
    with pytest.raises(CacheError, match=r"nosuch://bucket/cache cannot be used"):
        open_cache("nosuch://bucket/cache")
    fill_cache(url, [example("a")], encoder=encoder(), source={})
    Place(url).remove("00000.safetensors")
    with pytest.raises(CacheError, match=r"00000.safetensors is missing"):
        open_cache(url)


def test_a_store_that_fails_stops_the_run(url, example, encoder, monkeypatch):
    class Refused(Exception):
        """As the clients of stores have them."""

    def refuse(*_arguments, **_options):
        raise Refused("no credentials")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.pipe_file", refuse)
    with pytest.raises(CacheError, match=r"cannot be used: Refused: no credentials"):
        fill_cache(url, [example("a")], encoder=encoder(), source={})
