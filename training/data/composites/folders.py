"""Cut-outs and sounds of the user: folders with a folder for each kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from training.data.composites.inventory import CompositeError

PICTURES = frozenset({".png"})
SOUNDS = frozenset({".wav", ".ogg", ".opus", ".mp3", ".flac"})
PHOTOS = frozenset({".jpg", ".jpeg", ".png", ".webp"})

_CUTOUT_LAYOUT = "cut-outs are expected as KIND/NAME.png with a transparent background"
_SOUND_LAYOUT = f"sounds are expected as KIND/NAME with one of the endings {', '.join(sorted(SOUNDS))}"
_PHOTO_LAYOUT = f"photographs with one of the endings {', '.join(sorted(PHOTOS))} are expected"


def read_folders(
    cutouts: Path | None, sounds: Path | None
) -> Mapping[str, tuple[tuple[Path, ...], tuple[Path, ...]]]:
    """Pictures and sounds of each kind that is in the folders, sorted.

    Raises:
        CompositeError: a folder is missing or holds nothing of what is expected.
    """
    pictures = _by_kind(cutouts, PICTURES, _CUTOUT_LAYOUT) if cutouts else {}
    recordings = _by_kind(sounds, SOUNDS, _SOUND_LAYOUT) if sounds else {}
    names = sorted(pictures.keys() | recordings.keys())
    return {name: (pictures.get(name, ()), recordings.get(name, ())) for name in names}


def read_photos(folder: Path) -> tuple[Path, ...]:
    """Photographs in a folder and below it, sorted.

    Raises:
        CompositeError: the folder is missing or holds none.
    """
    _check(folder, _PHOTO_LAYOUT)
    found = _files(folder.rglob("*"), PHOTOS)
    if not found:
        raise CompositeError(f"{folder} holds no photograph: {_PHOTO_LAYOUT}")
    return found


def _by_kind(folder: Path, endings: frozenset[str], layout: str) -> dict[str, tuple[Path, ...]]:
    _check(folder, layout)
    kinds = {path.name: _files(path.iterdir(), endings) for path in sorted(folder.iterdir()) if path.is_dir()}
    found = {name: files for name, files in kinds.items() if files}
    if not found:
        raise CompositeError(f"{folder} holds nothing that can be used: {layout}")
    return found


def _check(folder: Path, layout: str) -> None:
    if not folder.is_dir():
        raise CompositeError(f"{folder} is not a folder: {layout}")


def _files(paths: Iterable[Path], endings: frozenset[str]) -> tuple[Path, ...]:
    return tuple(sorted(path for path in paths if path.suffix.lower() in endings and path.is_file()))
