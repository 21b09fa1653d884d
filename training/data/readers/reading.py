"""What a reader of a data set gives, and how it fails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from training.data.examples import Example

_NAMED = 10  # names written out in a remark


class DataError(ValueError):
    """A folder or an annotation file is not what a reader needs; the message says what is expected."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A data set as far as it is there.

    Attributes:
        samples: examples, mostly `Sample`, with ids that differ.
        missing: what the annotations name and the folder lacks, by id or file name.
        remarks: what was left out or needs care, and why; one sentence each.
    """

    samples: tuple[Example, ...]
    missing: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


class Reader(Protocol):
    """Reads one data set, in the folders its authors publish it in."""

    @property
    def name(self) -> str:
        """As it is written on the command line."""
        ...

    @property
    def title(self) -> str:
        """What the data set is, in a few words."""
        ...

    @property
    def layout(self) -> str:
        """A paragraph that tells a user which files are expected where."""
        ...

    def read(self, root: Path) -> Reading:
        """Everything in `root`. What is missing is listed; it does not stop the reading.

        Raises:
            DataError: nothing was found, or an annotation file is not what its name says.
            OSError: the folder cannot be read.
        """
        ...


class OnDisk(Example, Protocol):
    """An example that is a file."""

    @property
    def media(self) -> Path: ...


class Findings:
    """A reading while it is being made. Of samples with one id the first is kept and the others are named."""

    def __init__(self, root: Path, reader: Reader) -> None:
        self._root = root
        self._reader = reader
        self._samples: dict[str, OnDisk] = {}
        self._missing: list[str] = []
        self._remarks: list[str] = []
        self._repeated: list[str] = []

    def add(self, sample: OnDisk) -> None:
        if sample.facts.id in self._samples:
            self._repeated.append(f"{sample.media} ({sample.facts.id})")
        else:
            self._samples[sample.facts.id] = sample

    def lack(self, name: str) -> None:
        self._missing.append(name)

    def remark(self, sentence: str) -> None:
        self._remarks.append(sentence)

    def close(self) -> Reading:
        """Raises DataError if no sample was found."""
        if not self._samples:
            raise DataError(f"{self._root}: {self._nothing()} {self._reader.layout}")
        if self._repeated:
            self.remark(
                f"With an id that is taken, left out: {len(self._repeated)}, {named(self._repeated)}."
            )
        return Reading(tuple(self._samples.values()), tuple(self._missing), tuple(self._remarks))

    def _nothing(self) -> str:
        if self._missing:
            count = len(self._missing)
            return f"none of {count} listed clips is there, for example {self._missing[0]}."
        return f"found nothing that {self._reader.name} could read."


def named(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    listed = list(names)
    more = len(listed) - _NAMED
    return ", ".join(listed[:_NAMED]) + (f" and {more} more" if more > 0 else "")
