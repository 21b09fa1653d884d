"""What a folder holds of a data set, for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.markup import escape
from rich.table import Table

from training.data.examples import Example, Split
from training.data.readers import READERS, Reading
from training.data.readers.reading import named
from training.data.samples import Sample

_SPLITS: tuple[Split, ...] = ("train", "val", "test")
_COMMON_LABELS = 10


def readers_table() -> Table:
    """All readers: name, what they read, which files they expect."""
    table = Table(show_lines=True)
    table.add_column("reader", no_wrap=True)
    table.add_column("what it is", ratio=1)
    table.add_column("files", ratio=2)
    for reader in READERS.values():
        table.add_row(*(escape(text) for text in (reader.name, reader.title, reader.layout)))
    return table


def contents_table(reading: Reading) -> Table:
    """A row for each split that has samples, and one for all of them."""
    table = Table()
    for heading in ("split", "samples", "with boxes", "negatives", "groups", "labels"):
        table.add_column(heading, justify="left" if heading == "split" else "right")
    present = {
        split: [sample for sample in reading.samples if sample.facts.split == split] for split in _SPLITS
    }
    for split, samples in present.items():
        if samples:
            table.add_row(split, *_counts(samples))
    if sum(map(bool, present.values())) > 1:
        table.add_row("all", *_counts(reading.samples), style="bold")
    return table


def sayings(reading: Reading) -> Iterator[str]:
    """Lines below the table: common labels, remarks, what is missing."""
    labels = Counter(label for sample in reading.samples for label in sample.facts.labels)
    if labels:
        common = ", ".join(f"{label} ({count})" for label, count in labels.most_common(_COMMON_LABELS))
        yield f"Most common labels: {common}"
    yield from reading.remarks
    if reading.missing:
        yield f"Missing: {len(reading.missing)}, {named(reading.missing)}"
    else:
        yield "Nothing is missing."


def _counts(samples: Sequence[Example]) -> tuple[str, ...]:
    facts = [sample.facts for sample in samples]
    counts = (
        len(samples),
        sum(isinstance(sample, Sample) and bool(sample.boxes) for sample in samples),
        sum(not fact.sounding for fact in facts),
        len({fact.group for fact in facts}),
        len({label for fact in facts for label in fact.labels}),
    )
    return tuple(f"{count:,}" for count in counts)
