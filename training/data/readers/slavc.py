"""Test sets with negatives: Extended VGG-SS and Extended Flickr-SoundNet (SLAVC, NeurIPS 2022).

To the pictures with boxes come pairs of a picture and a sound that nothing in the picture makes. What the
lists hold, checked on the published files:

* Extended VGG-SS pairs 4,779 frames with another clip's sound, and 379 clips with *their own* sound. None of
  the 379 is in VGG-SS. SLAVC's code scores all rows alike, as negatives, so those are taken for clips whose
  source is out of sight; the list does not say so itself.
* In 1,185 of the 4,779 pairs both clips have one VGG-SS class (a quarter; chance would give half a percent).
  A dog that is seen while another dog barks is a negative here, which nobody can tell from one microphone.

`Facts.extra` of a negative has `negative`, "own sound" or "other sound", and where the classes are known
`same_class`, "yes" or "no", so that a report can separate these cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training.data.examples import Facts
from training.data.readers.files import (
    Media,
    MediaIndex,
    find_annotation,
    read_rows,
    require_annotation,
    safe_id,
)
from training.data.readers.flickr import Flickr, add_flickr
from training.data.readers.reading import DataError, Findings, Reading
from training.data.readers.vggsound import file_names
from training.data.readers.vggss import ANNOTATIONS, Vggss, add_vggss, read_vggss
from training.data.samples import Sample

VGGSS_LIST = "vggss_test_plus_silent.csv"
FLICKR_LIST = "flickr_test_plus_silent.csv"

_HEADING = ["video", "audio", "label"]
_NEGATIVE = "non-sounding"


@dataclass(frozen=True, slots=True)
class NegativePair:
    """Names of the clip that is seen and of the clip that is heard."""

    video: str
    audio: str

    @property
    def own_sound(self) -> bool:
        return self.video == self.audio


class ExtendedVggss:
    """Reader of VGG-SS with negatives."""

    name = "vggss-extended"
    title = "Extended VGG-SS: VGG-SS and as many pairs in which nothing in sight sounds"
    layout = f"As for vggss, with {VGGSS_LIST} of SLAVC beside {ANNOTATIONS}. {Vggss.layout}"

    def read(self, root: Path) -> Reading:
        pairs = read_pairs(require_annotation(root, VGGSS_LIST, layout=self.layout))
        findings = Findings(root, self)
        add_vggss(root, findings, layout=self.layout)
        path = find_annotation(root, ANNOTATIONS)
        classes = {entry.clip: entry.label for entry in read_vggss(path)} if path is not None else {}
        _add_negatives(pairs, MediaIndex(root), findings, classes=classes)
        return findings.close()


class ExtendedFlickr:
    """Reader of the Flickr-SoundNet test pictures with negatives."""

    name = "flickr-extended"
    title = "Extended Flickr-SoundNet: its test pictures and as many pairs in which nothing in sight sounds"
    layout = f"As for flickr, with {FLICKR_LIST} of SLAVC. {Flickr.layout}"

    def read(self, root: Path) -> Reading:
        pairs = read_pairs(require_annotation(root, FLICKR_LIST, layout=self.layout))
        findings = Findings(root, self)
        add_flickr(root, findings, test_only=True)
        _add_negatives(pairs, MediaIndex(root), findings, classes={})
        return findings.close()


def read_pairs(path: Path) -> list[NegativePair]:
    """The negative pairs of a list; rows of other kinds are the pictures with boxes.

    Raises DataError if it does not have the columns video, audio and label.
    """
    rows = read_rows(path)
    if not rows or [cell.strip() for cell in rows[0]] != _HEADING or any(len(row) != 3 for row in rows):
        raise DataError(f"{path} does not have the columns {', '.join(_HEADING)}")
    return [NegativePair(video, audio) for video, audio, label in rows[1:] if label.strip() == _NEGATIVE]


def _add_negatives(
    pairs: list[NegativePair], index: MediaIndex, findings: Findings, *, classes: dict[str, str]
) -> None:
    own = same = 0
    for pair in pairs:
        media = _media(pair, index)
        if media is None:
            findings.lack(f"{pair.video} with the sound of {pair.audio}")
            continue
        seen, heard = classes.get(pair.video), classes.get(pair.audio)
        extra = {"negative": "own sound" if pair.own_sound else "other sound"}
        if seen is not None and heard is not None:
            extra["same_class"] = "yes" if seen == heard else "no"
        own += pair.own_sound
        same += extra.get("same_class") == "yes"
        facts = Facts(
            safe_id(f"{pair.video}+{pair.audio}"),
            labels=(heard,) if heard else (),
            group=pair.video.rpartition("_")[0] or pair.video,
            split="test",
            sounding=False,
            extra=extra,
        )
        findings.add(Sample(facts, media.picture, media.sound))
    if own:
        findings.remark(
            f"Negatives that are a clip with its own sound, taken to come from out of sight: {own}."
        )
    if same:
        findings.remark(
            f"Negatives that are seen in one clip and heard in another of the same class: {same}."
        )


def _media(pair: NegativePair, index: MediaIndex) -> Media | None:
    """What is seen of one clip with what is heard of the other."""
    if pair.own_sound:
        return index.clip(*file_names(pair.video))
    picture, sound = index.seen(*file_names(pair.video)), index.sound(*file_names(pair.audio))
    return Media(picture, sound) if picture is not None and sound is not None else None
