import numpy as np
import pytest

from training.data.composites.collection import Collection, Kind, Recording
from training.data.composites.inventory import CompositeError
from training.data.composites.voices import Voice
from training.explainer import references
from training.explainer.references import encode_references, reference_sounds


def tone(amplitude, *, seconds=2.0):
    times_s = np.arange(round(16_000 * seconds)) / 16_000
    return (amplitude * np.sin(2 * np.pi * 440 * times_s)).astype(np.float32)


def test_sounds_become_what_the_bundle_hears_in_the_middle_of_them(tiny_bundle):
    late = tone(0.4)
    late[:24_000] = 0  # what comes within 0.2 s of the middle is heard, and that is silence
    told = encode_references(tiny_bundle, {"loud": tone(0.5), "soft": tone(0.25), "late": late})
    assert told.names == ("loud", "soft", "late")
    # Tone, Music, Silence and Thunder, each times 1 - Silence, as in tests/tiny_bundle.py.
    wanted = [[1, 0.6, 0, 0], [0.25, 0.15, 0.25, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(told.events, wanted, atol=1e-3)
    np.testing.assert_allclose(told.window, [[1, 1], [0.5, 1], [0, 1]], atol=1e-3)


@pytest.fixture
def collection(monkeypatch):
    """Lets the composed scenes have only some kinds, that sound as `hear` of this module says."""

    def make(*kinds, split="train"):
        listed = [
            Kind(
                name,
                "other",
                name,
                "any",
                (0, 0),
                (),
                (),
                tuple(Recording(f"{name}/{take}", name, Voice("computed", name)) for take in range(takes)),
            )
            for name, takes in kinds
        ]
        splits = {item.id: split for kind in listed for item in kind.recordings}
        monkeypatch.setattr(references, "load_collection", lambda _: Collection(tuple(listed), splits))
        monkeypatch.setattr(
            references, "hear", lambda recording: tone(0.1 if recording.id[-1] == "0" else 1, seconds=0.75)
        )

    return make


def test_a_short_sound_is_repeated_and_all_are_as_loud(collection):
    collection(("woman", 2), ("dog", 1))
    sounds = reference_sounds()
    assert list(sounds) == ["dog", "speech"]
    for wave in sounds.values():
        assert (wave.shape, wave.dtype) == ((32_000,), np.float32)
        assert np.abs(wave).max() == pytest.approx(0.5)
        assert np.array_equal(wave[:12_000], wave[12_000:24_000])


def test_kinds_that_cannot_be_played_are_left_out(collection):
    collection(("dog", 0), ("cat", 1), ("unicorn", 1))
    assert list(reference_sounds()) == ["cat"]


def test_sounds_of_the_test_part_are_not_used(collection):
    collection(("dog", 1), split="test")
    with pytest.raises(CompositeError, match="none of the sounds can be played"):
        reference_sounds()
