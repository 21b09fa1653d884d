"""What a collection holds, for the terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from training.data.composites.collection import Collection, Kind
from training.data.composites.splits import SPLITS
from training.data.composites.voices import Voice
from training.data.examples import Split

_NONE = "-"


def split_table(collection: Collection) -> Table:
    """Kinds with their sounds and, for each split, numbers of pictures and of recordings or takes."""
    table = Table(title="pictures / recordings of each split")
    table.add_column("kind")
    table.add_column("family")
    table.add_column("sounds")
    for split in SPLITS:
        table.add_column(split, justify="right")
    trained = collection.trained_kinds()
    for kind in sorted(collection.kinds, key=_order):
        counts = [_counts(collection, kind, split) for split in SPLITS]
        new = kind.cutouts and kind.recordings and kind.name not in trained
        name = f"{escape(kind.name)} [dim](new)[/dim]" if new else escape(kind.name)
        table.add_row(name, kind.family, _sounds(kind), *counts, end_section=False)
    table.add_section()
    table.add_row(
        "sounding objects", "", "", *(str(_sounding(collection, split)) for split in SPLITS), style="bold"
    )
    table.add_row(
        "silent objects", "", "", *(str(_silent(collection, split)) for split in SPLITS), style="bold"
    )
    return table


def _order(kind: Kind) -> tuple[int, str, str]:
    """What is seen and heard first, then what is only heard, then what is only seen."""
    rank = 0 if kind.cutouts and kind.recordings else 1 if kind.recordings else 2
    return rank, kind.family, kind.name


def _counts(collection: Collection, kind: Kind, split: Split) -> str:
    pictures = sum(collection.splits[item.id] == split for item in kind.cutouts)
    recordings = sum(collection.splits[item.id] == split for item in kind.recordings)
    if not pictures and not recordings:
        return _NONE
    return f"{pictures} / {recordings}" if kind.recordings else str(pictures)


def _sounds(kind: Kind) -> str:
    sources = [recording.source for recording in kind.recordings]
    engines = [source.engine for source in sources if isinstance(source, Voice)]
    names = ["recorded"] if len(engines) < len(sources) else []
    return ", ".join([*names, *dict.fromkeys(engines)]) or _NONE


def _sounding(collection: Collection, split: Split) -> int:
    return sum(len(kind.cutouts) for kind in collection.part(split) if kind.recordings)


def _silent(collection: Collection, split: Split) -> int:
    return sum(len(kind.cutouts) for kind in collection.part(split) if not kind.recordings)
