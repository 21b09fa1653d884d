"""VGG-Sound: some 200,000 ten-second YouTube clips, 309 kinds of sound (Chen et al., ICASSP 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training.data.examples import Facts, Split
from training.data.readers.files import MediaIndex, read_rows, require_annotation
from training.data.readers.reading import DataError, Findings, Reading, named
from training.data.readers.splits import split_groups
from training.data.samples import Sample

TABLE = "vggsound.csv"
CLIP_S = 10


@dataclass(frozen=True, slots=True)
class VggsoundRow:
    """A row of `vggsound.csv`: `start_s` counts from the beginning of the YouTube video `video`."""

    video: str
    start_s: int
    label: str
    split: Split

    @property
    def clip(self) -> str:
        """The name the annotation files of VGG-Sound and VGG-SS use."""
        return f"{self.video}_{self.start_s:06d}"


class Vggsound:
    """Reader of VGG-Sound; a tenth of the training videos is split off for validation."""

    name = "vggsound"
    title = "VGG-Sound: ten-second clips, 309 kinds of sound; no boxes"
    layout = (
        f"Expected: {TABLE} as published (YouTube id, start in seconds, label, train or test) and the clips "
        "anywhere below the folder: <id>_<start, 6 digits>.mp4 or a picture and a sound of that name "
        "(frames/*.jpg, audio/*.wav). <id>_<start ms>_<end ms>.mp4 and <id>_<start>.mp4 are found, too."
    )

    def read(self, root: Path) -> Reading:
        rows = read_vggsound(require_annotation(root, TABLE, layout=self.layout))
        held_out = {row.video for row in rows if row.split == "test"}
        splits = split_groups(row.video for row in rows if row.video not in held_out)
        index = MediaIndex(root)
        findings = Findings(root, self)
        shared = []
        for row in rows:
            if row.split == "train" and row.video in held_out:
                shared.append(row.clip)
                continue
            media = index.clip(*file_names(row.clip))
            if media is None:
                findings.lack(row.clip)
                continue
            split = splits.get(row.video, "test")
            facts = Facts(row.clip, labels=(row.label,), group=row.video, split=split)
            findings.add(Sample(facts, media.picture, media.sound))
        if shared:
            findings.remark(
                f"Training clips of a video that has a test clip, left out: {len(shared)}, {named(shared)}."
            )
        index.remark_on(findings)
        return findings.close()


def read_vggsound(path: Path) -> list[VggsoundRow]:
    """The rows of `vggsound.csv`; a heading is left out. Raises DataError if it is another table."""
    rows = read_rows(path)
    if rows and len(rows[0]) > 1 and not rows[0][1].strip().isdigit():
        rows = rows[1:]
    read = [_row(path, number, row) for number, row in enumerate(rows, start=1)]
    if not read:
        raise DataError(f"{path} lists no clip")
    return read


def file_names(clip: str) -> tuple[str, ...]:
    """The names, without suffix, that a clip "<YouTube id>_<start, 6 digits>" goes by on people's disks."""
    video, _, start = clip.rpartition("_")
    if not start.isdigit():
        return (clip,)
    start_s = int(start)
    end_s = start_s + CLIP_S
    return (
        clip,
        f"{video}_{1000 * start_s}_{1000 * end_s}",
        f"{video}_{start_s:06d}_{end_s:06d}",
        f"{video}_{start_s}_{end_s}",
        f"{video}_{start_s}",
    )


def _row(path: Path, number: int, row: list[str]) -> VggsoundRow:
    try:
        video, start, label, split = (cell.strip() for cell in row)
        if split not in ("train", "test"):
            raise ValueError(f"split {split!r}")
        return VggsoundRow(video, int(start), label, "train" if split == "train" else "test")
    except ValueError as error:
        raise DataError(
            f"{path}, clip {number}: expected id, start, label, train or test; {error}"
        ) from error
