"""Clips with boxes from a table of one's own, `clips.csv`."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.data.examples import Facts
from training.data.readers.files import safe_id
from training.data.readers.reading import DataError, Findings, Reading
from training.data.samples import Sample
from training.metrics.masks import clean_boxes

TABLE = "clips.csv"
WEAK = "weak"
"""Tier of a clip whose boxes cannot be trusted."""


@dataclass(frozen=True, slots=True)
class ClipEntry:
    """A row of `clips.csv`. `boxes` are (B, 4) normalised xyxy on the frame at `time_s`."""

    file: str
    tier: str
    sounds: str
    boxes: npt.NDArray[np.float64]
    time_s: float


class Clips:
    """Reader of a table of clips; all of them are for testing."""

    name = "clips"
    title = "clips with boxes listed in a table of your own"
    layout = (
        f"Expected: {TABLE} with the columns file (relative to the folder), tier, sounds (what is heard), "
        "boxes (a JSON list of [x0, y0, x1, y1], normalised to the displayed frame) and time_s (of the "
        f"frame that the boxes were drawn on). The boxes of a clip of tier '{WEAK}' are not used."
    )

    def read(self, root: Path) -> Reading:
        if not (root / TABLE).is_file():
            raise DataError(f"{root}: no {TABLE} in it. {self.layout}")
        entries = read_entries(root)
        findings = Findings(root, self)
        rows_of = Counter(entry.file for entry in entries)
        for entry in entries:
            media = root / entry.file
            if not media.is_file():
                findings.lack(entry.file)
                continue
            # A file may be listed at several moments.
            moment = f"~{entry.time_s:g}s" if rows_of[entry.file] > 1 else ""
            facts = Facts(
                safe_id(str(Path(entry.file).with_suffix("")) + moment),
                labels=(entry.sounds,) if entry.sounds else (),
                group=entry.file,
                split="test",
                extra={"tier": entry.tier},
            )
            boxes = (entry.boxes,) if entry.tier != WEAK else ()
            findings.add(Sample(facts, media, time_s=entry.time_s, boxes=boxes))
        return findings.close()


def read_entries(data_dir: Path) -> list[ClipEntry]:
    """Rows of `data_dir/clips.csv` (columns file, tier, sounds, boxes, time_s; others are ignored).

    Raises:
        FileNotFoundError: if there is no such table.
        DataError: if a row cannot be read, or a clip that is not weak has no box with an area.
    """
    with (data_dir / TABLE).open(newline="", encoding="utf-8-sig") as handle:
        try:
            entries = [_entry(row) for row in csv.DictReader(handle)]
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{data_dir / TABLE} is not a table: {error}") from error
    if not entries:
        raise DataError(f"{data_dir / TABLE} lists no clip")
    return entries


def _entry(row: dict[str, str]) -> ClipEntry:
    try:
        entry = ClipEntry(
            file=row["file"],
            tier=row["tier"],
            sounds=row["sounds"],
            boxes=clean_boxes(json.loads(row["boxes"] or "[]")),
            time_s=float(row["time_s"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{TABLE}, {row.get('file')}: {error!r}") from error
    if entry.tier != WEAK and not len(entry.boxes):
        raise DataError(f"{TABLE}, {entry.file}: no box with an area, yet its tier is {entry.tier!r}")
    return entry
