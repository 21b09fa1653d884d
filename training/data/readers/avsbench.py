"""AVSBench: five frames of five-second clips, with boxes around the masks (Zhou et al., ECCV 2022).

S4 has one source a clip, MS3 several that sound together; a frame where none of them sounds has an empty box.
"""

from __future__ import annotations

from training.data.readers.box_lists import BoxListReader, Known
from training.data.readers.pixel_boxes import AVSBENCH_MS3, AVSBENCH_S4, BoxList, SourceBox

_FRAME_IN_SECOND = 15 / 16
"""Frame k is the last of the sixteen that were taken evenly from second k (counted from 1)."""

_VIDEO_ID_LENGTH = 11


def _describe_single(source: SourceBox) -> Known:
    """Pictures are called ".../<category>/<video>/<video>_<k>.png"."""
    return Known(
        (source.image_path.parts[-3].replace("_", " "),), group=_video(source), time_s=_moment_s(source)
    )


def _describe_multiple(source: SourceBox) -> Known:
    """Pictures are called ".../<video>_<part>/<video>_<part>.mp4_<k>.png"."""
    return Known((), group=_video(source), time_s=_moment_s(source))


def _video(source: SourceBox) -> str:
    return source.image_path.parent.name[:_VIDEO_ID_LENGTH]


def _moment_s(source: SourceBox) -> float | None:
    second = source.image_path.stem.rpartition("_")[2]
    return int(second) - 1 + _FRAME_IN_SECOND if second.isdigit() else None


def _layout(listed: BoxList, folder: str) -> str:
    return (
        f"Expected: {listed.published_file} of SSLalignment (or {listed.file}) and the data as AVSBench "
        f"hands them out: {folder}/visual_frames and {folder}/audio_wav with their folders inside."
    )


S4_READER = BoxListReader(
    name="avsbench-s4",
    title="AVSBench S4 test: five frames a clip, one source",
    layout=_layout(AVSBENCH_S4, "s4_data"),
    listed=AVSBENCH_S4,
    describe=_describe_single,
    empty_is_silent=True,
)
MS3_READER = BoxListReader(
    name="avsbench-ms3",
    title="AVSBench MS3 test: five frames a clip, sources that sound together",
    layout=_layout(AVSBENCH_MS3, "ms3_data"),
    listed=AVSBENCH_MS3,
    describe=_describe_multiple,
    empty_is_silent=True,
)
