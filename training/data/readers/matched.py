"""Pictures and recordings of the same kind of thing: class labels in place of a common moment."""

from __future__ import annotations

import hashlib
import tomllib
from collections import defaultdict
from pathlib import Path

from training.data.examples import Facts
from training.data.readers.files import read_rows, safe_id
from training.data.readers.reading import DataError, Findings, Reading
from training.data.readers.splits import split_groups
from training.data.samples import Sample

PICTURES, SOUNDS = "images.csv", "sounds.csv"
KINDS = Path(__file__).with_name("matched.toml")


class Matched:
    """Reader of two tables; which classes of the one go with which of the other stands in `matched.toml`."""

    name = "matched"
    title = "pictures with recordings of the same kind of thing; no boxes"
    layout = (
        f"Expected: {PICTURES} and {SOUNDS}, each with the columns file (relative to the folder) and cls. "
        "Each picture whose class has recordings gets one of them, by the hash of its name. About a tenth of "
        "the pictures is split off for validation; nothing is for testing."
    )

    def read(self, root: Path) -> Reading:
        recordings = _recordings(root)
        findings = Findings(root, self)
        unheard = 0
        pictures = []
        for file, kind, sounds in _matches(root):
            known = [recording for name in sounds for recording in recordings[name]]
            if not known:
                unheard += 1
            elif not (root / file).is_file():
                findings.lack(file)
            else:
                pictures.append((file, kind, known[_draw(file) % len(known)]))
        splits = split_groups(file for file, _, _ in pictures)
        for file, kind, recording in pictures:
            facts = Facts(
                safe_id(str(Path(file).with_suffix(""))), labels=(kind,), group=file, split=splits[file]
            )
            findings.add(Sample(facts, root / file, root / recording))
        if unheard:
            findings.remark(f"Pictures of kinds without a recording, left out: {unheard}.")
        return findings.close()


def _matches(root: Path) -> list[tuple[str, str, list[str]]]:
    """File, kind and classes of recordings of every picture whose class is known."""
    kinds = tomllib.loads(KINDS.read_text(encoding="utf-8"))
    of_class = {name: kind for kind, entry in kinds.items() for name in entry["pictures"]}
    found = []
    for row in _rows(root / PICTURES):
        kind = of_class.get(row["cls"]) or of_class.get(row["cls"].partition(":")[0])
        if kind is not None:
            found.append((row["file"], kind, kinds[kind]["sounds"]))
    return found


def _recordings(root: Path) -> dict[str, list[str]]:
    """Files of each class of sounds that are there."""
    files: dict[str, list[str]] = defaultdict(list)
    for row in _rows(root / SOUNDS):
        if (root / row["file"]).is_file():
            files[row["cls"]].append(row["file"])
    return files


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise DataError(f"{path.parent}: no {path.name} in it. {Matched.layout}")
    heading, *lines = read_rows(path) or [[]]
    rows = [dict(zip(heading, line, strict=False)) for line in lines]
    if not rows or not all({"file", "cls"} <= row.keys() for row in rows):
        raise DataError(f"{path} is not a table with the columns file and cls. {Matched.layout}")
    return rows


def _draw(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
