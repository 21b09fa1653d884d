"""The inventory: which objects there are, what they sound like and how they are shared out. See its file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import EarsightError
from training.data.examples import Split
from training.data.readers.reading import DataError

Family = Literal["animal", "human", "music", "vehicle", "household", "nature", "other"]
Place = Literal["ground", "air", "any"]
Style = Literal["melody", "chords", "drums", "calls"]

SHIPPED = Path(__file__).with_name("inventory.toml")


class CompositeError(EarsightError, DataError):
    """Scenes cannot be composed; the message says what is missing and what to do."""


class MidiVoice(BaseModel):
    """How an instrument is played."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    style: Style
    programs: Annotated[tuple[Annotated[int, Field(ge=0, le=127)], ...], Field(min_length=1)]
    lowest: Annotated[int, Field(ge=0, le=127)]
    highest: Annotated[int, Field(ge=0, le=127)]


class KindEntry(BaseModel):
    """One kind of object as the inventory has it; its file says what the fields mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    family: Family
    alike: str = ""
    events: tuple[str, ...] = ()
    place: Place = "any"
    gap_s: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]] = (0.1, 0.5)
    split: Split | None = None
    pictures: tuple[str, ...] = ()
    recordings: tuple[str, ...] = ()
    midi: MidiVoice | None = None
    speech: tuple[str, ...] = ()
    computed: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_something(self) -> KindEntry:
        if not (self.pictures or self.sounding):
            raise ValueError("a kind needs pictures or sounds")
        return self

    @property
    def sounding(self) -> bool:
        return bool(self.recordings or self.midi or self.speech or self.computed)


def read_inventory(path: Path = SHIPPED) -> Mapping[str, KindEntry]:
    """Kinds by name, in the order of the file.

    Raises:
        CompositeError: the file is not TOML, or an entry is not what it should be.
    """
    try:
        kinds = tomllib.loads(path.read_text(encoding="utf-8")).get("kind", {})
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise CompositeError(f"{path}: {error}") from error
    return {name: _entry(path, name, fields) for name, fields in kinds.items()}


def _entry(path: Path, name: str, fields: object) -> KindEntry:
    try:
        return KindEntry.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CompositeError(f"{path}: [kind.{name}] {where}: {first['msg']}") from error
