from pathlib import Path

import pytest

import training
from training.loop.config import ConfigError, load_config, undocumented_fields
from training.methods.cmc_images.config import CmcImagesConfig

EXAMPLE = Path(training.__file__).parent / "configs" / "cmc_images.toml"


def test_every_field_is_explained():
    assert undocumented_fields(CmcImagesConfig) == []


def test_the_example_names_every_field_with_its_built_in_value():
    assert load_config(CmcImagesConfig, EXAMPLE) == CmcImagesConfig()
    text = EXAMPLE.read_text(encoding="utf-8")
    assert all(f"\n{name} = " in text for name in CmcImagesConfig.__dataclass_fields__)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crop": 224, "side": 100}, "a crop of 224 pixels does not fit into a picture of 100"),
        ({"loss": "hinge"}, "loss"),
        ({"crop": 16}, "crop.*greater than or equal to 32"),
        ({"drops": [0.5, 1.5]}, "drops"),
    ],
)
def test_values_that_do_not_fit_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        load_config(CmcImagesConfig, None, values)
