"""What the readers of the box lists of `pixel_boxes` share: pictures and sounds in two folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from training.data.examples import Facts
from training.data.readers.files import PICTURES, SOUNDS, find_file, find_folders, require_annotation, safe_id
from training.data.readers.pixel_boxes import BoxList, SourceBox, read_sources
from training.data.readers.reading import Findings, Reading, named
from training.data.samples import Sample
from training.metrics.masks import clean_boxes

PICTURE_FOLDERS = ("visual_frames", "images", "frames")
SOUND_FOLDERS = ("audio_wav", "audio_waw", "audio")  # the second is how IS3 is packed


@dataclass(frozen=True, slots=True)
class Known:
    """What the name of an entry says: labels, group, and the moment of the sound that its picture shows."""

    labels: tuple[str, ...]
    group: str
    time_s: float | None = None


@dataclass(frozen=True, slots=True)
class BoxListReader:
    """Reader of one list; all entries are for testing.

    Attributes:
        name, title, layout: see `Reader`.
        listed: the list.
        describe: what an entry's name says.
        empty_is_silent: an all-zero box says that nothing in the picture sounds; otherwise it is a defect.
    """

    name: str
    title: str
    layout: str
    listed: BoxList
    describe: Callable[[SourceBox], Known]
    empty_is_silent: bool = False

    def read(self, root: Path) -> Reading:
        sources = read_sources(require_annotation(root, *self.listed.files, layout=self.layout))
        pictures, sounds = find_folders(root, *PICTURE_FOLDERS), find_folders(root, *SOUND_FOLDERS)
        findings = Findings(root, self)
        boxless = []
        sources_of = Counter(source.scene for source in sources)
        for source in sources:
            if not (source.sounding or self.empty_is_silent):
                boxless.append(source.image)
                continue
            picture = find_file(pictures, _inside(source.image_path, PICTURE_FOLDERS), PICTURES)
            sound = find_file(sounds, _inside(source.audio_path, SOUND_FOLDERS), SOUNDS)
            if picture is None or sound is None:
                findings.lack(source.image if picture is None else source.audio)
                continue
            shared = self.listed.interactive and sources_of[source.scene] > 1
            findings.add(self._sample(source, picture, sound, scene=source.scene if shared else ""))
        if boxless:
            findings.remark(f"No box with an area, left out: {named(boxless)}.")
        return findings.close()

    def _sample(self, source: SourceBox, picture: Path, sound: Path, *, scene: str) -> Sample:
        known = self.describe(source)
        facts = Facts(
            safe_id(source.image_path.stem),
            labels=known.labels,
            group=known.group,
            split="test",
            scene=scene,
            sounding=source.sounding,
        )
        boxes = (clean_boxes(source.box),) if source.sounding else ()
        return Sample(facts, picture, sound, time_s=known.time_s, boxes=boxes, rounding="round")


def _inside(path: PurePosixPath, folders: tuple[str, ...]) -> PurePosixPath:
    """The part of the path below a folder of one of these names."""
    parts = path.parts
    start = next((parts.index(name) + 1 for name in folders if name in parts), len(parts) - 1)
    return PurePosixPath(*parts[start:])
