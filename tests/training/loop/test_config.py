import dataclasses
import importlib
import inspect
import pkgutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

import training
from training.loop.config import ConfigError, load_config, plain_config, undocumented_fields
from training.loop.fitting import RunOptions


@dataclass(frozen=True, slots=True)
class Optimiser:
    """How weights change.

    Attributes:
        rate: of learning.
        betas: of the running means.
    """

    rate: Annotated[float, Field(gt=0)] = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)


@dataclass(frozen=True, slots=True)
class Example:
    """An example.

    Attributes:
        epochs, batch: whole numbers.
        kind: one of two.
        optimiser: see there.
    """

    epochs: int = 10
    batch: int = 32
    kind: Literal["line", "curve"] = "line"
    names: Path | None = field(default=None, metadata={"doc": "a file with names"})
    optimiser: Optimiser = field(default_factory=Optimiser)


@pytest.fixture
def write(tmp_path):
    def to_file(text):
        path = tmp_path / "example.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def test_without_a_file_there_are_the_defaults():
    assert load_config(Example) == Example()


def test_the_file_is_read_and_options_that_were_given_go_before_it(write):
    path = write('epochs = 3\nnames = "names.txt"\n[optimiser]\nrate = 1\nbetas = [0.5, 0.6]\n')
    read = load_config(Example, path)
    assert read == Example(3, names=Path("names.txt"), optimiser=Optimiser(1.0, (0.5, 0.6)))
    changed = load_config(Example, path, {"epochs": 7, "batch": None, "optimiser.rate": 0.1})
    assert changed == Example(7, names=Path("names.txt"), optimiser=Optimiser(0.1, (0.5, 0.6)))
    assert load_config(Example, None, {"optimiser.rate": 0.1}).optimiser.rate == 0.1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "unknown key epoch; there are epochs, batch, kind, names, optimiser"),
        ("[optimiser]\nspeed = 3", "unknown key optimiser.speed; there are rate, betas"),
        ('epochs = "3"', "epochs: input should be a valid integer, got '3'"),
        ("epochs = 3.5", "epochs: input should be a valid integer, got 3.5"),
        ("epochs = true", "epochs: input should be a valid integer, got True"),
        ('kind = "circle"', "kind: input should be 'line' or 'curve', got 'circle'"),
        ("[optimiser]\nrate = 0", "optimiser.rate: input should be greater than 0, got 0"),
        ("[optimiser]\nbetas = [1]", "optimiser.betas.1: field required"),
        ("optimiser = 3", "optimiser: input should be"),
        ("epochs 3", "example.toml is no TOML"),
        ("epochs = 2026-01-01", "epochs: input should be a valid integer, got '2026-01-01'"),
    ],
)
def test_what_does_not_fit_is_named_with_file_and_key(write, text, message):
    path = write(text)
    with pytest.raises(ConfigError) as refused:
        load_config(Example, path)
    assert str(refused.value).startswith(str(path))
    assert message in str(refused.value)


def test_a_value_from_the_command_line_is_said_to_be_one(write):
    with pytest.raises(ConfigError, match=r"optimiser.rate \(given on the command line\): .* greater than 0"):
        load_config(Example, write("epochs = 3"), {"optimiser.rate": -1.0})


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none.toml: No such file"):
        load_config(Example, tmp_path / "none.toml")


def test_a_plain_config_goes_back_into_the_same_config(write):
    config = Example(3, names=Path("names.txt"))
    plain = plain_config(config)
    assert plain["names"] == "names.txt"
    assert plain["optimiser"] == {"rate": 0.001, "betas": [0.9, 0.999]}
    assert load_config(Example, None, plain) == config


def test_fields_that_nothing_is_said_about_are_found():
    @dataclass
    class Mute:
        """Attributes are not described here; rate: 3.

        Attributes:
            known: something.
                rate: of a line that is further in.
        """

        known: int = 0
        rate: int = 0
        noted: int = field(default=0, metadata={"doc": "noted"})

    assert undocumented_fields(Mute) == ["rate"]
    assert undocumented_fields(Example) == []


def test_every_field_of_every_configuration_is_documented():
    """Of all frozen dataclasses below `training` whose name ends in Config, and of the options of a run."""
    found = {RunOptions}
    for module in pkgutil.walk_packages(training.__path__, "training."):
        for name, entry in vars(importlib.import_module(module.name)).items():
            if name.endswith("Config") and inspect.isclass(entry) and dataclasses.is_dataclass(entry):
                found.add(entry)
    ours = {cls for cls in found if cls.__module__.startswith("training.")}
    assert RunOptions in ours
    assert {cls.__qualname__: undocumented_fields(cls) for cls in ours if undocumented_fields(cls)} == {}
