import pytest

from training.loop.config import ConfigError, load_config, undocumented_fields
from training.methods.language_guidance.config import LanguageGuidanceConfig


def test_everything_is_documented():
    assert undocumented_fields(LanguageGuidanceConfig) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("guidance", "clip"),
        ("base", "triplet"),
        ("prompt", "no place"),
        ("per_class", 1),
        ("temperature", 0.0),
    ],
)
def test_what_makes_no_sense_is_refused(key, value):
    with pytest.raises(ConfigError, match=key):
        load_config(LanguageGuidanceConfig, overrides={key: value})
