"""Finding media and annotation files in a data set's folder."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from training.data.readers.reading import DataError, Findings, named

VIDEOS = frozenset({".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi"})
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
SOUNDS = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac"})

ANNOTATION_FOLDERS = ("", "metadata", "annotations", "Annotations", "data")

_FOLDER_DEPTH = 3
_MAX_ID_BYTES = 120


@dataclass(frozen=True, slots=True)
class Media:
    """A video, or a picture with its sound."""

    picture: Path
    sound: Path | None = None


class MediaIndex:
    """The media below a folder, by file name without suffix, in whichever folders they lie."""

    def __init__(self, root: Path) -> None:
        """Lists the folder once. Raises OSError if it cannot be read."""
        self._root = root
        self._by_kind: dict[frozenset[str], defaultdict[str, list[Path]]] = {
            kind: defaultdict(list) for kind in (VIDEOS, PICTURES, SOUNDS)
        }
        for path in walk(root):
            for kind, found in self._by_kind.items():
                if path.suffix.lower() in kind:
                    found[path.stem].append(path)
        self._passed_over: dict[Path, None] = {}

    def clip(self, *stems: str) -> Media | None:
        """The video of the first of these names that has one, else a picture with its sound."""
        video = self._first(VIDEOS, stems)
        if video is not None:
            return Media(video)
        return self.pair(*stems)

    def pair(self, *stems: str) -> Media | None:
        """The picture and the sound of the first of these names that has both."""
        for stem in stems:
            if self._by_kind[PICTURES].get(stem) and self._by_kind[SOUNDS].get(stem):
                picture, sound = self._first(PICTURES, [stem]), self._first(SOUNDS, [stem])
                assert picture is not None
                return Media(picture, sound)
        return None

    def seen(self, *stems: str) -> Path | None:
        """The video of one of these names, or a picture."""
        return self._first(VIDEOS, stems) or self._first(PICTURES, stems)

    def sound(self, *stems: str) -> Path | None:
        """The sound file of one of these names, or a video whose sound track serves."""
        return self._first(SOUNDS, stems) or self._first(VIDEOS, stems)

    def pictures(self) -> list[str]:
        """Names without suffix of all pictures, in order."""
        return sorted(self._by_kind[PICTURES])

    def videos(self) -> list[Path]:
        """All videos, in order."""
        return sorted(path for paths in self._by_kind[VIDEOS].values() for path in paths)

    def remark_on(self, findings: Findings) -> None:
        """Say which files were not used because another has their name."""
        names = [str(path.relative_to(self._root)) for path in self._passed_over]
        if names:
            findings.remark(
                f"Files with the name of one that was used, passed over: {len(names)}, {named(names)}."
            )

    def _first(self, kind: frozenset[str], stems: Sequence[str]) -> Path | None:
        for stem in stems:
            paths = self._by_kind[kind].get(stem)
            if paths:
                self._passed_over.update(dict.fromkeys(paths[1:]))
                return paths[0]
        return None


def walk(root: Path) -> Iterator[Path]:
    """Files below a folder in a fixed order, linked folders included, hidden ones left out.

    Raises OSError if a folder cannot be read.
    """
    seen: set[str] = set()
    for folder, below, files in os.walk(root, followlinks=True, onerror=_raise):
        here = os.path.realpath(folder)
        if here in seen:  # a link that leads back up
            below.clear()
            continue
        seen.add(here)
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield from (Path(folder) / name for name in sorted(files) if not name.startswith("."))


def find_annotation(root: Path, *names: str) -> Path | None:
    """The first of these files that is in the folder or in its metadata or annotations folder."""
    candidates = (root / folder / name for name in names for folder in ANNOTATION_FOLDERS)
    return next((path for path in candidates if path.is_file()), None)


def require_annotation(root: Path, *names: str, layout: str) -> Path:
    """As `find_annotation`, but raises DataError with the layout if none is there."""
    found = find_annotation(root, *names)
    if found is None:
        raise DataError(f"{root}: no {' or '.join(names)} in it. {layout}")
    return found


def find_folders(root: Path, *names: str) -> list[Path]:
    """Folders of one of these names, at most three levels down, shallow ones first; or `root` itself."""
    found = [root] if root.name in names else []
    for level in range(_FOLDER_DEPTH):
        found += sorted(path for name in names for path in root.glob("*/" * level + name) if path.is_dir())
    return found


def find_file(folders: Sequence[Path], name: PurePosixPath, suffixes: frozenset[str]) -> Path | None:
    """The file in one of the folders, under this name or with another of the suffixes."""
    for folder in folders:
        given = folder / name
        others = (given.with_suffix(suffix) for suffix in sorted(suffixes))
        for path in (given, *others):
            if path.is_file():
                return path
    return None


def read_json(path: Path) -> Any:
    """The document in a file. Raises DataError if it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error


def read_rows(path: Path) -> list[list[str]]:
    """The rows of a table with commas, empty ones left out. Raises DataError if it is not such a table."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            return [row for row in csv.reader(handle) if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a table: {error}") from error


def safe_id(text: str) -> str:
    """The text as a file name of letters, digits and `. _ + ~ -`; beyond 120 bytes it ends in its hash."""
    name = re.sub(r"[^\w.+~-]+", "_", text).lstrip(".") or "_"
    if len(name.encode()) <= _MAX_ID_BYTES:
        return name
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return name.encode()[: _MAX_ID_BYTES - 13].decode(errors="ignore") + "_" + digest


def _raise(error: OSError) -> None:
    raise error
