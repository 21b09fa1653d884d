"""AudioSet-Instrument: boxes on seconds of AudioSet clips (Hu et al., NeurIPS 2020; `audioset_box.json`).

Keys are "<YouTube id>/<second>", boxes x, y, width, height, categories numbers from 0 to 12 without names.
Which of the four frames that the authors took from a second was annotated is not said: the middle of the
second is taken, so a box may be half a second off. Seconds without a box are left out, as the authors do.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training.data.examples import Facts
from training.data.readers.files import MediaIndex, read_json, require_annotation
from training.data.readers.music import from_corner_and_size
from training.data.readers.reading import DataError, Findings, Reading, named
from training.data.samples import Sample

ANNOTATIONS = "audioset_box.json"
_ALSO_CALLED = "csol_audioset_box.json"
_VIDEO_ID_LENGTH = 11


@dataclass(frozen=True, slots=True)
class AnnotatedSecond:
    """Boxes (B, 4) normalised xyxy somewhere in a second of a clip, and the number of what each holds."""

    video: str
    second: int
    categories: tuple[int, ...]
    boxes: npt.NDArray[np.float64]


class AudiosetInstrument:
    """Reader of the annotated seconds; all of them are for testing."""

    name = "audioset-instrument"
    title = "AudioSet-Instrument: seconds of clips with boxes in 13 nameless categories"
    layout = (
        f"Expected: {ANNOTATIONS} of DSOL (or {_ALSO_CALLED}) and the ten-second AudioSet clips anywhere "
        "below the folder, as <YouTube id>.mp4 or <YouTube id>_<anything>.mp4."
    )

    def read(self, root: Path) -> Reading:
        seconds = read_seconds(require_annotation(root, ANNOTATIONS, _ALSO_CALLED, layout=self.layout))
        videos = _by_video_id(MediaIndex(root).videos())
        findings = Findings(root, self)
        boxless = 0
        for second in seconds:
            identity = f"{second.video}_{second.second}"
            if not len(second.boxes):
                boxless += 1
            elif second.video not in videos:
                findings.lack(identity)
            else:
                names = tuple(f"category {number}" for number in second.categories)
                facts = Facts(identity, tuple(dict.fromkeys(names)), group=second.video, split="test")
                findings.add(
                    Sample(
                        facts,
                        videos[second.video][0],
                        time_s=second.second + 0.5,
                        boxes=(second.boxes,),
                        box_labels=names,
                    )
                )
        if boxless:
            findings.remark(f"Seconds without a box, left out: {boxless}.")
        findings.remark("The frame is the middle of the annotated second; its box may be half a second off.")
        repeated = [str(path.relative_to(root)) for paths in videos.values() for path in paths[1:]]
        if repeated:
            findings.remark(f"Further files of a clip, passed over: {len(repeated)}, {named(repeated)}.")
        return findings.close()


def read_seconds(path: Path) -> list[AnnotatedSecond]:
    """All entries, those without boxes among them. Raises DataError if it is another file."""
    document = read_json(path)
    try:
        return [_second(key, entry["bbox"]) for key, entry in document.items()]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} does not hold the boxes of AudioSet-Instrument: {error!r}") from error


def _second(key: str, drawn: list[dict[str, object]]) -> AnnotatedSecond:
    video, second = key.split("/")
    boxes = from_corner_and_size([item["normbox"] for item in drawn])  # type: ignore[arg-type]
    if len(boxes) != len(drawn):
        raise ValueError(f"{key} has a box without area")
    return AnnotatedSecond(video, int(second), tuple(int(str(item["category"])) for item in drawn), boxes)


def _by_video_id(videos: list[Path]) -> dict[str, list[Path]]:
    files: defaultdict[str, list[Path]] = defaultdict(list)
    for path in videos:
        files[path.stem[:_VIDEO_ID_LENGTH]].append(path)
    return files
