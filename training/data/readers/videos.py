"""Any folder of videos, or of pictures with sounds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from training.data.examples import Facts
from training.data.readers.files import PICTURES, SOUNDS, VIDEOS, safe_id, walk
from training.data.readers.reading import Findings, Reading, named
from training.data.readers.splits import split_groups
from training.data.samples import Sample

_YOUTUBE_PIECE = re.compile(r"(?:.+_)?([A-Za-z0-9_-]{11})_\d+(?:\.\d+)?(?:_\d+(?:\.\d+)?)?")


@dataclass(frozen=True, slots=True)
class _Found:
    picture: Path
    sound: Path | None
    group: str


class Videos:
    """Reader of a user's own files."""

    name = "videos"
    title = "any folder of videos, or pictures with sounds; no boxes"
    layout = (
        "Expected: videos (mp4, mov, mkv, webm, avi) anywhere below the folder, or pictures (jpg, png, "
        "webp) each with a sound file (wav, flac, ogg, mp3, m4a) of the same name beside it. Where there "
        "are subfolders, the name of the folder that a file lies in is its label. Cut what is longer than "
        "five minutes; pieces of one recording are kept in one split if they are named NAME~001, NAME~002, "
        "or <YouTube id>_<start>. About a tenth of the recordings is split off for validation, by the hash "
        "of their names; nothing is for testing."
    )

    def read(self, root: Path) -> Reading:
        findings = Findings(root, self)
        found, mute = _find(root)
        splits = split_groups(entry.group for entry in found)
        for entry in found:
            inside = entry.picture.relative_to(root)
            labels = (inside.parent.name.replace("_", " "),) if inside.parent.name else ()
            facts = Facts(
                safe_id(str(inside.with_suffix(""))),
                labels=labels,
                group=entry.group,
                split=splits[entry.group],
            )
            findings.add(Sample(facts, entry.picture, entry.sound))
        if mute:
            findings.remark(f"Pictures without a sound of their name, left out: {len(mute)}, {named(mute)}.")
        return findings.close()


def _find(root: Path) -> tuple[list[_Found], list[str]]:
    """What there is, and the pictures without a sound."""
    files = list(walk(root))
    sounds = {path.with_suffix(""): path for path in reversed(files) if path.suffix.lower() in SOUNDS}
    found, mute = [], []
    for path in files:
        sound = sounds.get(path.with_suffix(""))
        if path.suffix.lower() in VIDEOS:
            found.append(_Found(path, None, _group(path.relative_to(root))))
        elif path.suffix.lower() in PICTURES and sound is not None:
            found.append(_Found(path, sound, _group(path.relative_to(root))))
        elif path.suffix.lower() in PICTURES:
            mute.append(str(path.relative_to(root)))
    return found, mute


def _group(inside: Path) -> str:
    """The recording that a file was cut from."""
    piece = _YOUTUBE_PIECE.fullmatch(inside.stem)
    # Nearly all ids have letters of both cases; in a word of eleven letters and a number they are rare.
    if piece and piece[1] != piece[1].lower() and piece[1] != piece[1].upper():
        return piece[1]
    return str(inside.with_name(inside.stem.partition("~")[0]))
