"""Configurations: frozen dataclasses, read from TOML, every field with its source written beside it."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from training.loop.errors import LoopError

Config = TypeVar("Config")

_ENTRY = re.compile(r"^ {4}(\w+(?:, \w+)*):", re.MULTILINE)  # `    name, name: what they are`


class ConfigError(LoopError):
    """A configuration cannot be read, or a key or value does not fit; the message names file and key."""


def load_config(
    cls: type[Config], path: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Config:
    """A configuration from a TOML file, with some values replaced.

    Args:
        cls: a frozen dataclass whose fields all have defaults; nested ones are tables of the file. Bounds are
            written as `Annotated[float, pydantic.Field(gt=0)]`.
        path: the file; None takes the defaults.
        overrides: dotted key, such as `optimiser.rate`, to value. None leaves the value of the file, so that
            options of a command that were not given can be passed as they are.

    Raises:
        ConfigError: the file cannot be read, or a key is unknown, or a value has the wrong type or is out of
            bounds. Nothing is converted but whole numbers to floats, arrays to tuples and strings to paths.
    """
    values: dict[str, Any] = {} if path is None else _read(path)
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    for key, value in given.items():
        _set(values, key, value)
    try:
        # By way of JSON, since strict validation of JSON takes arrays for tuples, and strings for paths.
        return TypeAdapter(cls).validate_json(json.dumps(values, default=str), strict=True, extra="forbid")
    except ValidationError as error:
        source = f"{path}: " if path is not None else ""
        raise ConfigError(
            source + "; ".join(_complaint(entry, cls, given) for entry in error.errors())
        ) from error


def plain_config(config: Any) -> dict[str, Any]:
    """A configuration as a dict of strings, numbers, lists and dicts, which any reader understands."""
    plain: dict[str, Any] = TypeAdapter(type(config)).dump_python(config, mode="json")
    return plain


def undocumented_fields(cls: type) -> list[str]:
    """Fields of a configuration class that nothing is said about.

    What is said stands under `Attributes:` in the docstring of the class, or in the field's metadata, `doc`.
    """
    documented = {
        name
        for names in _ENTRY.findall(inspect.cleandoc(cls.__doc__ or "").partition("Attributes:")[2])
        for name in names.split(", ")
    }
    return [
        field.name
        for field in dataclasses.fields(cls)
        if field.name not in documented and not field.metadata.get("doc")
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}") from error


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *tables, name = key.split(".")
    for table in tables:
        values = values.setdefault(table, {})
    values[name] = value


def _complaint(entry: Any, cls: type, given: Mapping[str, Any]) -> str:
    key = ".".join(map(str, entry["loc"]))
    if entry["type"] == "unexpected_keyword_argument":
        return f"unknown key {key}; {_known(cls, key)}"
    where = " (given on the command line)" if key in given else ""
    return f"{key}{where}: {entry['msg'][0].lower()}{entry['msg'][1:]}, got {entry['input']!r}"


def _known(cls: type, key: str) -> str:
    """The keys there are in the table that the key was looked for in."""
    table = cls
    for name in key.split(".")[:-1]:
        hints = inspect.get_annotations(table, eval_str=True)
        table = hints[name]
    return f"there are {', '.join(field.name for field in dataclasses.fields(table))}"
