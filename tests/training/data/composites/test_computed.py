import numpy as np
import pytest

from app.inference.bundle import Bundle, find_bundle, load_bundle
from app.pipeline.encode import encode_audio
from app.settings import Settings
from training.data.composites.computed import MAKERS
from training.data.composites.inventory import read_inventory
from training.data.composites.waves import RATE_HZ, levels, loudness

TAKES = 3
HEARD = 0.25
COMMON_LEVEL = 0.1


@pytest.fixture(scope="module")
def ears() -> Bundle:
    settings = Settings()
    return load_bundle(find_bundle("default", settings.inference), settings.inference)


def take(name, seed, duration_s=4.0):
    wave = MAKERS[name](duration_s, np.random.default_rng(seed)).astype(np.float32)
    return wave * min(COMMON_LEVEL / loudness(wave), 0.95 / np.abs(wave).max())


def meanings():
    """What each computed sound should be heard as: the events of the kinds that make it."""
    events: dict[str, set[str]] = {}
    for entry in read_inventory().values():
        for name in entry.computed:
            events.setdefault(name, set()).update(entry.events)
    return events


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_take_lasts_as_long_as_it_is_wanted_and_sounds(name):
    wave = MAKERS[name](3.0, np.random.default_rng(0))
    assert wave.shape == (3 * RATE_HZ,)
    assert np.isfinite(wave).all()
    scaled = (wave / np.abs(wave).max()).astype(np.float32)
    assert (levels(scaled) > 0.003).mean() > 0.2


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_takes_are_repeatable_and_differ(name):
    assert np.array_equal(take(name, 1, 1.0), take(name, 1, 1.0))
    assert not np.array_equal(take(name, 1, 1.0), take(name, 2, 1.0))


def test_every_computed_sound_belongs_to_a_kind():
    assert set(meanings()) == set(MAKERS)


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_most_takes_are_heard_as_what_they_are_meant_to_be(name, ears):
    labels = ears.manifest.events.labels
    wanted = [labels.index(event) for event in meanings()[name]]
    heard = []
    for seed in range(TAKES):
        events, _ = encode_audio(ears, take(name, seed), 0.0, np.array([1.0, 2.0, 3.0]))
        heard.append(events[:, wanted].max() >= HEARD)
    assert sum(heard) > TAKES / 2
